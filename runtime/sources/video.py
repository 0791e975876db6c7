"""Video files, decoded by PyAV for their true timestamps."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from pathlib import Path
from queue import Queue

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from ..errors import InputError
from ..files import is_same_file
from ..many_pictures import gif_extent
from .decoder import Decoding, acceleration
from .frame import Frame, SourceKind
from .frame_clock import FrameClock, MissingFrames
from .prefetch import PrefetchedSource
from .source_names import Decoder

_SHORTFALL_FRAMES = 3
"""A healthy file may end this many frame intervals before the announced time (edit lists, rounding)."""


@dataclass(frozen=True, kw_only=True)
class _Announced:
    """What the container says of itself, which is not always so."""

    frames: int | None
    end_s: float | None
    is_cut: bool = False


class VideoSource(PrefetchedSource):
    """A video file, decoded in a thread of its own, by what `find_decoder` gave.

    Frames stand upright as the file's rotation says, and carry the container's own timestamps, so that variable frame
    rates survive.

    Raises:
        InputError: the file is missing or holds no video.
    """

    kind: SourceKind = "video"

    def __init__(self, path: Path, *, decoder: Decoder = "cpu") -> None:
        super().__init__(str(path))
        self._path = path
        self._container = open_video(path, acceleration(decoder))
        self._stream = _pictures(path, self._container)
        self._stream.thread_type = "AUTO"
        self._decoding = Decoding(self._stream, decoder)
        self._announced = _announced(path, self._container, self._stream)
        self._clock = FrameClock()
        self._holes = MissingFrames(self._rate())
        self._damaged_packets = 0
        self._damaged_frames = 0
        self._missing_frames = 0

    @property
    def decoder(self) -> Decoder:
        """Who decodes: the processor also where the hardware does not know this codec."""
        return self._decoding.used

    @property
    def length(self) -> int | None:
        """Announced number of frames."""
        return self._announced.frames

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames with faults, parts that cannot be decoded, and what is missing between their times."""
        counts = {
            "damaged": self._damaged_frames,
            "not decoded": self._damaged_packets,
            "missing": self._missing_frames,
        }
        return {cause: count for cause, count in counts.items() if count}

    def reads(self, path: Path) -> bool:
        """Whether it is this file, under whatever name."""
        return is_same_file(path, self._path)

    def close(self) -> None:
        """Stop decoding and close the file."""
        super().close()
        if not self.is_decoding:  # else a pipe says nothing, and what reads it ends with the process
            self._container.close()

    def _frames(self) -> Generator[Frame, None, None]:
        reformatter = VideoReformatter()
        count, end_s, time_s = 0, 0.0, 0.0
        for decoded in self._decoded():
            stamp_s = _stamp_s(decoded)
            time_s = self._clock.time_s(stamp_s, interval_s=1 / self._rate())
            self._holes.add(time_s)
            end_s = (time_s if stamp_s is None else stamp_s) + self._duration_s(decoded)
            self._damaged_frames += decoded.is_corrupt
            yield Frame(
                image=upright_bgr(decoded, reformatter),
                index=count,
                time_s=time_s,
                source=self.name,
                pixel_aspect=pixel_aspect(decoded, self._stream),
            )
            count += 1
        if count == 0:
            raise InputError(f"{self.name}: expected a video, got a file that decodes to no frame.")
        self._judge_end(count, end_s, self._damage(count, time_s))

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Decode what can be decoded; damaged packets are counted."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                self._damaged_packets += 1
                return
            try:
                yield from self._decoding.decode(packet)
            except av.FFmpegError:
                self._damaged_packets += 1

    @staticmethod
    def _duration_s(decoded: av.VideoFrame) -> float:
        if not decoded.duration or decoded.time_base is None:
            return 0.0
        return float(decoded.duration * decoded.time_base)

    def _judge_end(self, count: int, end_s: float, damage: str) -> None:
        """Warn of an early end, but not of a healthy file whose container counts frames that nobody sees.

        A count alone proves nothing: a file that was cut without encoding anew counts frames before its start. So the
        file must also end clearly before its announced time, or must have been damaged.
        """
        announced, clock = self._announced, self._clock
        if clock.restarts:
            times = "once" if clock.restarts == 1 else f"{clock.restarts} times"
            self._warnings.append(
                f"{self.name}: its clock starts anew {times}, as in recordings that were joined; "
                f"times go on from the frame before."
            )
            end_s = inf  # what is announced holds for one of the parts
        missing_frames = announced.frames is not None and count < announced.frames
        if missing_frames and self._container.format.name == "gif" and not announced.is_cut:
            self._warnings.append(
                f"{self.name}: expected {announced.frames} frames, got {count}. Pictures without times cannot all be "
                f"played: give them some (Pillow: `duration=100`)."
            )
            return
        early = announced.end_s is not None and announced.end_s - end_s > _SHORTFALL_FRAMES * clock.longest_step_s
        if missing_frames and (early or damage or announced.is_cut):
            self._warnings.append(
                f"{self.name}: expected {announced.frames} frames as announced, got {count}{damage}. "
                f"The file ends early or is damaged; copy it again if it was longer."
            )
        elif damage:
            self._warnings.append(f"{self.name}: got {count} frames{damage}. The file is damaged.")
        elif announced.is_cut:
            self._warnings.append(f"{self.name}: got {count} frames. The file ends early or is damaged.")
        elif self._holes.count:
            self._missing_frames = self._holes.count
            self._warnings.append(
                f"{self.name}: got {count} frames, about {self._missing_frames} are missing between them. "
                f"The file is damaged, or its camera left them out."
            )

    def _damage(self, count: int, last_s: float) -> str:
        """Say what is broken, as the end of a sentence; nothing where nothing is."""
        if not self._damaged_packets and not self._damaged_frames:
            return ""
        self._missing_frames = max(0, round(last_s * self._rate()) + 1 - count)
        return f", {self._damaged_frames} of them with faults, {self._damaged_packets} damaged parts not decoded" + (
            f", about {self._missing_frames} missing" if self._missing_frames else ""
        )

    def _rate(self) -> float:
        return float(self._stream.average_rate or self._stream.guessed_rate or 25)


def open_waiting(
    url: str,
    *,
    form: str | None = None,
    options: dict[str, str] | None = None,
    timeout_s: tuple[float, float] | None = None,
    hwaccel: HWAccel | None = None,
) -> av.container.InputContainer:
    """Open what FFmpeg reads, in a thread, so that Ctrl-C ends waiting for a pipe that says nothing.

    Args:
        url: as FFmpeg takes it.
        form: FFmpeg's name of the format; it finds out by itself where not given.
        options: of FFmpeg's protocol and format.
        timeout_s: for opening and for each read from the network; without an end where not given.
        hwaccel: hardware that decodes.

    Raises:
        FFmpegError, OSError: it cannot be opened.
    """
    opened: Queue[av.container.InputContainer | Exception] = Queue()

    def work() -> None:
        try:
            opened.put(av.open(url, mode="r", format=form, options=options, timeout=timeout_s, hwaccel=hwaccel))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to who waits
            opened.put(error)

    threading.Thread(target=work, name="open", daemon=True).start()
    outcome = opened.get()
    if isinstance(outcome, av.container.InputContainer):
        return outcome
    raise outcome


def open_video(path: Path, hwaccel: HWAccel | None = None) -> av.container.InputContainer:
    """Open a file that has pictures.

    Raises:
        InputError: it is missing or holds no video.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: expected a video, got an empty file.")
    try:  # without `file:` the colon of `12:30.mp4` is a protocol's
        container = open_waiting(f"file:{path}", hwaccel=hwaccel)
    except OSError as error:
        raise InputError(f"{path}: expected a video, got {error.strerror}.") from error
    except av.FFmpegError as error:
        raise InputError(
            f"{path}: expected a video, got a file that cannot be decoded ({error.strerror}). "
            f"A recording that was cut off before its index was written looks like this."
        ) from error
    if not container.streams.video:
        container.close()
        raise InputError(f"{path}: expected a video, got a file without a video stream.")
    return container


def _stamp_s(decoded: av.VideoFrame) -> float | None:
    """Return a frame's own time; raw streams have none, nor has Matroska before 0."""
    if decoded.pts is None or decoded.time_base is None:
        return None
    return float(decoded.pts * decoded.time_base)


def _pictures(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    """Choose the first stream that is more than a picture: not the cover of a song, nor the still of a sequence."""
    moving = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not moving:
        container.close()
        raise InputError(f"{path}: expected a video, got a file of sound with a cover.")
    return next((stream for stream in moving if stream.frames != 1), moving[0])


def _announced(path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> _Announced:
    """Read the announced end and number of frames; the number is worked out from the time where it is not given."""
    if container.format.name == "gif":  # FFmpeg says what it reads of a broken one, and leaves out some without times
        extent = gif_extent(path.read_bytes())
        return _Announced(frames=extent.pictures, end_s=inf, is_cut=not extent.is_whole)
    start_s = float((stream.start_time or 0) * (stream.time_base or 0))
    end_s = None
    if stream.duration is not None and stream.time_base is not None:
        end_s = start_s + float(stream.duration * stream.time_base)
    elif container.duration is not None and len(container.streams) == 1:  # else it may be the sound's end
        # Matroska counts it from 0, others from the first frame: of the two, the earlier end raises no false alarm.
        end_s = container.duration / av.time_base
    frames = stream.frames or None
    if frames is None and end_s is not None and stream.average_rate:
        frames = max(1, round((end_s - start_s) * float(stream.average_rate)))
    if container.format.name == "avi" and end_s is not None and frames is not None and stream.average_rate:
        end_s = max(end_s, frames / float(stream.average_rate))  # FFmpeg works its time out from the size of a cut one
    return _Announced(frames=frames, end_s=end_s)


def upright_bgr(decoded: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """Convert to [h, w, 3] uint8 BGR, turned as the file says."""
    # One thread: the scaler's own threads cost more than they save below 4K (PyAV 18: 3 times slower at 640x360).
    image = reformatter.reformat(decoded, format="bgr24", threads=1).to_ndarray()
    quarter_turns = round(decoded.rotation / 90) % 4  # counter-clockwise, as np.rot90 turns
    return np.ascontiguousarray(np.rot90(image, quarter_turns), np.uint8)


def pixel_aspect(decoded: av.VideoFrame, stream: av.VideoStream) -> Fraction:
    """Width of a pixel to its height in the upright picture; 1 where nothing is said."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return 1 / aspect if round(decoded.rotation / 90) % 2 else aspect

"""Video files, decoded by PyAV for their true timestamps."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from ..closing import Closing
from ..errors import InputError
from .frame import Frame, SourceKind
from .prefetch import Prefetch

_DEPTH = 4
"""Decoded frames that may wait: enough to ride out one slow frame, 100 MB at 4K."""

_SHORTFALL_FRAMES = 3
"""A healthy file may end this many frame intervals before the announced time (edit lists, rounding)."""


@dataclass(frozen=True, kw_only=True)
class _Announced:
    """What the container says of itself, which is not always so."""

    frames: int | None
    end_s: float | None


class VideoSource(Closing):
    """A video file, decoded in a thread of its own.

    Frames stand upright as the file's rotation says, and carry the container's own timestamps, so that variable frame
    rates survive.

    Raises:
        InputError: the file is missing or holds no video.
    """

    kind: SourceKind = "video"

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._container = _open(path)
        if not self._container.streams.video:
            self._container.close()
            raise InputError(f"{path}: expected a video, got a file without a video stream.")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._announced = _announced(self._container, self._stream)
        self._damaged_packets = 0
        self._warnings: list[str] = []
        self._prefetch: Prefetch[Frame] | None = None

    @property
    def length(self) -> int | None:
        """Announced number of frames."""
        return self._announced.frames

    @property
    def warnings(self) -> tuple[str, ...]:
        """Damage, and an end before the announced one."""
        return tuple(self._warnings)

    def __iter__(self) -> Iterator[Frame]:
        if self._prefetch is None:
            self._prefetch = Prefetch(self._frames(), depth=_DEPTH, name="decode")
        return self._prefetch

    def close(self) -> None:
        """Stop decoding and close the file."""
        if self._prefetch is not None:
            self._prefetch.close()
        self._container.close()

    def _frames(self) -> Generator[Frame, None, None]:
        reformatter = VideoReformatter()
        count, first_s, last_s, end_s, longest_s = 0, 0.0, 0.0, 0.0, 0.0
        for decoded in self._decoded():
            time_s = self._time_s(decoded, count)
            if count == 0:
                first_s = last_s = time_s
            longest_s = max(longest_s, time_s - last_s)
            last_s = time_s
            end_s = time_s + self._duration_s(decoded)
            image = _upright_bgr(decoded, reformatter)
            yield Frame(image=image, index=count, time_s=max(0.0, time_s - first_s), source=self.name)
            count += 1
        if count == 0:
            raise InputError(f"{self.name}: expected a video, got a file that decodes to no frame.")
        self._judge_end(count, end_s, longest_s)

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
                yield from packet.decode()
            except av.FFmpegError:
                self._damaged_packets += 1

    def _time_s(self, decoded: av.VideoFrame, count: int) -> float:
        if decoded.pts is not None and decoded.time_base is not None:
            return float(decoded.pts * decoded.time_base)
        rate = self._stream.average_rate or self._stream.guessed_rate or 25  # a raw stream has no timestamps
        return count / float(rate)

    @staticmethod
    def _duration_s(decoded: av.VideoFrame) -> float:
        if not decoded.duration or decoded.time_base is None:
            return 0.0
        return float(decoded.duration * decoded.time_base)

    def _judge_end(self, count: int, end_s: float, longest_s: float) -> None:
        """Warn of an early end, but not of a healthy file whose container counts frames that nobody sees.

        A count alone proves nothing: a file that was cut without encoding anew counts frames before its start. So the
        file must also end clearly before its announced time, or must have been damaged.
        """
        announced = self._announced
        missing_frames = announced.frames is not None and count < announced.frames
        early = announced.end_s is not None and announced.end_s - end_s > _SHORTFALL_FRAMES * longest_s
        if missing_frames and (early or self._damaged_packets):
            self._warnings.append(
                f"{self.name}: expected {announced.frames} frames as announced, got {count}. "
                f"The file ends early or is damaged; copy it again if it was longer."
            )
        elif self._damaged_packets:
            self._warnings.append(
                f"{self.name}: {self._damaged_packets} damaged parts could not be decoded; got {count} frames."
            )


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path), mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: expected a video, got no such file.") from None
    except av.FFmpegError as error:
        raise InputError(
            f"{path}: expected a video, got a file that cannot be decoded ({error.strerror}). "
            f"A recording that was cut off before its index was written looks like this."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: expected a video, got {error.strerror}.") from error


def _announced(container: av.container.InputContainer, stream: av.VideoStream) -> _Announced:
    """Read the announced end and number of frames; the number is worked out from the time where it is not given."""
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
    return _Announced(frames=frames, end_s=end_s)


def _upright_bgr(decoded: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """Convert to [h, w, 3] uint8 BGR, turned as the file says."""
    # One thread: the scaler's own threads cost more than they save below 4K (PyAV 18: 3 times slower at 640x360).
    image = reformatter.reformat(decoded, format="bgr24", threads=1).to_ndarray()
    quarter_turns = round(decoded.rotation / 90) % 4  # counter-clockwise, as np.rot90 turns
    return np.ascontiguousarray(np.rot90(image, quarter_turns), np.uint8)

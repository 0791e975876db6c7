"""Streams of the network and of standard input: the newest frame counts, and what is lost comes back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from ..closing import Closing
from ..errors import InputError
from .frame import Frame, SourceKind
from .frame_clock import FrameClock
from .handoff import Handoff
from .source_events import OnEvent, SourceEvent, SourceState, ignore_event
from .source_names import Policy, SourceName
from .video import open_waiting, pixel_aspect, upright_bgr

_OPEN_S = 10.0
_SILENCE_S = 5.0
"""A stream that says nothing for so long is lost."""

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_CLOSE_S = 2.0


class StreamSource(Closing):
    """A stream, read in a thread of its own.

    Of a live one the newest frame counts (`policy`), its times are those of arrival, and its end is a loss: it is
    opened again, first after half a second, then ever more rarely up to every 30 s, with jitter, so that many clients
    of a camera that comes back do not knock at once. A video with a length, as over HTTP, is read whole and ends.

    Args:
        name: what is opened.
        policy: of frames that nobody took; by default the newest of a live stream, all of a video or a pipe.
        give_up_after_s: ends the run when the stream was lost for so long; never where not given.
        on_event: is given each change of its state.

    Raises:
        InputError: it cannot be opened, or has no picture.
    """

    kind: SourceKind = "camera"
    length: int | None = None

    def __init__(
        self,
        name: SourceName,
        *,
        policy: Policy | None = None,
        give_up_after_s: float | None = None,
        on_event: OnEvent = ignore_event,
    ) -> None:
        self.name = name.shown
        self._source = name
        self._give_up_after_s = give_up_after_s
        self._on_event = on_event
        self._warnings: list[str] = []
        self._read = self._damaged = self._losses = self._attempts = 0
        self._lost_since_s: float | None = None
        self._first_s = 0.0
        self._clock = FrameClock()
        self._stop = threading.Event()
        self._tell("opening")
        container = self._open()
        self._is_live = name.kind == "stdin" or container.duration is None or name.target.startswith("rtsp")
        waits = name.kind == "stdin" or not self._is_live  # who writes a pipe waits for who reads it
        self._handoff = Handoff(policy or ("all" if waits else "latest"))
        self._thread = threading.Thread(target=self._work, args=(container,), name="stream", daemon=True)
        self._thread.start()

    @property
    def policy(self) -> Policy:
        """Of frames that nobody took."""
        return self._handoff.policy

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was dropped, damaged and lost, a line each."""
        counts = (
            f"{self.name}: {self._handoff.dropped} of {self._read} frames came while another was looked at",
            f"{self.name}: {self._damaged} frames are damaged",
            f"{self.name}: lost {self._losses} times",
        )
        told = (self._handoff.dropped, self._damaged, self._losses)
        return (*(f"{line}." for line, count in zip(counts, told, strict=True) if count), *self._warnings)

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames that nobody took, and frames with faults."""
        counts = {"replaced by a newer": self._handoff.dropped, "damaged": self._damaged}
        return {cause: count for cause, count in counts.items() if count}

    def reads(self, _path: Path) -> bool:
        """Whether it is a file, which it is not."""
        return False

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._handoff.take()) is not None:
            yield frame
        if not self._read and not self._stop.is_set():
            raise InputError(f"{self.name}: expected a stream of pictures, got none that can be decoded.")

    def close(self) -> None:
        """Stop reading and leave the stream."""
        self._stop.set()
        self._handoff.end(is_left=True)
        self._thread.join(_CLOSE_S)  # a read that hangs ends with the process

    def _open(self) -> av.container.InputContainer:
        form = "mjpeg" if self._source.kind == "stdin" else None
        try:
            container = open_waiting(
                self._source.target, form=form, options=dict(self._source.options), timeout_s=(_OPEN_S, _SILENCE_S)
            )
        except (av.FFmpegError, OSError) as error:
            raise InputError(
                f"{self.name}: expected a stream that can be opened, got {_reason(error)}. Is the address right?"
            ) from None  # FFmpeg's own text has the URL with its password
        if not container.streams.video:
            container.close()
            raise InputError(f"{self.name}: expected a stream with pictures, got one without.")
        return container

    def _work(self, container: av.container.InputContainer) -> None:
        opened: av.container.InputContainer | None = container
        try:
            while opened is not None:
                reason = self._deliver(opened)
                opened.close()
                opened = self._open_again(reason)
        finally:
            self._handoff.end()
            self._tell("ended")

    def _tell(self, state: SourceState, reason: str = "") -> None:
        self._on_event(SourceEvent(source=self.name, state=state, at=datetime.now(timezone.utc), reason=reason))

    def _deliver(self, container: av.container.InputContainer) -> str:
        """Hand over frames until the stream ends; say how it did."""
        stream = container.streams.video[0]
        reformatter = VideoReformatter()
        packets = container.demux(stream)
        while not self._stop.is_set():
            try:
                packet = next(packets)
            except StopIteration:
                return "it ended"
            except (av.FFmpegError, OSError) as error:
                return _reason(error)
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._damaged += 1
                continue
            for picture in decoded:
                self._damaged += picture.is_corrupt
                self._put(picture, stream, reformatter)
        return "it was left"

    def _put(self, picture: av.VideoFrame, stream: av.VideoStream, reformatter: VideoReformatter) -> None:
        now_s = time.monotonic()
        if self._read == 0:
            self._first_s = now_s
            self._tell("live")
        if self._lost_since_s is not None:
            self._tell("back", f"after {now_s - self._lost_since_s:.1f} s")
        self._lost_since_s, self._attempts = None, 0
        arrived_s = now_s - self._first_s
        stamp_s = arrived_s if picture.time is None else float(picture.time)
        self._handoff.put(
            Frame(
                image=upright_bgr(picture, reformatter),
                index=self._read,
                time_s=arrived_s if self._is_live else self._clock.time_s(stamp_s),
                source=self.name,
                pixel_aspect=pixel_aspect(picture, stream),
                captured_at=datetime.now(timezone.utc) if self._is_live else None,
                captured_s=now_s if self._is_live else None,
                capture_clock="arrival" if self._is_live else None,
            )
        )
        self._read += 1

    def _open_again(self, reason: str) -> av.container.InputContainer | None:
        """Try until the stream is there again; None where it need not be, or is given up."""
        if not self._is_live or self._source.kind == "stdin" or self._stop.is_set():
            return None
        if self._lost_since_s is None:
            self._lost_since_s = time.monotonic()
            self._losses += 1
            self._tell("lost", reason)
        while True:
            lost_s = time.monotonic() - self._lost_since_s
            if self._give_up_after_s is not None and lost_s >= self._give_up_after_s:
                self._warnings.append(f"{self.name}: lost for {lost_s:.0f} s ({reason}); given up, the run ends here.")
                return None
            delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**self._attempts) * random.uniform(0.5, 1)
            if self._give_up_after_s is not None:
                delay_s = min(delay_s, self._give_up_after_s - lost_s)
            if self._stop.wait(delay_s):
                return None
            self._attempts += 1
            try:
                return self._open()
            except InputError:
                continue


def _reason(error: Exception) -> str:
    """Say what FFmpeg says, without the URL that its errors carry."""
    if isinstance(error, av.ExitError):
        return "silence"
    return str(getattr(error, "strerror", None) or type(error).__name__)

"""One camera's clips: which packets are in them, and when they are whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..rules.event import Event
from ..sinks.encoder import KEY_EVERY_S, EncodedPacket, Encoder, new_context, shape_of
from ..sinks.frame_result import FrameResult
from .clip_length import LONGEST_S, ClipLength
from .event_folder import CLIPS
from .packet_ring import MOST_BYTES, PacketRing

_GRACE_S = 2.0


@dataclass(kw_only=True, eq=False)
class _Clip:
    name: str
    start_at: datetime
    end_s: float
    packets: list[EncodedPacket] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, packet: EncodedPacket) -> None:
        self.packets.append(packet)
        self.size_bytes += len(packet.data)

    @property
    def start_s(self) -> float:
        return self.packets[0].time_s


SaveClip = Callable[[str, Sequence[EncodedPacket], datetime], None]
"""Is given the clip's name below the folder of events, its packets, and when it begins."""


class ClipRecorder:
    """Keeps a camera's latest seconds, and makes clips of them that begin before their event.

    A clip begins with a key frame, by `KEY_EVERY_S` earlier than asked at most.
    The packets are a recording's where there is one. Events within a clip share it, and make it longer.

    Args:
        longest_lead_s: of all rules.
        save: takes clips that are whole; from any thread.
        tell: is given a line when a clip begins later than it should, the first time.
        clock: seconds, as `time.monotonic`.
    """

    def __init__(
        self,
        longest_lead_s: float,
        save: SaveClip,
        *,
        tell: Callable[[str], None] = lambda _line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = PacketRing(longest_lead_s)
        self._save = save
        self._tell = tell
        self._is_short_said = False
        self._clock = clock
        self._lock = threading.Lock()
        self._clip: _Clip | None = None
        self._encoder: Encoder | None = None
        self._own: EncodedPacket | None = None
        self._added_s = clock()

    def add(self, packet: EncodedPacket) -> None:
        """Take a packet, as a recording has it or `see` made it."""
        with self._lock:
            self._added_s = self._clock()
            self._ring.add(packet)
            clip = self._clip
            if clip is None:
                return
            is_other = packet.shape != clip.packets[0].shape or packet.time_s < clip.packets[-1].time_s
            if is_other or packet.time_s > clip.end_s or clip.size_bytes > MOST_BYTES:
                self._finish()
            else:
                clip.add(packet)

    def see(self, result: FrameResult) -> None:
        """Encode a frame, if no recording has.

        Raises:
            av.FFmpegError: it cannot be.
        """
        frame, image, last = result.frame, result.drawn, self._ring.last
        if image is None:
            raise ValueError("a clip needs drawn frames")
        if last is not None and last.time_s == frame.time_s and last is not self._own:
            self._encoder = None
            return
        shape = shape_of(image, frame.pixel_aspect)
        if self._encoder is None or last is None or last.shape != shape:
            self._encoder = Encoder(new_context(shape), shape, start_s=frame.time_s, key_every_s=KEY_EVERY_S)
        for packet in self._encoder.encode(image, frame.time_s):
            self._own = self._encoder.kept(packet)
            self.add(self._own)

    def record(self, event: Event, length: ClipLength) -> str | None:
        """Have a clip of an event, whose frame was the last that was added.

        Returns:
            Its name below the folder of events; none if there is nothing to begin with.
        """
        with self._lock:
            clip, end_s = self._clip, event.time_s + length.after_s
            if clip is not None and end_s - clip.start_s > LONGEST_S:
                self._finish()
            elif clip is not None:
                clip.end_s = max(clip.end_s, end_s)
                return clip.name
            packets = self._ring.since(event.time_s - length.before_s)
            if not packets:
                return None
            if self._ring.is_short and packets[0].time_s > event.time_s - length.before_s and not self._is_short_said:
                self._is_short_said = True
                self._tell(
                    f"{event.camera}: a clip begins {event.time_s - packets[0].time_s:.1f} s before its event instead "
                    f"of {length.before_s:g} s, as no more is kept than {MOST_BYTES >> 20} MiB."
                )
            start_at = event.at - timedelta(seconds=event.time_s - packets[0].time_s)
            self._clip = _Clip(name=f"{CLIPS}/{event.id}.mp4", start_at=start_at, end_s=end_s)
            for packet in packets:
                self._clip.add(packet)
            return self._clip.name

    def finish_overdue(self) -> None:
        """Finish a clip to which nothing comes any more, as its camera was lost."""
        with self._lock:
            clip = self._clip
            if clip is not None and self._clock() > self._added_s + clip.end_s - clip.packets[-1].time_s + _GRACE_S:
                self._finish()

    def close(self) -> None:
        """Finish the clip that there is."""
        with self._lock:
            if self._clip is not None:
                self._finish()

    def _finish(self) -> None:
        clip, self._clip = self._clip, None
        if clip is not None:
            self._save(clip.name, clip.packets, clip.start_at)

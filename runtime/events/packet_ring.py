"""The latest seconds of a camera, as they were encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..sinks.encoder import EncodedPacket

MOST_BYTES = 64 << 20
"""Of one camera's packets: over a minute of 1080p, or some 10 s of 4K."""


class PacketRing:
    """Keeps as many of the latest packets as a clip may begin with.

    Args:
        lead_s: seconds before an event with which its clip begins.
        most_bytes: of all packets together; a lead that takes more is shorter.
    """

    def __init__(self, lead_s: float, *, most_bytes: int = MOST_BYTES) -> None:
        self._lead_s = lead_s
        self._most_bytes = most_bytes
        self._packets: deque[EncodedPacket] = deque()
        self._size_bytes = 0
        self.is_short = False

    @property
    def last(self) -> EncodedPacket | None:
        """The latest."""
        return self._packets[-1] if self._packets else None

    def add(self, packet: EncodedPacket) -> None:
        """Take the next; of another shape, it is the first of a new row, and none precedes it."""
        last = self.last
        if last is not None and (packet.shape != last.shape or packet.time_s < last.time_s):
            self._packets.clear()
            self._size_bytes = 0
        if not self._packets and not packet.is_key:
            return  # nothing that could be decoded begins so
        self._packets.append(packet)
        self._size_bytes += len(packet.data)
        while (end := self._end_of_first_group()) and (self._is_too_old(end) or self._size_bytes > self._most_bytes):
            self.is_short |= not self._is_too_old(end)
            for _ in range(end):
                self._size_bytes -= len(self._packets.popleft().data)

    def since(self, time_s: float) -> Sequence[EncodedPacket]:
        """Give the packets from the last key frame at or before a time on, or all where there is none so early."""
        keys = [place for place, packet in enumerate(self._packets) if packet.is_key and packet.time_s <= time_s]
        return list(self._packets)[keys[-1] if keys else 0 :]

    def _is_too_old(self, end: int) -> bool:
        """Whether what comes behind the first group is enough."""
        return self._packets[end].time_s <= self._packets[-1].time_s - self._lead_s

    def _end_of_first_group(self) -> int:
        """Count the packets before the second key frame; 0 if there is none."""
        return next((place for place, packet in enumerate(self._packets) if place and packet.is_key), 0)

"""When a picture was taken, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .feed import Picture
from .frame import CaptureClock

_OLDEST_S = 10.0
"""An older picture would be older than what a live stream holds back: the clock that says so is another one."""

_AHEAD_S = 0.5
"""So far may the clock of a sender be ahead of ours; networks keep clocks together to a few milliseconds."""


@dataclass(frozen=True, kw_only=True)
class CaptureTime:
    """A moment on both of our clocks.

    Args:
        at: the wall clock.
        s: on the scale of `time.monotonic()`.
        clock: who says so.
    """

    at: datetime
    s: float
    clock: CaptureClock


class CaptureTimes:
    """Says of each picture when it was taken: by its driver, else by its sender, else when it arrived.

    A clock that cannot be ours (a stream's own count, a camera that believes it is 1970) is not believed, and the
    pictures are counted in `disbelieved`.
    """

    def __init__(self) -> None:
        self.disbelieved = 0
        self.apart_s = 0.0
        """How far the disbelieved clock was from ours, last."""

    def of(self, picture: Picture, *, now_s: float, wall: datetime) -> CaptureTime:
        """Find the moment.

        Args:
            picture: it.
            now_s: `time.monotonic()`.
            wall: the wall clock at that moment.
        """
        arrived_s = now_s if picture.arrived_s is None else picture.arrived_s
        if picture.driver_s is not None and 0 <= arrived_s - picture.driver_s <= _OLDEST_S:
            return _capture(picture.driver_s, "driver", now_s, wall)
        if picture.sender_s is not None:
            age_s = wall.timestamp() - picture.sender_s
            if -_AHEAD_S <= age_s <= _OLDEST_S:
                return _capture(min(now_s - age_s, arrived_s), "sender", now_s, wall)
            self.disbelieved += 1
            self.apart_s = age_s
        return _capture(arrived_s, "arrival", now_s, wall)


def _capture(captured_s: float, clock: CaptureClock, now_s: float, wall: datetime) -> CaptureTime:
    return CaptureTime(at=wall - timedelta(seconds=now_s - captured_s), s=captured_s, clock=clock)

"""The time over which a camera's picture was there."""

from __future__ import annotations

from collections import deque
from statistics import median

_GAP_S = 1.5
_GAP_INTERVALS = 4
"""A camera stalls when nothing came for so long, a slow one for so many of its intervals; see docs/realtime.md."""

_KEPT = 9
"""Intervals of which the median is the usual one."""


class WatchedTime:
    """Counts on with the frames, and stands still while the picture is lost.

    Attributes:
        now_s: seconds that were watched.
        elapsed_s: seconds since the first frame, those that were not watched too.
    """

    def __init__(self) -> None:
        self.now_s = self.elapsed_s = 0.0
        self._last_s: float | None = None
        self._steps: deque[float] = deque(maxlen=_KEPT)

    @property
    def interval_s(self) -> float:
        """The usual time from one frame to the next; 0 before the second."""
        return median(self._steps) if self._steps else 0.0

    def advance(self, time_s: float) -> None:
        """Go on to a frame; a clock that was set back moves nothing."""
        step_s = 0.0 if self._last_s is None else max(0.0, time_s - self._last_s)
        if self._last_s is not None:
            self._steps.append(step_s)
        self._last_s = time_s
        self.elapsed_s += step_s
        is_gap = step_s > max(_GAP_S, _GAP_INTERVALS * self.interval_s)
        self.now_s += self.interval_s if is_gap else step_s

"""Times of frames that never fall, whatever the clock of a recording does."""

from __future__ import annotations

_RESTART_S = 0.5
"""A fall of less is a frame out of order."""

_RESTART_FRAMES = 5
"""So many frames after a fall are a new clock; fewer are what a damaged file shows out of order."""


class FrameClock:
    """Counts seconds from the first frame; where the recording's clock starts anew, it goes on from the frame before.

    Recordings are joined (`cat a.ts b.ts`), and cameras that reconnect begin at 0 again.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.longest_step_s = 0.0
        self._offset_s: float | None = None
        self._last_s = 0.0
        self._step_s = 0.0
        self._fallen = 0

    def time_s(self, stamp_s: float) -> float:
        """Turn the next frame's own time into seconds since the first frame."""
        if self._offset_s is None:
            self._offset_s = -stamp_s
        time_s = stamp_s + self._offset_s
        if time_s < self._last_s - _RESTART_S:
            time_s = self._last_s + self._step_s
            self._fallen += 1
            if self._fallen == _RESTART_FRAMES:
                self.restarts += 1
                self._offset_s = time_s - stamp_s
        else:
            self._fallen = 0
            time_s = max(time_s, self._last_s)
            self._step_s = time_s - self._last_s or self._step_s
            self.longest_step_s = max(self.longest_step_s, self._step_s)
        self._last_s = time_s
        return time_s

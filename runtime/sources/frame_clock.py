"""Times of frames that never fall, whatever the clock of a recording does."""

from __future__ import annotations

_RESTART_S = 0.5
"""A fall of less is a frame out of order."""

_RESTART_FRAMES = 5
"""So many frames after a fall are a new clock; fewer are what a damaged file shows out of order."""


_REGULAR_FRAMES = 0.25
_REGULAR_SHARE = 0.95
_HOLE_FRAMES = 4
"""Steps of two or three frames are what phones and screen recorders leave out on purpose."""


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
        self._unstamped = 0

    def time_s(self, stamp_s: float | None, *, interval_s: float = 0.0) -> float:
        """Turn the next frame's own time into seconds since the first frame.

        Args:
            stamp_s: the frame's; None where it has none, as those before 0 in Matroska.
            interval_s: from frame to frame, for frames without a time.
        """
        if stamp_s is None:
            self._last_s += interval_s * (self._unstamped > 0 or self._offset_s is not None)
            self._unstamped += 1
            return self._last_s
        if self._offset_s is None:
            self._offset_s = (self._last_s + interval_s if self._unstamped else 0.0) - stamp_s
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


class MissingFrames:
    """Counts what is missing between frames that otherwise come at one rate; of any other recording nothing is known.

    Args:
        rate: frames a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._last_s: float | None = None
        self._regular = 0
        self._irregular = 0
        self._missing = 0

    def add(self, time_s: float) -> None:
        """Take the time of the next frame."""
        if self._last_s is not None:
            frames = (time_s - self._last_s) * self._rate
            self._regular += abs(frames - 1) < _REGULAR_FRAMES
            if frames >= _HOLE_FRAMES:
                self._missing += round(frames) - 1
            elif abs(frames - 1) >= _REGULAR_FRAMES:
                self._irregular += 1
        self._last_s = time_s

    @property
    def count(self) -> int:
        """How many are missing until now."""
        return self._missing if self._regular > _REGULAR_SHARE * (self._regular + self._irregular) else 0

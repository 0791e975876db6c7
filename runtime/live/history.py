"""What a camera did in the last minutes, for a chart."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STEP_S = 2.0
"""The time that one point of the chart stands for."""

KEPT = 150
"""Points; five minutes."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Some seconds of a camera.

    Args:
        step: counts them; a camera that delivered nothing leaves a gap.
        frames_per_s: results.
        p50_ms: of the ages; none of files.
        p95_ms: of the ages; none of files.
    """

    step: int
    frames_per_s: float
    p50_ms: float | None
    p95_ms: float | None


class History:
    """Gathers ages into points; may be added to and read by different threads.

    Args:
        clock: seconds, as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._points: deque[Point] = deque(maxlen=KEPT)
        self._step = -1
        self._frames = 0
        self._ages_ms: list[float] = []

    def add(self, age_ms: float | None) -> None:
        """Take a result and its age."""
        with self._lock:
            self._finish_step()
            self._frames += 1
            if age_ms is not None:
                self._ages_ms.append(age_ms)

    @property
    def step(self) -> int:
        """The one that runs now."""
        return int(self._clock() // STEP_S)

    def points(self) -> list[Point]:
        """Return those that are over, the oldest first."""
        with self._lock:
            self._finish_step()
            return [point for point in self._points if point.step >= self.step - KEPT]

    def _finish_step(self) -> None:
        if self.step == self._step:
            return
        if self._frames:
            p50, p95 = np.percentile(self._ages_ms, (50, 95)).tolist() if self._ages_ms else (None, None)
            self._points.append(Point(step=self._step, frames_per_s=self._frames / STEP_S, p50_ms=p50, p95_ms=p95))
        self._step, self._frames, self._ages_ms = self.step, 0, []

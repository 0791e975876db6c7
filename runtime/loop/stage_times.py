"""How long the stages of the loop take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import numpy as np

_KEPT = 4096
"""Durations kept per stage for the median, so that a camera can run for months."""


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """One stage's time per frame."""

    stage: str
    mean_ms: float
    median_ms: float


class StageTimes:
    """Collects durations by stage, from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: dict[str, deque[float]] = {}
        self._sum_s: dict[str, float] = {}
        self._count: dict[str, int] = {}

    def add(self, stage: str, duration_s: float) -> None:
        """Add one frame's duration."""
        with self._lock:
            if stage not in self._recent:
                self._recent[stage] = deque(maxlen=_KEPT)
            self._recent[stage].append(duration_s)
            self._sum_s[stage] = self._sum_s.get(stage, 0.0) + duration_s
            self._count[stage] = self._count.get(stage, 0) + 1

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the duration of the block; a block that raises does not count."""
        started_s = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - started_s)

    def result(self) -> tuple[StageTime, ...]:
        """Return the stages in the order in which they first ended; the median is of the latest 4096 frames."""
        return tuple(
            StageTime(
                stage=stage,
                mean_ms=1e3 * self._sum_s[stage] / self._count[stage],
                median_ms=1e3 * float(np.median(list(recent))),
            )
            for stage, recent in self._recent.items()
        )

"""How a run is doing at this moment, for whoever shows or watches it: figures on a picture, metrics, a watchdog."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..sources.source_events import SourceEvent, SourceState
from .deliveries import DeliveryCounts

AgeStage = Literal["taken", "found", "drawn", "written"]
"""Up to where a frame's age is measured: taken up for the network, found, drawn, written by every output."""

_KEPT = 1024
"""Ages kept per stage, so that a camera can run for months."""

_RATE_S = 10.0
"""The time over which frames a second are counted."""


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Of the latest 1024 ages, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True)
class CameraSnapshot:
    """How one camera is doing.

    Args:
        name: in this run.
        state: of its source.
        reason: why it is in that state; may be empty.
        frames: results so far.
        frames_per_s: results a second, over the last 10 s.
        quiet_s: seconds since its last result; since the run began where there was none.
        drops: frames that were not looked at, by cause.
        ages: now less capture time, by stage; empty of files.
        keeps_promise: whether 95 of 100 frames are younger than was promised; none without a promise or ages.
    """

    name: str
    state: SourceState
    reason: str
    frames: int
    frames_per_s: float
    quiet_s: float
    drops: Mapping[str, int]
    ages: Mapping[AgeStage, Percentiles]
    keeps_promise: bool | None


@dataclass(frozen=True, kw_only=True)
class RunSnapshot:
    """How a run is doing.

    Args:
        cameras: in the order in which they were named.
        promise_ms: the greatest age that was promised.
        shedding: what is left out so that it is kept; empty where nothing is.
        deliveries: what became of events, by who is told.
    """

    cameras: tuple[CameraSnapshot, ...]
    promise_ms: float | None
    shedding: str
    deliveries: tuple[DeliveryCounts, ...] = ()


class RunState:
    """Collects what the threads of a run report; each method may be called from any of them.

    Args:
        names: of the cameras.
        promise_ms: the greatest age that was promised.
        clock: seconds, as `time.monotonic`.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        promise_ms: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self.promise_ms = promise_ms
        self._shedding = ""
        self._cameras = {name: _Camera(clock()) for name in names}
        self._deliveries: Callable[[], Sequence[DeliveryCounts]] = tuple

    def add_event(self, camera: str, event: SourceEvent) -> None:
        """Take a change of a source's state."""
        self.set_state(camera, event.state, event.reason)

    def set_state(self, camera: str, state: SourceState, reason: str = "") -> None:
        """Say what a camera's source is doing."""
        with self._lock:
            told = self._cameras[camera]
            if reason or told.state != state:  # a source that said why it ended keeps that
                told.state, told.reason = state, reason

    def add_result(self, camera: str) -> None:
        """Count a result."""
        with self._lock:
            if self._cameras[camera].state == "opening":  # files tell no events
                self._cameras[camera].state = "live"
            self._cameras[camera].frames += 1
            self._cameras[camera].done_s.append(self._clock())

    def add_age(self, camera: str, stage: AgeStage, age_ms: float) -> None:
        """Take the age of a frame at a stage."""
        with self._lock:
            ages = self._cameras[camera].ages_ms
            if stage not in ages:
                ages[stage] = deque(maxlen=_KEPT)
            ages[stage].append(age_ms)

    def add_drops(self, camera: str, cause: str, count: int = 1) -> None:
        """Count frames that are not looked at."""
        with self._lock:
            self._cameras[camera].drops[cause] += count

    def set_source_drops(self, camera: str, drops: Mapping[str, int]) -> None:
        """Replace what a source itself has counted."""
        with self._lock:
            self._cameras[camera].source_drops = dict(drops)

    def set_shedding(self, shedding: str) -> None:
        """Say what is left out so that the promise is kept."""
        with self._lock:
            self._shedding = shedding

    def set_deliveries(self, deliveries: Callable[[], Sequence[DeliveryCounts]]) -> None:
        """Say who knows what becomes of events."""
        self._deliveries = deliveries

    def snapshot(self) -> RunSnapshot:
        """Return how the run is doing at this moment."""
        deliveries = tuple(self._deliveries())
        with self._lock:
            now_s = self._clock()
            return RunSnapshot(
                cameras=tuple(camera.snapshot(name, now_s, self.promise_ms) for name, camera in self._cameras.items()),
                promise_ms=self.promise_ms,
                shedding=self._shedding,
                deliveries=deliveries,
            )


class _Camera:
    def __init__(self, started_s: float) -> None:
        self.state: SourceState = "opening"
        self.reason = ""
        self.frames = 0
        self.started_s = started_s
        self.done_s: deque[float] = deque(maxlen=_KEPT)
        self.drops: Counter[str] = Counter()
        self.source_drops: dict[str, int] = {}
        self.ages_ms: dict[AgeStage, deque[float]] = {}

    def snapshot(self, name: str, now_s: float, promise_ms: float | None) -> CameraSnapshot:
        ages = {stage: _percentiles(ages_ms) for stage, ages_ms in self.ages_ms.items()}
        oldest_ms = max((age.p95_ms for age in ages.values()), default=None)
        span_s = min(_RATE_S, max(now_s - self.started_s, 1e-9))
        if len(self.done_s) == _KEPT:  # so fast that those kept are of less time
            span_s = min(span_s, max(now_s - self.done_s[0], 1e-9))
        return CameraSnapshot(
            name=name,
            state=self.state,
            reason=self.reason,
            frames=self.frames,
            frames_per_s=sum(done_s > now_s - span_s for done_s in self.done_s) / span_s,
            quiet_s=now_s - (self.done_s[-1] if self.done_s else self.started_s),
            drops=dict(self.drops + Counter(self.source_drops)),
            ages=ages,
            keeps_promise=None if promise_ms is None or oldest_ms is None else oldest_ms <= promise_ms,
        )


def _percentiles(ages_ms: Sequence[float] | deque[float]) -> Percentiles:
    p50, p95, p99 = np.percentile(list(ages_ms), (50, 95, 99)).tolist()
    return Percentiles(p50_ms=p50, p95_ms=p95, p99_ms=p99)

"""What is left out, in which order, so that results do not get older than was promised."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_LATE = 0.9
"""Work is shed from this part of the promise on, before results get late."""

_ROOM = 0.6
"""Below this part of the promise there is room to take a step back."""

_SETTLE_S = 1.0
"""After a step nothing is judged for so long, as frames on their way are of before it."""

_LEAST = 8
"""Ages that a judgement rests on."""

_HOLD_S, _LONGEST_HOLD_S = 5.0, 320.0
"""There must be room for so long; twice as long each time that a step back turned out too early."""

_WINDOW = 64


@dataclass(frozen=True, kw_only=True)
class Step:
    """How much is left out.

    Args:
        every: of a camera's frames every so manieth is looked at.
        model: the number of the graph, from the best to the lightest.
        at_once: frames that are looked at together.
        line: what it is, for people.
    """

    every: int
    model: int
    at_once: int
    line: str


def steps_for(*, models: int, at_once: int) -> tuple[Step, ...]:
    """List the steps in their order: frames are skipped, then the graph gets lighter, then fewer cameras a round."""
    steps = [Step(every=1, model=0, at_once=at_once, line="every frame is looked at")]
    steps += [Step(every=every, model=0, at_once=at_once, line=f"1 of {every} frames is looked at") for every in (2, 4)]
    skipping = steps[-1].line
    steps += [
        Step(every=4, model=model, at_once=at_once, line=f"{skipping}, by graph {model + 1} of {models}")
        for model in range(1, models)
    ]
    lighter = steps[-1]
    while at_once > 1:
        at_once //= 2
        line = f"{lighter.line}, {at_once} of the cameras a round"
        steps.append(Step(every=4, model=lighter.model, at_once=at_once, line=line))
    return tuple(steps)


class Shedding:
    """Sheds work while frames get too old, and takes it back when there is room.

    Args:
        promise_ms: the greatest age; without one nothing is shed.
        steps: of `steps_for`.
        tell: is given a line at each change.
        clock: seconds, as `time.monotonic`.
    """

    def __init__(
        self,
        promise_ms: float | None,
        steps: tuple[Step, ...],
        *,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.promise_ms = promise_ms
        self._steps = steps
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._at = 0
        self._ages_ms: deque[float] = deque(maxlen=_WINDOW)
        self._changed_s = clock()
        self._late_s = clock()
        self._hold_s = _HOLD_S

    @property
    def step(self) -> Step:
        """What is left out now."""
        return self._steps[self._at]

    @property
    def every(self) -> int:
        """Of a camera's frames every so manieth is looked at."""
        return self.step.every

    @property
    def at_once(self) -> int:
        """Frames that are looked at together."""
        return self.step.at_once

    @property
    def is_shedding(self) -> bool:
        """Whether anything is left out."""
        return self._at > 0

    def add(self, age_ms: float) -> None:
        """Take the age of a frame whose result was written, and judge."""
        if self.promise_ms is None:
            return
        with self._lock:
            now_s = self._clock()
            if now_s < self._changed_s + _SETTLE_S:
                return
            self._ages_ms.append(age_ms)
            if len(self._ages_ms) < _LEAST:
                return
            p95_ms = float(np.percentile(list(self._ages_ms), 95))
            if p95_ms > _ROOM * self.promise_ms:
                self._late_s = now_s
            if p95_ms > _LATE * self.promise_ms:
                if self._at + 1 < len(self._steps):
                    self._step_down(now_s, p95_ms)
            elif self._at and now_s - self._late_s >= self._hold_s:
                self._step_back(now_s, p95_ms)

    def _step_down(self, now_s: float, p95_ms: float) -> None:
        if self._took_back and now_s - self._changed_s < 2 * self._hold_s:
            self._hold_s = min(_LONGEST_HOLD_S, 2 * self._hold_s)
        self._go(self._at + 1, now_s, took_back=False)
        self._tell(f"frames are {p95_ms:.0f} ms old, {self.promise_ms:g} ms are promised: {self.step.line} now")

    def _step_back(self, now_s: float, p95_ms: float) -> None:
        self._go(self._at - 1, now_s, took_back=True)
        self._tell(f"frames are {p95_ms:.0f} ms old, {self.promise_ms:g} ms are promised: {self.step.line} again")

    _took_back = False

    def _go(self, at: int, now_s: float, *, took_back: bool) -> None:
        self._at, self._changed_s, self._late_s, self._took_back = at, now_s, now_s, took_back
        self._ages_ms.clear()

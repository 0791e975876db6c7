"""How far a build is, and stopping it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType
from typing import TypeVar

from ...runtime.progress import Progress

Result = TypeVar("Result")

_PARTS = 1000


@dataclass(kw_only=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0
    children: dict[str, float] = field(default_factory=dict)
    """Of the step under way: how far each of its phases is, 0 to 1."""


class BuildProgress:
    """Adds the nested phases that TensorRT reports up to one fraction.

    A compiler announces phases as it goes, so the fraction is an estimate; it never falls.

    Args:
        on_progress: told the phase at work and how much of the whole is done, in thousandths.
    """

    def __init__(self, on_progress: Progress) -> None:
        self.is_cancelled = threading.Event()
        self.fraction = 0.0
        self._on_progress = on_progress
        self._phases: dict[str, _Phase] = {}

    def start(self, name: str, parent: str | None, steps: int) -> None:
        self._phases[name] = _Phase(parent=parent, steps=max(1, steps))
        self._tell(name)

    def step(self, name: str, step: int) -> bool:
        """Take note of a finished step; False asks the compiler to stop."""
        phase = self._phases.get(name)
        if phase is not None:
            phase.done, phase.children = step + 1, {}
            self._tell(name)
        return not self.is_cancelled.is_set()

    def finish(self, name: str) -> None:
        phase = self._phases.get(name)
        if phase is not None:
            phase.done, phase.children = phase.steps, {}
            self._tell(name)

    def _tell(self, name: str) -> None:
        at: str | None = name
        part = 0.0
        while at is not None and at in self._phases:
            phase = self._phases[at]
            part = min(1.0, (phase.done + max(phase.children.values(), default=0.0)) / phase.steps)
            if phase.parent in self._phases:
                self._phases[phase.parent].children[at] = part
            at = phase.parent
        self.fraction = max(self.fraction, part)
        self._on_progress(name, int(self.fraction * _PARTS), _PARTS)


def progress_monitor(module: ModuleType, progress: BuildProgress) -> object:
    """Make the IProgressMonitor that reports to `progress`."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc, name-defined] # the base exists where TensorRT does
        """Called by the compiler, from its own thread."""

        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()


def run_cancellable(work: Callable[[], Result], progress: BuildProgress) -> Result:
    """Run a build in a thread of its own, so that Ctrl-C arrives here and not inside the compiler's callbacks.

    Raises:
        KeyboardInterrupt: after the compiler has stopped; what it had done is lost.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="build") as pool:
        future = pool.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            progress.is_cancelled.set()
            raise

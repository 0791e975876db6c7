"""Several graphs and backends against each other, in turns, so that their ratio holds on a busy machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..export.graph_runners import open_graph, split_runner
from ..runtime.detector import fit_frame
from ..runtime.session import Session, open_session

_WARM_UP_RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One of those that were compared.

    Args:
        name: as it was asked for.
        backend: who ran it.
        median_ms: of the rounds, a frame, post-processing included.
        least_ms: likewise.
        most_ms: likewise.
        speed_up: the first one's time divided by this one's, the median over the rounds.
    """

    name: str
    backend: str
    median_ms: float
    least_ms: float
    most_ms: float
    speed_up: float


@dataclass(frozen=True, kw_only=True)
class RivalReport:
    """How they compare, and how quiet the machine was."""

    rivals: tuple[Rival, ...]
    machine: str
    load: tuple[float, float] | None
    """Mean number of processes that wanted to run, in the minute before the start and before the end."""
    frames: int
    repeats: int

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return asdict(self)


def measure_rivals(
    specs: Sequence[str],
    images: Sequence[NDArray[np.uint8]],
    *,
    frames: int,
    repeats: int,
    threads: int | None = None,
    on_round: Callable[[int], None] | None = None,
) -> RivalReport:
    """Time each one on the same frames, `repeats` times in turn.

    Args:
        specs: `GRAPH` or `GRAPH@RUNNER`, as `verify` takes them, or engines; the first is what the others are
            measured by.
        images: of any size.
        frames: that each runs in a round.
        repeats: rounds.
        threads: that compute a frame.
        on_round: called after each round with the number of rounds done.

    Raises:
        InputError: one cannot be opened.
        MissingDependencyError: a backend is not installed.
    """
    before = _load()
    with ExitStack() as stack:
        sessions = [stack.enter_context(_open(spec, threads)) for spec in specs]
        fitted = [[fit_frame(image, session.card.input)[np.newaxis] for image in images] for session in sessions]
        for session, inputs in zip(sessions, fitted, strict=True):
            _seconds_each(session, inputs, _WARM_UP_RUNS)
        rounds = []
        for number in range(repeats):
            pairs = zip(sessions, fitted, strict=True)
            rounds.append([_seconds_each(session, inputs, frames) for session, inputs in pairs])
            if on_round is not None:
                on_round(number + 1)
        backends = [session.backend for session in sessions]
    times = 1e3 * np.array(rounds)  # [repeats, rivals]
    after = _load()
    return RivalReport(
        rivals=tuple(
            Rival(
                name=spec,
                backend=backend,
                median_ms=float(np.median(taken)),
                least_ms=float(taken.min()),
                most_ms=float(taken.max()),
                speed_up=float(np.median(times[:, 0] / taken)),
            )
            for spec, backend, taken in zip(specs, backends, times.T, strict=True)
        ),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        load=None if before is None or after is None else (before, after),
        frames=frames,
        repeats=repeats,
    )


def _open(spec: str, threads: int | None) -> Session:
    path, runner = split_runner(spec)
    if path.suffix.lower() == ".engine":
        return open_session(Path(spec))
    return open_graph(path, runner or "onnxruntime", threads=threads)


def _seconds_each(session: Session, inputs: Sequence[NDArray[np.uint8]], count: int) -> float:
    run = session.classify if session.card.task == "classifier" else session.run
    started_s = time.perf_counter()
    for frame in islice(cycle(inputs), count):
        run(frame)
    return (time.perf_counter() - started_s) / count


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None

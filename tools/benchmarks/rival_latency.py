"""Several graphs and backends against each other, in turns, so that their ratio holds on a busy machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.parity.runners import open_graph, split_runner
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.runners.onnxruntime_runner import has_card, load_graph
from ...runtime.session import Session, open_session
from .latency import timed_run

_WARM_UP_RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One of those that were compared.

    Args:
        name: as it was asked for.
        backend: who ran it.
        median_ms: median of the rounds, a frame, post-processing included.
        least_ms: the shortest round's.
        most_ms: the longest round's.
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
        specs: `GRAPH` or `GRAPH@RUNNER`, as `verify` takes them, engines, or any other ONNX graph, which is run as it
            is; the first is what the others are measured by.
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
        contenders = [_contender(spec, images, threads, stack) for spec in specs]
        for contender in contenders:
            _seconds_each(contender.runs, _WARM_UP_RUNS)
        rounds = []
        for number in range(repeats):
            rounds.append([_seconds_each(contender.runs, frames) for contender in contenders])
            if on_round is not None:
                on_round(number + 1)
        backends = [contender.opened.backend for contender in contenders]
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


@dataclass(frozen=True, kw_only=True)
class _Contender:
    """What is timed: one call after the other, from the first again after the last."""

    opened: Session | BareGraph
    runs: Sequence[Callable[[], object]]


def _contender(spec: str, images: Sequence[NDArray[np.uint8]], threads: int | None, stack: ExitStack) -> _Contender:
    path, runner = split_runner(spec)
    is_engine = path.suffix.lower() == ".engine"
    if runner is None and not is_engine and not has_card(path):
        bare = BareGraph(path, threads=threads)
        return _Contender(opened=bare, runs=[bare.run])
    opened = open_session(Path(spec)) if is_engine else open_graph(path, runner or "onnxruntime", threads=threads)
    session = stack.enter_context(opened)
    run = timed_run(session)
    frames = (fit_frame(image, session.card.input)[np.newaxis] for image in images)
    return _Contender(opened=session, runs=[partial(run, frame) for frame in frames])


def _seconds_each(runs: Sequence[Callable[[], object]], count: int) -> float:
    started_s = time.perf_counter()
    for run in islice(cycle(runs), count):
        run()
    return (time.perf_counter() - started_s) / count


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class BareGraph:
    """A graph without a card, in ONNX Runtime, on generated numbers; sizes that it leaves open are 1.

    Args:
        path: the .onnx file.
        threads: threads that compute a run; none leaves the choice to ONNX Runtime.

    Raises:
        InputError: the file cannot be loaded, or takes something else than numbers of images.
    """

    def __init__(self, path: Path, *, threads: int | None) -> None:
        self._session = load_graph(path, threads)
        rng = np.random.default_rng(0)
        self._inputs = {}
        for value in self._session.get_inputs():
            if value.type not in _DTYPES:
                raise InputError(
                    f"{path}: expected an input of float32, float16 or uint8, got {value.name} of {value.type}. "
                    f"Only graphs that take images can be compared."
                )
            shape = [size if isinstance(size, int) else 1 for size in value.shape]
            self._inputs[value.name] = rng.integers(0, 256, shape).astype(_DTYPES[value.type])

    @property
    def backend(self) -> str:
        """Who computes, for reports."""
        return "onnxruntime, as it is"

    def run(self) -> None:
        """Compute all outputs once."""
        self._session.run(None, self._inputs)

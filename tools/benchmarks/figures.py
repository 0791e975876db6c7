"""Figures of repetitions, with intervals, and whether two of them differ by more than the noise.

An interval says where a figure would lie if the same were measured again under the same conditions. Repetitions are
resampled, not frames: frames of one process resemble one another. Nothing is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .runs import Answer, Contender, Mode

RESAMPLES = 2000
LEVEL = 0.95
LEAST_REPETITIONS = 5
"""With fewer there is no interval, and nothing is said about differences.

The widest that resampling can give, from least to most, holds the middle of what is measured in 94 of 100 cases with
five repetitions, and in 75 with three.
"""
_STUDENT = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's 97.5th percentile by degrees of freedom, from 1."""

Array = NDArray[np.float64]
Better = Literal["less", "more"]
Statistic = Callable[[Sequence[Answer]], float]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One kind of figure.

    Args:
        name: for tables.
        unit: likewise.
        mode: of the processes that it is made from.
        better: which way is better.
        of: computes it from repetitions together.
        is_judged: a difference of it can be a regression.
    """

    name: str
    unit: str
    mode: Mode
    better: Better
    of: Statistic
    is_judged: bool = True


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure's value, and where it would lie if it were measured again; no interval of too few repetitions."""

    value: float
    low: float | None
    high: float | None

    def text(self, digits: int | None = None) -> str:
        """Write as `12.3 [12.1, 12.8]`."""
        shown = [_written(value, digits) for value in (self.value, self.low, self.high) if value is not None]
        return shown[0] if len(shown) == 1 else f"{shown[0]} [{', '.join(shown[1:])}]"


def _quantile(share: float) -> Statistic:
    return lambda answers: float(np.quantile(np.concatenate([answer.ms for answer in answers]), share))


def _rate(answers: Sequence[Answer]) -> float:
    return sum(answer.frames for answer in answers) / sum(answer.wall_s for answer in answers)


def _cpu_ms(answers: Sequence[Answer]) -> float:
    return 1e3 * sum(answer.cpu_s for answer in answers) / sum(answer.frames for answer in answers)


def _median(value: Callable[[Answer], float]) -> Statistic:
    return lambda answers: float(np.median([value(answer) for answer in answers]))


def _latencies(mode: Mode, words: str) -> Iterator[Figure]:
    for share in (50, 90, 95, 99):
        # p95 and p90 stand between two that are judged: the more figures, the more often one differs by chance.
        yield Figure(
            name=f"{words}p{share}",
            unit="ms",
            mode=mode,
            better="less",
            of=_quantile(share / 100),
            is_judged=share in (50, 99),
        )
    yield Figure(name=f"{words}worst", unit="ms", mode=mode, better="less", of=_quantile(1), is_judged=False)


FIGURES = (
    Figure(name="load", unit="ms", mode="back_to_back", better="less", of=_median(lambda one: one.load_ms)),
    Figure(name="first result", unit="ms", mode="back_to_back", better="less", of=_median(lambda one: one.first_ms)),
    *_latencies("back_to_back", ""),
    Figure(name="throughput", unit="frames/s", mode="back_to_back", better="more", of=_rate),
    Figure(name="CPU time", unit="ms/frame", mode="back_to_back", better="less", of=_cpu_ms),
    Figure(
        name="memory",
        unit="MiB",
        mode="back_to_back",
        better="less",
        of=_median(lambda one: one.memory_mib or math.nan),
    ),
    *_latencies("paced", "paced "),
    Figure(name="paced CPU time", unit="ms/frame", mode="paced", better="less", of=_cpu_ms, is_judged=False),
    Figure(
        name="paced, not looked at",
        unit="%",
        mode="paced",
        better="less",
        of=lambda answers: 100 * sum(one.dropped for one in answers) / sum(one.dropped + one.frames for one in answers),
        is_judged=False,
    ),
    Figure(name="loop", unit="frames/s", mode="loop", better="more", of=_rate),
    Figure(name="loop CPU time", unit="ms/frame", mode="loop", better="less", of=_cpu_ms),
    Figure(
        name="loop memory", unit="MiB", mode="loop", better="less", of=_median(lambda one: one.memory_mib or math.nan)
    ),
)
"""In the order of tables."""


def estimates(contender: Contender) -> dict[str, Estimate]:
    """Compute every figure that was measured of one contender, by name."""
    found = {}
    for figure in FIGURES:
        if answers := contender.repetitions.get(figure.mode):
            estimate = estimate_of(figure, [answers])
            if not math.isnan(estimate.value):
                found[figure.name] = estimate
    return found


def stage_estimates(contender: Contender) -> dict[str, Estimate]:
    """Compute the median of each stage, of frames back to back, and of the loop's."""
    found = {}
    kinds: tuple[tuple[Mode, str], ...] = (("back_to_back", ""), ("loop", "loop: "))
    for mode, words in kinds:
        answers = contender.repetitions.get(mode, ())
        for stage in answers[0].stages if answers else ():
            of = partial(_stage, stage=stage)
            found[words + stage] = _estimate(of(answers), _resampled([answers], of), len(answers))
    return found


def estimate_of(figure: Figure, runs: Sequence[Sequence[Answer]]) -> Estimate:
    """Compute a figure of one run's repetitions, or of several runs of the same."""
    answers = [answer for run in runs for answer in run]
    return _estimate(figure.of(answers), _resampled(runs, figure.of), _units(runs))


def ratio(figure: Figure, first: Sequence[Sequence[Answer]], second: Sequence[Sequence[Answer]]) -> Estimate:
    """Divide a figure of one by that of another, measured in runs of their own.

    Args:
        figure: which.
        first: repetitions, by run: of several runs, runs are resampled too, which holds what differs between them.
        second: likewise; the value is second / first.
    """
    value = figure.of([one for run in second for one in run]) / figure.of([one for run in first for one in run])
    drawn = _resampled(second, figure.of, seed=1) / _resampled(first, figure.of, seed=2)
    return _estimate(value, drawn, min(_units(first), _units(second)))


def paired_ratio(figure: Figure, first: Sequence[Answer], second: Sequence[Answer]) -> Estimate:
    """Divide figures of one run, whose repetitions took turns: what slowed one slowed the other of the same turn."""
    turns = min(len(first), len(second))
    drawn = np.array(
        [
            figure.of([second[at] for at in chosen]) / figure.of([first[at] for at in chosen])
            for chosen in _choices(turns, seed=0)
        ]
    )
    return _estimate(figure.of(second) / figure.of(first), drawn, turns)


def differs(estimate: Estimate) -> bool:
    """Tell whether a ratio is outside the noise."""
    return estimate.low is not None and estimate.high is not None and not estimate.low <= 1 <= estimate.high


def _stage(answers: Sequence[Answer], *, stage: str) -> float:
    return float(np.median(np.concatenate([answer.stages[stage] for answer in answers])))


def _units(runs: Sequence[Sequence[Answer]]) -> int:
    return len(runs) if len(runs) >= LEAST_REPETITIONS else sum(map(len, runs))


def _choices(count: int, *, seed: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).integers(count, size=(RESAMPLES, count)), axis=1)


def _resampled(runs: Sequence[Sequence[Answer]], of: Statistic, *, seed: int = 0) -> Array:
    """Draw repetitions with replacement, again and again; of five runs or more, runs and then their repetitions."""
    if len(runs) < LEAST_REPETITIONS:
        runs = [[answer for run in runs for answer in run]]
    flat = [answer for run in runs for answer in run]
    starts = np.cumsum([0, *map(len, runs)])
    within = [_choices(len(run), seed=seed + 1 + place) + starts[place] for place, run in enumerate(runs)]
    known: dict[bytes, float] = {}  # of five repetitions there are 126 choices
    drawn = []
    for number, chosen_runs in enumerate(_choices(len(runs), seed=seed)):
        chosen = np.concatenate([within[run][number] for run in chosen_runs])
        key = chosen.tobytes()
        if key not in known:
            known[key] = of([flat[at] for at in chosen])
        drawn.append(known[key])
    return np.array(drawn)


def _estimate(value: float, drawn: Array, units: int) -> Estimate:
    """Take the middle of what was drawn, wider for few repetitions.

    Source: Hesterberg 2015, What Teachers Should Know About the Bootstrap, "expanded percentile": of few values the
    plain percentiles are too narrow by the root of (n - 1) / n, and by what Student's t is wider than a normal curve.
    """
    if units < LEAST_REPETITIONS or np.isnan(drawn).any():
        return Estimate(value=value, low=None, high=None)
    tail = NormalDist().cdf(-math.sqrt(units / (units - 1)) * _student(units - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high))


def _student(degrees: int) -> float:
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    normal = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2)
    return normal + (normal**3 + normal) / (4 * degrees)


def _written(value: float, digits: int | None) -> str:
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"

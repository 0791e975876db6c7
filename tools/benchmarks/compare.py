"""Two benchmarks against each other: what differs by more than the noise, and which way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ...runtime.errors import InputError
from .figures import FIGURES, LEAST_REPETITIONS, Estimate, Figure, differs, estimate_of, ratio
from .ledger import read_runs
from .runs import Answer, BenchRun, Contender

WORTH = 0.02
"""A change below this share is told, and is no regression."""

Verdict = Literal["better", "worse", "no difference", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """The latest run of a file, with earlier ones that measured the very same in the same place."""

    path: Path
    runs: tuple[BenchRun, ...]

    @property
    def latest(self) -> BenchRun:
        """What the side is about."""
        return self.runs[-1]

    def of(self, contender: Contender) -> list[Contender]:
        """Give what all runs measured of it."""
        return [one for run in self.runs for one in run.contenders if _key(one) == _key(contender)]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of one contender.

    Args:
        contender: title of the new one.
        figure: name.
        unit: of it.
        old: before.
        new: now.
        ratio: new / old.
        verdict: what it means.
    """

    contender: str
    figure: str
    unit: str
    old: Estimate
    new: Estimate
    ratio: Estimate
    verdict: Verdict

    @property
    def line(self) -> str:
        """For an error."""
        return f"{self.contender}: {self.figure} {self.old.text()} -> {self.new.text()} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the new side compares with the old one.

    Args:
        changes: of what both measured.
        notes: what has to be known to read them.
        regressions: lines; none where nothing got worse.
    """

    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    regressions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return asdict(self)


def compare(old: Path, new: Path) -> Comparison:
    """Compare two ledgers, or what `--json` printed.

    Raises:
        InputError: one cannot be read, or they have measured nothing in common.
    """
    first, second = _side(old), _side(new)
    pairs = _pairs(first.latest, second.latest)
    if not pairs:
        raise InputError(
            f"{new}: expected an artefact, backend and batch that {old} has too, got "
            f"{', '.join(one.title for one in second.latest.contenders)} there and "
            f"{', '.join(one.title for one in first.latest.contenders)} here. Measure the same on both sides."
        )
    reason = _why_untold(first.latest, second.latest)
    changes = [
        change
        for before, after in pairs
        for change in _changes(first.of(before), second.of(after), after.title, is_told=not reason)
    ]
    lost = [
        f"{after.title}: {_detections(before)} detections a frame -> none"
        for before, after in pairs
        if first.latest.clip_sha256 == second.latest.clip_sha256 and _detections(before) and not _detections(after)
    ]
    return Comparison(
        changes=tuple(changes),
        notes=tuple(_notes(first, second, pairs, reason)),
        regressions=(*lost, *(change.line for change in changes if change.verdict == "worse")),
    )


def _side(path: Path) -> Side:
    runs = read_runs(path)
    latest = runs[-1]
    return Side(
        path=path, runs=tuple(run for run in runs if _place(run) == _place(latest) and not _is_untold(run)) or (latest,)
    )


def _place(run: BenchRun) -> object:
    """What has to be the same for two runs to be repetitions of one another."""
    measured = sorted((*_key(one), one.sha256) for one in run.contenders)
    return run.machine, run.versions, run.clip_sha256, run.frames, run.fps, measured


def _key(contender: Contender) -> tuple[str, str, int]:
    return contender.name, contender.backend, contender.batch


def _pairs(old: BenchRun, new: BenchRun) -> list[tuple[Contender, Contender]]:
    """Match by name, backend and batch; a single one on each side is the same whatever it is called."""
    if len(old.contenders) == len(new.contenders) == 1:
        return [(old.contenders[0], new.contenders[0])]
    known = {_key(one): one for one in old.contenders}
    return [(known[_key(one)], one) for one in new.contenders if _key(one) in known]


def _changes(old: Sequence[Contender], new: Sequence[Contender], title: str, *, is_told: bool) -> list[Change]:
    found = []
    for figure in (one for one in FIGURES if one.is_judged):
        before, after = _repetitions(old, figure), _repetitions(new, figure)
        if not before or not after:
            continue
        was, now, change = estimate_of(figure, before), estimate_of(figure, after), ratio(figure, before, after)
        if not math.isnan(change.value):  # memory is not told everywhere
            can_tell = is_told and change.low is not None
            found.append(
                Change(
                    contender=title,
                    figure=figure.name,
                    unit=figure.unit,
                    old=was,
                    new=now,
                    ratio=change,
                    verdict=_verdict(figure, was, now, change) if can_tell else "cannot tell",
                )
            )
    return found


def _repetitions(contenders: Sequence[Contender], figure: Figure) -> list[tuple[Answer, ...]]:
    return [answers for one in contenders if (answers := one.repetitions.get(figure.mode))]


def _verdict(figure: Figure, old: Estimate, new: Estimate, change: Estimate) -> Verdict:
    """Judge by both intervals, which have to lie apart: of a dozen figures, one is easily different by chance."""
    if _overlap(old, new) or not differs(change) or abs(change.value - 1) < WORTH:
        return "no difference"
    return "better" if (change.value < 1) == (figure.better == "less") else "worse"


def _overlap(old: Estimate, new: Estimate) -> bool:
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return True
    return old.low <= new.high and new.low <= old.high


def _is_untold(run: BenchRun) -> bool:
    return run.quick or bool(run.conditions.too_busy)


def _why_untold(old: BenchRun, new: BenchRun) -> str:
    """Say why figures of the two cannot be held against each other; empty where they can."""
    for name, run in (("OLD", old), ("NEW", new)):
        if run.conditions.too_busy:
            return f"{name} was measured on a busy machine: {run.conditions.too_busy}"
        if run.quick:
            return f"{name} is a --quick run"
        if run.repeats < LEAST_REPETITIONS:
            return f"{name} has {run.repeats} repetitions, fewer than {LEAST_REPETITIONS}"
    if old.machine != new.machine:
        return f"other machines: OLD on {old.machine.line}; NEW on {new.machine.line}"
    if (old.clip_sha256, old.frame_hw) != (new.clip_sha256, new.frame_hw):
        return f"other frames: OLD on {old.clip}, NEW on {new.clip}"
    return ""


def _notes(first: Side, second: Side, pairs: Sequence[tuple[Contender, Contender]], reason: str) -> Iterator[str]:
    """Say what has to be known to read the changes, a line each."""
    if reason:
        yield f"cannot tell: {reason}"
    for side in (first, second):
        if len(side.runs) > 1:
            yield f"{side.path}: {len(side.runs)} runs of the same, taken together"
        yield from (f"{side.path}: {warning}" for warning in side.latest.conditions.warnings)
    old, new = first.latest, second.latest
    yield from _differences(old.versions, new.versions)
    yield from _differences(old.conditions.settings, new.conditions.settings)
    for before, after in pairs:
        for words, was, now in (
            ("contents", before.sha256[:12], after.sha256[:12]),
            ("run by", before.runs_on, after.runs_on),
            ("detections a frame", _detections(before), _detections(after)),
            ("accuracy", _accuracy(before), _accuracy(after)),
        ):
            if was != now:
                yield f"{after.title}: {words} {was} -> {now}"


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}"


def _accuracy(contender: Contender) -> str:
    found = contender.accuracy
    return "not measured" if found is None or found.value is None else f"{found.measure} {found.value:.4f}"


def _detections(contender: Contender) -> float | None:
    """Average what was found a frame, to two places; frames are the same each time."""
    found = contender.detections
    return None if found is None else round(found, 2)

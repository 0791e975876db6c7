"""What a benchmark found, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .compare import Comparison
from .figures import FIGURES, Estimate, differs, estimates, paired_ratio, stage_estimates
from .runs import BenchRun, Contender

_FIRST_COLUMN, _COLUMN = 30, 24
"""Characters that a table takes beside each other."""


def print_run(run: BenchRun) -> None:
    """Print a run: under which conditions, each figure with its interval, and who is faster than the first."""
    out = Console()
    for line in (*facts_of(run), *(f"warning: {line}" for line in warnings_of(run))):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    columns = max(1, (out.width - _FIRST_COLUMN) // _COLUMN)
    for start in range(0, len(run.contenders), columns):
        out.print(_table(run.contenders[start : start + columns]))
    if len(run.contenders) > 1:
        for line in verdicts(run):
            out.print(line, markup=False, highlight=False, soft_wrap=True)


def facts_of(run: BenchRun) -> Iterator[str]:
    """Say where and how it was measured, a line each."""
    yield run.machine.line
    yield ", ".join(f"{name} {version}" for name, version in run.versions.items())
    height, width = run.frame_hw
    yield (
        f"{run.clip}, {width}x{height}; {run.repeats} repetitions of {run.frames} calls, each a process; paced at "
        f"{run.fps:g} frames/s. In brackets 95 % intervals; nothing was clipped."
    )
    conditions = run.conditions
    shares = conditions.busy
    if shares.own is not None:
        yield (
            f"processors: {shares.own:.0%} for the benchmark, {shares.others or 0:.0%} for other programs, "
            f"{shares.steal or 0:.1%} stolen"
            + (
                ""
                if conditions.load is None
                else f"; load {conditions.load[0]:.1f} before, {conditions.load[1]:.1f} after"
            )
        )
    if seen := conditions.seen | conditions.settings:
        yield "; ".join(f"{name} {value}" for name, value in seen.items())
    if conditions.not_read:
        yield f"could not be read: {'; '.join(conditions.not_read)}"


def warnings_of(run: BenchRun) -> Iterator[str]:
    """Say what makes the figures worth less."""
    if run.quick:
        yield "--quick shows that all works; its figures are not for comparing"
    yield from conditions_warned(run)
    for contender in run.contenders:
        if contender.sha256 and contender.detections == 0:
            yield f"{contender.title}: not one detection in {run.clip}"


def conditions_warned(run: BenchRun) -> Iterator[str]:
    """Say what the machine did meanwhile that makes the figures worth less."""
    if run.conditions.too_busy:
        yield f"the machine was too busy to tell: {run.conditions.too_busy}. Measure again when it is quiet."
    yield from run.conditions.warnings


def verdicts(run: BenchRun) -> Iterator[str]:
    """Say for each contender how many times as fast as the first it is, by frames a second of the same turns."""
    first = run.contenders[0]
    (rate,) = (figure for figure in FIGURES if figure.name == "throughput")
    yield f"Throughput, of {first.title}:"
    for other in run.contenders[1:]:
        if "back_to_back" not in other.repetitions or "back_to_back" not in first.repetitions:
            continue
        found = paired_ratio(rate, first.repetitions["back_to_back"], other.repetitions["back_to_back"])
        yield f"  {other.title}: {verdict(found)}"


def verdict(found: Estimate) -> str:
    """Write a ratio, or that there is no difference that could be told from noise."""
    if found.low is None:
        return f"{found.value:.2f} times, of too few repetitions to tell"
    return f"{found.text(2)} times" if differs(found) else f"no difference ({found.text(2)})"


def rows_of(contenders: Sequence[Contender]) -> Iterator[tuple[str, list[str]]]:
    """Give every figure that one of them has, by name, with a cell for each of them."""
    found = [estimates(contender) for contender in contenders]
    for figure in FIGURES:
        if any(figure.name in one for one in found):
            yield (
                f"{figure.name}, {figure.unit}",
                [one[figure.name].text() if figure.name in one else "" for one in found],
            )
    if any(contender.detections is not None for contender in contenders):
        rates = (contender.detections for contender in contenders)
        yield "detections a frame", ["" if rate is None else f"{rate:.2f}" for rate in rates]
    if any(contender.accuracy for contender in contenders):
        yield "accuracy", [accuracy_text(contender) for contender in contenders]
    stages = [stage_estimates(contender) for contender in contenders]
    for stage in dict.fromkeys(name for one in stages for name in one):
        yield f"{stage}, median ms", [one[stage].text() if stage in one else "" for one in stages]
    if any(contender.tail_share is not None for contender in contenders):
        shares = (contender.tail_share for contender in contenders)
        yield "post-processing, of the network", ["" if one is None else f"{one:.0%}" for one in shares]


def _table(contenders: Sequence[Contender]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for contender in contenders:
        title = contender.title.replace(", ", ",\n")
        table.add_column(escape(title), justify="right", overflow="fold")
    for name, cells in rows_of(contenders):
        table.add_row(name, *map(escape, cells))
    return table


def accuracy_text(contender: Contender) -> str:
    """Write `AP50:95 0.412`."""
    found = contender.accuracy
    if found is None:
        return ""
    return f"{found.measure} {'-' if found.value is None else f'{found.value:.3f}'}"


def print_comparison(comparison: Comparison) -> None:
    """Print a comparison."""
    out = Console()
    for note in comparison.notes:
        out.print(note, markup=False, highlight=False, soft_wrap=True)
    for title in dict.fromkeys(change.contender for change in comparison.changes):
        table = Table(box=box.SIMPLE_HEAD, title=escape(title), title_justify="left")
        table.add_column("")
        for heading in ("old", "new", "new / old"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for change in (one for one in comparison.changes if one.contender == title):
            values = (change.old.text(), change.new.text(), change.ratio.text(2))
            table.add_row(f"{change.figure}, {change.unit}", *(escape(value) for value in values), change.verdict)
        out.print(table)

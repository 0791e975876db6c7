"""A benchmark as one page, with its plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ..benchmarks.bench_tables import facts_of, rows_of, verdicts, warnings_of
from ..benchmarks.figures import Estimate, estimates, stage_estimates
from ..benchmarks.runs import BenchRun, Contender, Mode
from .figure import figure
from .page import save_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE_PX, _ROW_PX, _MARGINS_PX = 540, 26, 90


def save_bench_page(run: BenchRun, path: Path) -> None:
    """Write the page.

    Args:
        run: what was measured.
        path: of the page, .html.

    Raises:
        InputError: the name is not a page's, or the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    kinds: tuple[tuple[Mode, str], ...] = (
        ("back_to_back", "One call after the other"),
        ("paced", f"Paced at {run.fps:g} frames/s, from the frame's arrival"),
    )
    plots = [
        latencies_figure(title, run.contenders, mode)
        for mode, title in kinds
        if any(mode in one.repetitions for one in run.contenders)
    ]
    if any(one.accuracy and one.accuracy.value is not None for one in run.contenders):
        plots.append(accuracy_figure(run.contenders))
    if staged := [one for one in run.contenders if stage_estimates(one)]:
        plots.append(stages_figure(staged))
    plots.append(repetitions_figure(run.contenders))
    save_page(
        path,
        "bench",
        title=f"Benchmark of {', '.join(dict.fromkeys(one.name for one in run.contenders))}",
        run=run,
        facts=list(facts_of(run)),
        warnings=list(warnings_of(run)),
        plots=plots,
        heads=["", *(one.title for one in run.contenders)],
        rows=list(rows_of(run.contenders)),
        verdicts=list(verdicts(run)) if len(run.contenders) > 1 else [],
    )


def latencies_figure(title: str, contenders: Sequence[Contender], mode: Mode) -> Markup:
    """Draw which share of all calls took no longer than so many milliseconds; the rare ones are drawn apart."""

    def draw(axes: Axes) -> None:
        for place, contender in enumerate(contenders):
            if mode not in contender.repetitions:
                continue
            ms = np.sort(np.concatenate([answer.ms for answer in contender.repetitions[mode]]))
            above = 1 - np.arange(len(ms)) / len(ms)  # the slowest one stands at 1 / n
            axes.step(ms, above, where="post", label=contender.title, color=f"C{place}")
        axes.set_yscale("log")
        shares = [one for one in (1, 0.5, 0.1, 0.05, 0.01, 0.001) if one >= axes.get_ylim()[0]]
        axes.set_yticks(shares, [f"{100 * (1 - one):g} %" for one in shares])
        axes.minorticks_off()
        axes.invert_yaxis()
        axes.set(xlabel="ms", ylabel="of the calls took no longer")
        axes.grid(visible=True)
        _legend(axes)

    return figure(title, draw, width_px=_WIDE_PX, height_px=320 + 18 * len(contenders))


def accuracy_figure(contenders: Sequence[Contender]) -> Markup:
    """Draw accuracy against latency: both of one and the same file, with the interval of the latency."""
    points = [
        (f"C{place}", one, estimates(one)["p50"], one.accuracy.value)
        for place, one in enumerate(contenders)
        if one.accuracy is not None and one.accuracy.value is not None
    ]
    measure = next(one.accuracy.measure for one in contenders if one.accuracy is not None)

    def draw(axes: Axes) -> None:
        for colour, contender, latency, value in points:
            bars = _bars(latency)
            axes.errorbar(latency.value, value, xerr=bars, fmt="o", capsize=3, label=contender.title, color=colour)
        axes.margins(0.15)
        axes.set(xlabel="p50 of a call, ms", ylabel=measure)
        axes.grid(visible=True)
        _legend(axes)

    return figure(f"{measure} against latency", draw, width_px=_WIDE_PX, height_px=320 + 18 * len(points))


def stages_figure(contenders: Sequence[Contender]) -> Markup:
    """Draw what a call's stages take, one behind the other."""
    stages = [
        {name: one.value for name, one in stage_estimates(contender).items() if not name.startswith("loop: ")}
        for contender in contenders
    ]

    def draw(axes: Axes) -> None:
        starts = np.zeros(len(stages))
        for name in dict.fromkeys(name for one in stages for name in one):
            lengths = np.array([one.get(name, 0.0) for one in stages])
            axes.barh(range(len(stages)), lengths, left=starts, height=0.7, label=name)
            starts += lengths
        axes.set_yticks(range(len(stages)), [contender.title for contender in contenders])
        axes.set_ylim(len(stages) - 0.4, -0.6)
        axes.set_xlabel("ms, median of each stage")
        _legend(axes, columns=3)

    return figure("Stages", draw, width_px=_WIDE_PX, height_px=_MARGINS_PX + 30 + _ROW_PX * len(stages))


def repetitions_figure(contenders: Sequence[Contender]) -> Markup:
    """Draw each repetition's median: what a machine does meanwhile shows here."""

    def draw(axes: Axes) -> None:
        for place, contender in enumerate(contenders):
            medians = [float(np.median(answer.ms)) for answer in contender.repetitions["back_to_back"]]
            axes.plot(medians, [place] * len(medians), "o", alpha=0.7, color=f"C{place}")
        axes.set_yticks(range(len(contenders)), [contender.title for contender in contenders])
        axes.set_ylim(len(contenders) - 0.4, -0.6)
        axes.set_xlabel("p50 of each repetition, ms")
        axes.grid(visible=True, axis="x")

    return figure("Repetitions", draw, width_px=_WIDE_PX, height_px=_MARGINS_PX + _ROW_PX * len(contenders))


def _bars(latency: Estimate) -> list[list[float]] | None:
    if latency.low is None or latency.high is None:
        return None
    return [[max(0.0, latency.value - latency.low)], [max(0.0, latency.high - latency.value)]]


def _legend(axes: Axes, *, columns: int = 1) -> None:
    if (whole := axes.get_figure()) is not None:
        whole.legend(loc="outside lower center", ncols=columns)

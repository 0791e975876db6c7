"""The figures of an accuracy gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...calib.records.compare import SHIFT_LIMIT, Delta, ScoreShift
from ...export.gate.result import GateResult
from .figure import BLUE, GREEN, ORANGE, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_PX, _MARGINS_PX = 24, 80


def front_figure(result: GateResult) -> Markup:
    """Draw accuracy against latency: every graph a dot, the Pareto front a line, the least allowed a dashed line."""
    least = result.points[0][2] - result.settings.max_drop

    def draw(axes: Axes) -> None:
        front = sorted((ms, value) for name, ms, value in result.points if name in result.front)
        accepted = None if result.accepted is None else result.accepted.candidate.name
        axes.plot([ms for ms, _ in front], [value for _, value in front], color=BLUE)
        for name, ms, value in result.points:
            axes.plot(ms, value, "o", color=GREEN if name == accepted else BLUE)
            axes.annotate(name, (ms, value), (7, 5), textcoords="offset points")
        axes.axhline(least, color=ORANGE, linestyle="--")
        axes.margins(0.12)
        axes.set(xlabel="ms a frame", ylabel=f"{result.metric}, points")
        axes.grid(visible=True)

    return figure(f"dashed: least allowed {least:.2f}", draw)


def deltas_figure(deltas: Sequence[Delta]) -> Markup:
    """Draw each group's change, candidate less parent, with its interval; left of the line is a loss."""

    def draw(axes: Axes) -> None:
        for at, item in enumerate(deltas):
            colour = BLUE
            if item.is_measurable:
                colour = ORANGE if item.drop > 0 else GREEN
            if item.drop_interval is not None:
                axes.plot([-item.drop_interval.high, -item.drop_interval.low], [at, at], color=colour, linewidth=2)
            axes.plot(-item.drop, at, "o", color=colour)
        axes.axvline(0, color="grey", linewidth=1)
        axes.set_yticks(range(len(deltas)), [item.group.name for item in deltas])
        axes.set_ylim(len(deltas) - 0.5, -0.5)
        reach = 1.1 * max(abs(end) for end in axes.get_xlim()) or 1
        axes.set(xlim=(-reach, reach), xlabel="loss ← 0 → gain, points")
        axes.xaxis.set_major_formatter("{x:+g}")

    title = "orange: a measurable loss, green: a gain"
    return figure(title, draw, height_px=_ROW_PX * len(deltas) + _MARGINS_PX)


def shift_figure(shift: ScoreShift) -> Markup:
    """Draw the histogram of how scores moved."""

    def draw(axes: Axes) -> None:
        step = 2 * SHIFT_LIMIT / len(shift.counts)
        lefts = [-SHIFT_LIMIT + at * step for at in range(len(shift.counts))]
        axes.bar(lefts, shift.counts, width=0.9 * step, align="edge", color=BLUE)
        axes.set(xlim=(-SHIFT_LIMIT, SHIFT_LIMIT), xlabel="score of the candidate less the parent's", ylabel="objects")
        axes.xaxis.set_major_formatter("{x:+g}")

    return figure("what moved further is in the outer bars", draw, height_px=220)

"""An accuracy gate as one page, with its figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...calib.records.compare import SHIFT_LIMIT, Changed, Delta, ScoreShift
from ...calib.records.labelled_images import LabelledImages
from ...data.usable_samples import image_or_problem
from ...export.gate.judge import Judged
from ...export.gate.result import GateResult
from .figure import BLUE, GREEN, ORANGE, figure
from .page import Picture, picture, save_page, shrunk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_PX, _MARGINS_PX = 24, 80
_PICTURES = 12
_SIDE_PX = 320
_LOST, _GAINED = (0, 110, 255), (60, 180, 40)
"""Orange and green, BGR."""


def save_gate_page(result: GateResult, path: Path, *, title: str) -> None:
    """Write the page.

    Args:
        result: what the gate tried, and what it decided.
        path: where the page is written.
        title: what the page is about: the graph that was made.

    Raises:
        InputError: the name is not a page's, or the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    judged = result.shown
    save_page(
        path,
        "gate",
        title=title,
        result=result,
        front=front_figure(result),
        deltas=None if judged is None else deltas_figure(judged.deltas),
        shift=None if judged is None or judged.shift is None else shift_figure(judged.shift),
        worst=() if judged is None else tuple(_worst(judged, result.images)),
    )


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


def _worst(judged: Judged, images: LabelledImages) -> Iterator[Picture]:
    """Show the images where most was lost or gained; lost objects orange, gained ones green."""
    changes: dict[str, list[tuple[Changed, bool]]] = defaultdict(list)
    for is_lost, group in ((True, judged.lost), (False, judged.gained)):
        for item in group:
            changes[item.image_id].append((item, is_lost))
    worst = sorted(changes.items(), key=lambda pair: -sum(_moved(item) for item, _ in pair[1]))
    for image_id, items in worst[:_PICTURES]:
        image = image_or_problem(images.dataset.sample(image_id))
        if isinstance(image, np.ndarray):
            yield _picture(image_id, image, items)


def _moved(item: Changed) -> float:
    return abs(item.parent_score - item.candidate_score)


def _picture(image_id: str, image: NDArray[np.uint8], items: Sequence[tuple[Changed, bool]]) -> Picture:
    small, scale = shrunk(image, _SIDE_PX)
    for item, is_lost in items:
        left, top, right, bottom = (round(corner * scale) for corner in item.box_xyxy_px)
        if right > left:
            cv2.rectangle(small, (left, top), (right - 1, bottom - 1), _LOST if is_lost else _GAINED, 2)
    said = "; ".join(_said(item, is_lost) for item, is_lost in items)
    return picture(small, f"{image_id}: {said}")


def _said(item: Changed, is_lost: bool) -> str:
    scores = f"{_score(item.parent_score)} → {_score(item.candidate_score)}"
    return f"{'lost' if is_lost else 'gained'} {item.class_name} {scores}"


def _score(score: float) -> str:
    return f"{score:.2f}" if score else "none"

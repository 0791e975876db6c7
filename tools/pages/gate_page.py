"""An accuracy gate as one page of HTML that needs no other file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...calib.records.compare import Changed
from ...calib.records.labelled_images import LabelledImages
from ...data.usable_samples import image_or_problem
from ...export.gate.judge import Judged
from ...export.gate.result import GateResult
from .gate_figures import deltas_figure, front_figure, shift_figure
from .page import Picture, picture, save_page, shrunk

_PICTURES = 12
_SIDE_PX = 320
_LOST, _GAINED = (0, 110, 255), (60, 180, 40)
"""Orange and green, BGR."""


def save_gate_page(result: GateResult, path: Path, *, title: str) -> None:
    """Write the page.

    Args:
        result: of the gate.
        path: of the page.
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
        candidates=_candidates(result),
        front=front_figure(result),
        deltas=None if judged is None else deltas_figure(judged.deltas),
        shift=None if judged is None or judged.shift is None else shift_figure(judged.shift),
        worst=() if judged is None else tuple(_worst(judged, result.images)),
    )


def _candidates(result: GateResult) -> list[list[str]]:
    rows = [["parent", f"{result.parent_figure:.2f}", "", "", f"{result.parent_latency_ms:.2f}", "1.00", ""]]
    for item in result.judged:
        if item.failure is not None:
            rows.append([item.candidate.name, "", "", "", "", "", f"cannot be run: {item.failure}"])
            continue
        delta = item.deltas[0]
        figures = [f"{delta.candidate:.2f}", f"{delta.drop:+.2f}", delta.interval_text]
        speed = [f"{item.latency_ms or 0:.2f}", f"{result.speed_up(item):.2f}"]
        rows.append([item.candidate.name, *figures, *speed, _outcome(item, result)])
    return rows


def _outcome(item: Judged, result: GateResult) -> str:
    if result.accepted is not None and item.candidate == result.accepted.candidate:
        return "accepted"
    if not item.candidate.is_eligible:
        return "fell short on the choosing images"
    return "within the allowed drop" if item.passes else "loses too much"


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

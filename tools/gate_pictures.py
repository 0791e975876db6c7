"""The images on which a candidate differs most from its parent, as parts of a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..calib.records.compare import Changed
from ..calib.records.labelled_images import LabelledImages
from ..data.usable_samples import image_or_problem
from ..export.gate.judge import Judged
from .pages.page import picture, shrunk

PICTURES = 12
_SIDE_PX = 320
_LOST = (0, 110, 255)
"""Orange, BGR."""
_GAINED = (60, 180, 40)
"""Green."""


def worst_figures(judged: Judged, images: LabelledImages) -> Iterator[str]:
    """Show the images where most was lost or gained, as HTML figures; lost objects orange, gained ones green.

    Args:
        judged: the candidate.
        images: that it was judged by.
    """
    changes: dict[str, list[tuple[Changed, bool]]] = defaultdict(list)
    for is_lost, group in ((True, judged.lost), (False, judged.gained)):
        for item in group:
            changes[item.image_id].append((item, is_lost))
    worst = sorted(changes.items(), key=lambda pair: -sum(_moved(item) for item, _ in pair[1]))
    for image_id, items in worst[:PICTURES]:
        image = image_or_problem(images.dataset.sample(image_id))
        if isinstance(image, np.ndarray):
            yield _figure(image_id, image, items)


def _moved(item: Changed) -> float:
    return abs(item.parent_score - item.candidate_score)


def _figure(image_id: str, image: NDArray[np.uint8], items: Sequence[tuple[Changed, bool]]) -> str:
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

"""How far two artefacts' answers to the same frames are apart: a cheap stand-in for accuracy that needs no labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .boxes import iou_matrix, with_sides
from .classifications import Classification
from .detections import Detections

Answer = Detections | Classification

_LEAST_SIDE = 1e-3
"""Of a box, normalised: some detectors give boxes beside the picture, which are clipped flat."""


def disagreement(expected: Sequence[Answer], found: Sequence[Answer]) -> float:
    """Return the mean over frames: 0 for the same answers, 1 for nothing in common.

    Of detections: each asks for the best of the other side of its class, worth the overlap less the difference of
    scores; the mean over both sides, weighted by score. Of classes: half the sum of the differences of scores.
    """
    return float(np.mean([_apart(left, right) for left, right in zip(expected, found, strict=True)]))


def _apart(left: Answer, right: Answer) -> float:
    if isinstance(left, Detections) and isinstance(right, Detections):
        return (_unmet(left, right) + _unmet(right, left)) / 2
    if isinstance(left, Classification) and isinstance(right, Classification):
        mine, theirs = (dict(zip(x.class_ids.tolist(), x.scores.tolist(), strict=True)) for x in (left, right))
        return float(sum(abs(mine.get(at, 0.0) - theirs.get(at, 0.0)) for at in mine.keys() | theirs.keys())) / 2
    raise TypeError(f"expected two answers of one task, got {type(left).__name__} and {type(right).__name__}")


def _unmet(wanted: Detections, offered: Detections) -> float:
    """Weighted share of the wanted that the offered do not have."""
    total = float(wanted.scores.sum())
    if not total:
        return 0.0
    boxes = [with_sides(side.boxes_xyxy, _LEAST_SIDE) for side in (wanted, offered)]
    worth = iou_matrix(*boxes) * (1 - np.abs(wanted.scores[:, None] - offered.scores[None]))
    worth = np.where(wanted.class_ids[:, None] == offered.class_ids[None], worth, 0)  # [n, m]
    return float(wanted.scores @ (1 - worth.max(axis=1, initial=0))) / total

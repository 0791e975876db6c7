"""How far two runs of a detector are apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.card import Postprocess
from ...runtime.detection.boxes import iou_matrix
from ...runtime.detection.detections import Detections
from .matching import FrameMatch, FramePair, match_detections
from .parity import Parity
from .tolerances import FP32, Tolerances


def compare_detections(
    pairs: Sequence[FramePair],
    postprocess: Postprocess,
    *,
    heads_difference: float | None,
    tolerances: Tolerances = FP32,
) -> Parity:
    """Match the detections of two runs one to one and judge what is left over.

    Args:
        pairs: one per frame.
        postprocess: of both sides.
        heads_difference: measured on the raw heads of the same frames; None where they are not at hand.
        tolerances: what may differ.
    """
    matches = [match_detections(pair, postprocess, tolerances) for pair in pairs]
    return parity_of(pairs, matches, heads_difference=heads_difference, tolerances=tolerances)


def parity_of(
    pairs: Sequence[FramePair], matches: Sequence[FrameMatch], *, heads_difference: float | None, tolerances: Tolerances
) -> Parity:
    """Sum up frames that were matched; see `compare_detections`."""
    matched = exempt = 0
    score_difference = box_difference = 0.0
    least_iou = 1.0
    unmatched: list[str] = []
    for number, (pair, match) in enumerate(zip(pairs, matches, strict=True)):
        left, right = pair.expected.where(match.left), pair.found.where(match.right)
        matched += len(left)
        exempt += match.exempt
        score_difference = max(score_difference, float(np.abs(left.scores - right.scores).max(initial=0)))
        box_difference = max(box_difference, float(np.abs(left.boxes_xyxy - right.boxes_xyxy).max(initial=0)))
        least_iou = min(least_iou, _least_iou(left, right))
        for side, alone in (("parent", match.expected_alone), ("artefact", match.found_alone)):
            unmatched += [
                f"frame {number}, by the {side} alone: class {alone.class_ids[row]}, score {alone.scores[row]:.4f}"
                for row in range(len(alone))
            ]
    return Parity(
        frames=len(pairs),
        heads_difference=heads_difference,
        matched=matched,
        score_difference=score_difference,
        box_difference=box_difference,
        least_iou=least_iou,
        exempt=exempt,
        unmatched=tuple(unmatched),
        tolerances=tolerances,
    )


def _least_iou(left: Detections, right: Detections) -> float:
    """Return the smallest IoU of rows paired in order, 1 if there is none with an area."""
    has_area = (left.boxes_xyxy[:, 2:] > left.boxes_xyxy[:, :2]).all(axis=1)
    ious = iou_matrix(left.boxes_xyxy, right.boxes_xyxy).diagonal()[has_area]
    return float(ious.min(initial=1))

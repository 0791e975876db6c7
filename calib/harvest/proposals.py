"""What is proposed to whoever corrects a frame: unsure boxes too, as taking one away is less work than drawing it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import iou_matrix
from ...runtime.detection.detections import Detections

UNSURE = 0.5
"""Of the score that is asked for, so much is enough to be proposed."""

_SAME_IOU = 0.6
"""Of boxes that overlap so, whatever their classes, the surest alone is proposed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """The boxes of one frame.

    Args:
        found: the surest first.
        is_unsure: [n] bool, below the score from which on objects are shown.
    """

    found: Detections
    is_unsure: NDArray[np.bool_]


def propose(found: Detections, thresholds: NDArray[np.float32]) -> Proposals:
    """Choose what to propose of all that a detector sees in a frame.

    Args:
        found: the surest first.
        thresholds: [number of classes] float32, from which on an object is shown.
    """
    likely = found.at_least(UNSURE * thresholds)
    overlaps = iou_matrix(likely.boxes_xyxy, likely.boxes_xyxy)
    has_area = np.diagonal(overlaps) > 0
    kept: list[int] = []
    for row in range(len(likely)):
        if has_area[row] and (overlaps[row, kept] < _SAME_IOU).all():
            kept.append(row)
    proposed = likely.where(np.array(kept, np.intp))
    return Proposals(found=proposed, is_unsure=proposed.scores < thresholds[proposed.class_ids])

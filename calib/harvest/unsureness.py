"""How unsure a detector is of a frame: by its scores, and by what its neighbours say.

Measured on labelled images (`tools/benchmarks/harvest_gain.py`, figures in `docs/outputs.md`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import iou_matrix
from ...runtime.detection.detections import Detections

FLICKER = 0.5
"""What a box counts that one frame has and its neighbours have not, or the other way round."""

LEAST = 0.1
"""With less there is no doubt: of such images one in twenty is wrong (VOC, the shipped detector), of those with more
than 0.5 two in three."""

_SAME_IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class Unsureness:
    """Of one frame.

    Args:
        scores: the sum over all boxes of the squared nearness of the score to its class's threshold: 1 at the
            threshold, 0 at scores of 0 and 1.
        flickers: boxes over their threshold that both neighbours have and this frame has not, or that it alone has.
    """

    scores: float
    flickers: int = 0

    @property
    def total(self) -> float:
        """Both together."""
        return self.scores + FLICKER * self.flickers


def score_doubt(found: Detections, thresholds: NDArray[np.float32]) -> float:
    """Sum up how near scores are to their thresholds, squared.

    Args:
        found: down to the lowest scores.
        thresholds: [number of classes] float32, in (0, 1).
    """
    least = np.clip(thresholds[found.class_ids], 0.01, 0.99)
    nearness = np.where(found.scores < least, found.scores / least, (1 - found.scores) / (1 - least))
    return float((nearness**2).sum())


def flickers(before: Detections, found: Detections, after: Detections, thresholds: NDArray[np.float32]) -> int:
    """Count the boxes that neither neighbour has, and those that both have and the frame between has not."""
    before, found, after = (each.at_least(thresholds) for each in (before, found, after))
    alone = ~_is_in(found, before) & ~_is_in(found, after)
    missed = _is_in(before, after) & ~_is_in(before, found)
    return int(alone.sum() + missed.sum())


def _is_in(these: Detections, others: Detections) -> NDArray[np.bool_]:
    """Tell for each of [n] boxes whether one of the others is at its place and of its class."""
    is_same = these.class_ids[:, np.newaxis] == others.class_ids
    matches: NDArray[np.bool_] = (iou_matrix(these.boxes_xyxy, others.boxes_xyxy) >= _SAME_IOU) & is_same
    return np.asarray(matches.any(axis=1), np.bool_)

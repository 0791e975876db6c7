"""How far two artefacts may be apart, by what the second computes in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...runtime.precision import Precision
from .artefact import Artefact

HEADS_TOLERANCE = 1e-4
"""Largest absolute difference of a raw head: both sides compute in float32, in another order."""


SCORE_TOLERANCE = 1e-4
"""Of a matched detection. The softmax does not enlarge differences of its logits."""


BOX_TOLERANCE = 1e-4
"""Of a matched detection's corners, normalised. Offsets are multiplied by a variance of at most 1 and a box side."""


TIE = 1e-3
"""Scores or overlaps this close to each other or to a threshold may fall either way by rounding alone."""


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """How far two runs may be apart and still count as the same detector.

    Args:
        precision: of the coarser side.
        heads: largest absolute difference of a raw head; None: heads are reported, not judged.
        score: of a matched detection.
        box: of a matched detection's corners, normalised; None: `iou` decides what matches.
        iou: least overlap at which two detections of a class can be the same one.
        tie: scores or overlaps this close to each other or to a threshold may fall either way.
        least_score: detections below it on both sides are not judged.
        unmatched_share: largest share of the judged detections that may be found by one side alone.
        reason: why these, one sentence.
    """

    precision: Precision
    heads: float | None
    score: float
    box: float | None
    iou: float
    tie: float
    least_score: float = 0.0
    unmatched_share: float = 0.0
    reason: str


FP32 = Tolerances(
    precision=Precision.FP32,
    heads=HEADS_TOLERANCE,
    score=SCORE_TOLERANCE,
    box=BOX_TOLERANCE,
    iou=0.0,
    tie=TIE,
    reason="Both sides compute in float32 and differ by the order of their sums alone.",
)


# Measured on the shipped detector and VOC images: scores 4e-3 apart, least IoU 0.998, none unmatched.
FP16 = Tolerances(
    precision=Precision.FP16,
    heads=None,
    score=0.02,
    box=None,
    iou=0.9,
    tie=2e-3,
    least_score=0.1,
    unmatched_share=0.02,
    reason="float16 keeps 11 bits, 5e-4 of a value, and the roundings of some hundred layers add up. Below a score of "
    "0.1 detections come and go with the last bit.",
)


# Measured likewise on `singleshot quantize` of the shipped detector: scores 0.08 apart, least IoU 0.55, none unmatched;
# two quantizations without any tuning had 8 % and 14 % unmatched, and both are to fail.
INT8 = Tolerances(
    precision=Precision.INT8,
    heads=None,
    score=0.2,
    box=None,
    iou=0.5,
    tie=2e-2,
    least_score=0.3,
    unmatched_share=0.05,
    reason="8 bits have 256 steps a tensor: scores and boxes move visibly, so the same object is asked for, not the "
    "same number. What it costs in average precision, `singleshot evaluate` says.",
)


# Measured likewise, through OpenVINO: scores 0.08 apart, least IoU 0.80, 2 % unmatched.
BF16 = Tolerances(
    precision=Precision.BF16,
    heads=None,
    score=0.1,
    box=None,
    iou=0.7,
    tie=2e-2,
    least_score=0.2,
    unmatched_share=0.05,
    reason="bfloat16 keeps 8 bits, 4e-3 of a value: eight times the rounding of float16. Below a score of 0.2 "
    "detections come and go with the last bit.",
)


TOLERANCES = {item.precision: item for item in (FP32, FP16, BF16, INT8)}
"""By the coarser precision of the two."""


def tolerances_for(first: Artefact, second: Artefact, *, is_explained: bool = False) -> Tolerances:
    """Choose by the coarser precision of the two; two of the same coarse precision are still two roundings.

    Args:
        first: one side.
        second: the other.
        is_explained: whether the answers of both networks are held against the level of rounding; then a detection is
            the same one wherever class and place are, whatever its score.
    """
    order = list(Precision)
    found = TOLERANCES[max(first.precision, second.precision, key=order.index)]
    return found if found.box is not None or not is_explained else replace(found, score=1.0, iou=0.5)

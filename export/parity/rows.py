"""Rounding of a network of which nothing but its detections is seen, as of an engine.

Every row that such an artefact gives is what its network answers for some default box, decoded. So it is held to the
nearest answer of the parent's network for that class; and what rounding alone moves is measured alike, on the rows that
the parent gives when it is rounded as the other side rounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Postprocess
from ...runtime.detection.classifications import Classification
from ...runtime.detection.detections import Detections
from ...runtime.detection.disagreement import Answer
from ...runtime.detection.postprocess import classifications_from_logits, detections_from_candidates
from ...runtime.runners.contract import CLASS_LOGITS
from .raw_heads import HeadsOfFrame
from .rounding import RoundingVerdict, own_rounding, worst_column

Array = NDArray[np.float32]

_OF_CLASSES = ("score",)
_OF_ROWS = ("score", "left edge", "top edge", "right edge", "bottom edge")
_LEAST = 2.0**-24
"""Of a score or a corner: float32's own rounding, where the level is less."""


def rounding_of_rows(
    expected: Sequence[HeadsOfFrame],
    found: Sequence[Answer],
    exact: Sequence[HeadsOfFrame],
    rounded: Sequence[HeadsOfFrame],
    postprocess: Postprocess,
) -> RoundingVerdict | None:
    """Hold what a candidate says against the parent's answers, and against how far rounding moves such rows.

    Args:
        expected: the parent's answers, a frame each.
        found: what the candidate says of these frames; scores that all fit a narrower type have been rounded to it.
        exact: of the network that was rounded to measure the level, before.
        rounded: the same network's with every tensor rounded.
        postprocess: of the parent.

    Returns:
        None where there is no frame with rows on both sides, where the parent does not say what boxes it starts from,
        or where what is rounded overflows.
    """
    errors, levels = [], []
    for parent, answer, before, after in zip(expected, found, exact, rounded, strict=True):
        said = _said(after, postprocess) if all(np.isfinite(values).all() for values in after.values) else None
        if said is None:
            return None
        if len(answer) and len(said):
            errors.append(_mean_squares(answer, parent, postprocess))
            levels.append(_mean_squares(said, before, postprocess) + _LEAST**2)
            levels[-1][0] += float(own_rounding(answer.scores[None, :, None]).item())
    if not errors:
        return None
    columns = _OF_CLASSES if isinstance(found[0], Classification) else _OF_ROWS
    return worst_column(columns, np.stack(errors), np.stack(levels), values=sum(map(len, found)))


def _said(heads: HeadsOfFrame, postprocess: Postprocess) -> Answer | None:
    """Give what an artefact with these answers says; none where the default boxes are not known."""
    if heads.names == (CLASS_LOGITS,):
        return classifications_from_logits(heads.class_logits)[0]
    candidates = heads.candidates(postprocess.variances)
    return None if candidates is None else detections_from_candidates(*candidates, postprocess)


def _mean_squares(answer: Answer, heads: HeadsOfFrame, postprocess: Postprocess) -> NDArray[np.float64]:
    """Average over an answer's rows the squared differences to the nearest answers of a network: [columns]."""
    if isinstance(answer, Detections):
        apart = [_nearest(answer, row, heads.candidates(postprocess.variances)) for row in range(len(answer))]
    else:
        (all_classes,) = classifications_from_logits(heads.class_logits, top=heads.class_logits.shape[-1])
        scores = dict(zip(all_classes.class_ids.tolist(), all_classes.scores, strict=True))
        apart = [
            np.array([score - scores[class_id]])
            for class_id, score in zip(answer.class_ids.tolist(), answer.scores, strict=True)
        ]
    return np.asarray((np.stack(apart).astype(np.float64) ** 2).mean(axis=0))


def _nearest(found: Detections, row: int, candidates: tuple[Array, Array] | None) -> Array:
    """Subtract from a row the nearest answer for its class: [5] float32."""
    if candidates is None:
        raise RuntimeError("rows are compared where the default boxes are known")
    scores, boxes = candidates
    answers = np.concatenate([scores[:, found.class_ids[row], None], boxes], axis=1)  # [D, 5]
    apart = np.concatenate([found.scores[row, None], found.boxes_xyxy[row]]) - answers
    return np.asarray(apart[np.argmin((apart**2).sum(axis=1))])

"""Post-processing written the plain way, one candidate after the other: what every tail and backend is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..card import Postprocess
from .boxes import decode_boxes, intersections_and_unions
from .classifications import TOP, Classification
from .detections import Detections

Array = NDArray[np.float32]


def detections_from_heads(
    class_logits: Array, box_offsets: Array, default_cxcywh: Array, postprocess: Postprocess
) -> list[Detections]:
    """Turn a batch of raw heads into detections by greedy non-maximum suppression, image by image.

    The rule: softmax, background dropped; boxes decoded and clipped to [0, 1]. The K best (box, class) pairs of an
    image, in descending order of score, a tie going to the lower default box and then to the lower class. Each is
    kept unless its score is below the floor, or a kept one of its class (of any, where suppression is class-agnostic)
    overlaps it with intersection > threshold * union. The first M that are kept leave.

    Args:
        class_logits: [N, D, C] float32, finite, class 0 is the background.
        box_offsets: [N, D, 4] float32, finite.
        default_cxcywh: [D, 4] float32, normalised.
        postprocess: K, M, score floor, IoU threshold, whose rivals and variances; `tail` plays no part.

    Returns:
        N values of at most M rows, boxes normalised to the network's input.
    """
    return [
        detections_from_candidates(
            scores_from_logits(logits), _clipped_boxes(offsets, default_cxcywh, postprocess), postprocess
        )
        for logits, offsets in zip(class_logits, box_offsets, strict=True)
    ]


def classifications_from_logits(class_logits: Array, *, top: int = TOP) -> list[Classification]:
    """Turn a classifier's logits into its likeliest classes: softmax, descending, a tie going to the lower class.

    Args:
        class_logits: [N, C] float32, no class is background.
        top: classes at most.
    """
    scores = _softmax(class_logits)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        Classification(scores=row[places], class_ids=places.astype(np.int32))
        for row, places in zip(scores, order, strict=True)
    ]


def scores_from_logits(class_logits: Array) -> Array:
    """Return the softmax of [D, C] float32 over C, without the background: [D, C - 1] float32."""
    return _softmax(class_logits)[:, 1:]


def greedy_survivors(found: Detections, postprocess: Postprocess, *, most: int | None = None) -> Detections:
    """Run greedy suppression over detections that are sorted by score.

    Given any superset of the greedy answer over more candidates, sorted the same way, this is that answer: whoever is
    not in the answer is suppressed by one of its members.

    Args:
        found: in descending order of score.
        postprocess: IoU threshold, above which the better one suppresses, and whether classes are told apart.
        most: that are kept; all where not given.
    """
    is_left = np.ones(len(found), bool)
    kept: list[int] = []
    for row in range(len(found)):
        if len(kept) == most:
            break
        if is_left[row]:
            kept.append(row)
            is_rival = postprocess.class_agnostic | (found.class_ids == found.class_ids[row])
            rivals = np.flatnonzero(is_left & is_rival)
            intersections, unions = intersections_and_unions(found.boxes_xyxy[row][None], found.boxes_xyxy[rivals])
            is_left[rivals] = ~(intersections > np.float32(postprocess.iou_threshold) * unions)[0]
    return found.where(np.array(kept, np.intp))


def _clipped_boxes(box_offsets: Array, default_cxcywh: Array, postprocess: Postprocess) -> Array:
    return np.clip(decode_boxes(box_offsets, default_cxcywh, postprocess.variances), 0, 1)


def detections_from_candidates(scores: Array, boxes_xyxy: Array, postprocess: Postprocess) -> Detections:
    """Run greedy suppression on one image, by the rule of `detections_from_heads`.

    Args:
        scores: [D, classes] float32, finite, background not among them.
        boxes_xyxy: [D, 4] float32, normalised, clipped.
        postprocess: K, M, score floor, IoU threshold and whose rivals; the rest plays no part.
    """
    candidates = _best(scores.reshape(-1), postprocess.candidates)
    candidates = candidates[scores.reshape(-1)[candidates] >= np.float32(postprocess.score_floor)]
    box_ids, class_ids = np.divmod(candidates, scores.shape[1])
    found = Detections(
        boxes_xyxy=boxes_xyxy[box_ids], scores=scores[box_ids, class_ids], class_ids=class_ids.astype(np.int32)
    )
    return greedy_survivors(found, postprocess, most=postprocess.max_detections)


def _softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), np.float32)


def _best(scores: Array, count: int) -> NDArray[np.intp]:
    """Return the places of the `count` greatest, none NaN, in descending order, a tie going to the lower place."""
    places = np.arange(len(scores))
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        places = np.flatnonzero(scores >= least)  # all of a tie at the end
    return places[np.argsort(-scores[places], kind="stable")][:count]

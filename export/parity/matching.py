"""Which detections of two runs are the same, and what explains those of one side alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Postprocess
from ...runtime.detection.boxes import iou_matrix, with_sides
from ...runtime.detection.detections import Detections
from .tolerances import FP32, Tolerances


@dataclass(frozen=True, kw_only=True)
class FramePair:
    """One frame's detections by both sides, and what explains a difference between them.

    Args:
        expected: by the parent.
        found: by the artefact.
        scores: [D, C - 1] float32, the parent's before suppression, background dropped.
        boxes_xyxy: [D, 4] float32, the parent's, decoded and clipped.
        is_complete: whether `scores` hold every candidate, as they do unless `pair_of_detections` made the pair.
    """

    expected: Detections
    found: Detections
    scores: NDArray[np.float32]
    boxes_xyxy: NDArray[np.float32]
    is_complete: bool = True


@dataclass(frozen=True, kw_only=True)
class FrameMatch:
    """One frame's detections, paired.

    Args:
        left: rows of the expected that were matched.
        right: rows of the found, in the same order.
        expected_alone: what the expected alone hold and nothing explains.
        found_alone: what the found alone hold and nothing explains.
        exempt: number of detections of one side alone that a threshold or a tie explains.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    expected_alone: Detections
    found_alone: Detections
    exempt: int


def match_detections(pair: FramePair, postprocess: Postprocess, tolerances: Tolerances = FP32) -> FrameMatch:
    """Match one frame's detections one to one: same class, then the closest boxes and scores first.

    Args:
        pair: the frame.
        postprocess: of both sides.
        tolerances: what may differ.
    """
    left, right = _matches(pair.expected, pair.found, tolerances)
    is_judged = np.maximum(pair.expected.scores[left], pair.found.scores[right]) >= tolerances.least_score
    alone_by_side, exempt_by_side = [], []
    for detections, used in ((pair.expected, left), (pair.found, right)):
        alone = detections.where(np.setdiff1d(np.arange(len(detections)), used))
        alone = alone.where(~(alone.scores < tolerances.least_score))  # a score that is no number is judged
        alone_by_side.append(alone)
        exempt_by_side.append(_exempt(alone, pair, postprocess, tolerances))
    is_exempt = _with_consequences(
        alone_by_side[0], alone_by_side[1], np.concatenate(exempt_by_side), postprocess, tolerances
    )
    count = len(alone_by_side[0])
    return FrameMatch(
        left=left[is_judged],
        right=right[is_judged],
        expected_alone=alone_by_side[0].where(~is_exempt[:count]),
        found_alone=alone_by_side[1].where(~is_exempt[count:]),
        exempt=int(is_exempt.sum()),
    )


def pair_of_detections(expected: Detections, found: Detections, *, class_count: int) -> FramePair:
    """Pair two answers whose networks' raw scores are not at hand.

    A detection that one side lacks may have been suppressed there by one that this side kept, so the kept ones of both
    sides explain an overlap at the threshold. The limit of K candidates stays unexplained, and so does a tie: it cannot
    be told from a box that moved.

    Args:
        expected: by the parent.
        found: by the artefact.
        class_count: background not counted.
    """
    class_ids = np.concatenate([expected.class_ids, found.class_ids])
    scores = np.zeros((len(class_ids), class_count), np.float32)
    scores[np.arange(len(class_ids)), class_ids] = np.concatenate([expected.scores, found.scores])
    boxes = np.concatenate([expected.boxes_xyxy, found.boxes_xyxy])
    return FramePair(expected=expected, found=found, scores=scores, boxes_xyxy=boxes, is_complete=False)


def _matches(
    first: Detections, second: Detections, tolerances: Tolerances
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair rows of the same class whose boxes and scores are closest, each row once, if within reach."""
    corners_apart = np.abs(first.boxes_xyxy[:, None] - second.boxes_xyxy[None]).max(axis=2, initial=0)  # [n, m]
    scores_apart = np.abs(first.scores[:, None] - second.scores[None])
    is_same = first.class_ids[:, None] == second.class_ids[None]
    if tolerances.box is None:
        solid = [with_sides(side.boxes_xyxy, tolerances.tie) for side in (first, second)]
        is_same &= iou_matrix(*solid) >= tolerances.iou
        is_same &= scores_apart <= tolerances.score
    else:
        is_same &= np.maximum(corners_apart, scores_apart) <= tolerances.tie
    apart = np.where(is_same, np.maximum(corners_apart, scores_apart), np.inf)
    rows, columns = [], []
    for flat in np.argsort(apart, axis=None, kind="stable"):
        row, column = np.unravel_index(flat, apart.shape)
        if not is_same[row, column]:
            break
        if row not in rows and column not in columns:
            rows.append(row)
            columns.append(column)
    return np.array(rows, np.intp), np.array(columns, np.intp)


def _exempt(alone: Detections, pair: FramePair, postprocess: Postprocess, tolerances: Tolerances) -> NDArray[np.bool_]:
    """Mark those of [n] detections whose presence hangs on a threshold or a tie."""
    tie = tolerances.tie
    limits = [max(postprocess.score_floor, tolerances.least_score)]
    limits += [
        float(side.scores[-1]) for side in (pair.expected, pair.found) if len(side) == postprocess.max_detections
    ]
    flat = np.sort(pair.scores, axis=None)
    if pair.is_complete and len(flat) > postprocess.candidates:
        limits.append(float(flat[-postprocess.candidates]))
    from_limits = np.abs(alone.scores[:, None] - np.array(limits, np.float32))  # [n, limits]
    exempt: NDArray[np.bool_] = np.asarray((from_limits <= tie).any(axis=1))
    iou = iou_matrix(alone.boxes_xyxy, pair.boxes_xyxy)  # [n, D]
    scores = pair.scores[:, alone.class_ids].T  # [n, D]
    if postprocess.class_agnostic:
        scores = np.broadcast_to(pair.scores.max(axis=1), scores.shape)
    at_threshold = (np.abs(iou - postprocess.iou_threshold) <= tie) & (scores >= alone.scores[:, None] - tie)
    # A rival of the same score within rounding, other than the detection's own default box.
    is_rival = (iou > postprocess.iou_threshold - tie) & (np.abs(scores - alone.scores[:, None]) <= tie)
    exempt |= at_threshold.any(axis=1)
    if pair.is_complete and tolerances.box is not None:
        is_tied: NDArray[np.bool_] = np.asarray(is_rival.sum(axis=1) > 1)
        exempt |= is_tied
    return exempt


def _with_consequences(
    expected_alone: Detections,
    found_alone: Detections,
    exempt: NDArray[np.bool_],
    postprocess: Postprocess,
    tolerances: Tolerances,
) -> NDArray[np.bool_]:
    """Exempt what an exempt detection suppresses on its own side, or sets free on the other by its absence there.

    Args:
        expected_alone: n detections.
        found_alone: m detections.
        exempt: [n + m] bool, of both in that order.
        postprocess: of both sides.
        tolerances: what may differ.
    """
    boxes = np.concatenate([expected_alone.boxes_xyxy, found_alone.boxes_xyxy])
    class_ids = np.concatenate([expected_alone.class_ids, found_alone.class_ids])
    near = iou_matrix(boxes, boxes) > postprocess.iou_threshold - tolerances.tie  # [n + m, n + m]
    near &= postprocess.class_agnostic | (class_ids[:, None] == class_ids[None])
    for _ in range(len(exempt)):
        exempt = exempt | (near & exempt[None]).any(axis=1)
    return exempt

"""Sequences whose truth is known: scenes of `synthetic://` as a detector with known faults sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.detections import Detections
from ...runtime.sources.synthetic import Scene, Truth

THRESHOLD = 0.5
"""Scores below it are not shown, but keep tracks alive."""

_RATE = 30
_LEAST_SCORE = 0.1
_VISIBLE = 0.3
"""What is hidden more is neither found nor asked for."""

_JITTER = 0.04
"""Standard deviation of each edge, to the box's side."""

_MISSED = 0.08
_FALSE_PER_FRAME = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """One frame of a sequence.

    Args:
        time_s: of the frame.
        found: with scores of at least the threshold, boxes normalised to the frame.
        unsure: with lower ones.
        truth_ids: [n] int64, of the objects that are to be seen.
        truth_boxes: [n, 4] float32, theirs, normalised to the frame.
    """

    time_s: float
    found: Detections
    unsure: Detections
    truth_ids: NDArray[np.int64]
    truth_boxes: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """How a camera sees a scene.

    Args:
        name: of the line in tables.
        rate: frames a second; 30 is a multiple of it.
        kept: share of the frames that are looked at; the others are dropped at random.
    """

    name: str
    rate: int
    kept: float = 1.0


def synthetic_sequence(
    circumstances: Circumstances, *, seconds: float, objects: int, seed: int, width: int = 1280, height: int = 720
) -> list[Moment]:
    """Look at a scene with a detector that misses objects, sees some that are not there, and is not sure.

    An object that leaves the picture is another one when it comes back. All is drawn from the seed; what is found in a
    frame does not depend on which others are looked at.
    """
    scene = Scene(width=width, height=height, fps=_RATE, objects=objects, seed=seed)
    size = np.array([width, height, width, height], np.float32)
    truths = [scene.truth(index) for index in range(round(_RATE * seconds))]
    visits = _visits(truths, objects)
    dropped = np.random.default_rng((seed, 1)).uniform(size=len(truths)) >= circumstances.kept
    moments = []
    for index in range(0, len(truths), _RATE // circumstances.rate):
        if dropped[index]:
            continue
        truth = truths[index]
        seen = truth.visible >= _VISIBLE
        boxes = truth.boxes_px[seen] / size
        answer = _detected(boxes, truth.visible[seen], np.random.default_rng((seed, 2, index)))
        sure = answer.scores >= THRESHOLD
        moments.append(
            Moment(
                time_s=index / _RATE,
                found=answer.where(sure),
                unsure=answer.where(~sure),
                truth_ids=visits[index, truth.ids[seen]] * objects + truth.ids[seen],
                truth_boxes=boxes,
            )
        )
    return moments


def _visits(truths: Sequence[Truth], objects: int) -> NDArray[np.int64]:
    """Count how often each object has come into the picture: [frames, objects] int64."""
    areas = np.zeros((len(truths), objects))
    for index, truth in enumerate(truths):
        areas[index, truth.ids] = (truth.boxes_px[:, 2:] - truth.boxes_px[:, :2]).prod(axis=1)
    is_inside = areas >= _VISIBLE * areas.max(axis=0)
    return np.cumsum(np.diff(is_inside.astype(int), axis=0, prepend=0) > 0, axis=0)


def _detected(boxes: NDArray[np.float32], visible: NDArray[np.float32], random: np.random.Generator) -> Detections:
    """Make of true boxes what a detector finds; the less is visible of one, the lower is its score."""
    count = len(boxes)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    noisy = boxes + _JITTER * sides * random.standard_normal((count, 4))
    scores = 0.85 * np.sqrt(visible) + 0.1 * random.standard_normal(count)
    is_found = random.uniform(size=count) >= _MISSED
    others = random.poisson(_FALSE_PER_FRAME)
    corners, reach = random.uniform(0, 0.9, (others, 2)), random.uniform(0.03, 0.2, (others, 2))
    all_boxes = np.concatenate([noisy[is_found], np.concatenate([corners, corners + reach], axis=1)]).clip(0, 1)
    all_scores = np.concatenate([scores[is_found], random.uniform(_LEAST_SCORE, 0.65, others)]).clip(0, 1)
    order = np.argsort(-all_scores, kind="stable")
    answer = Detections(
        boxes_xyxy=all_boxes[order].astype(np.float32),
        scores=all_scores[order].astype(np.float32),
        class_ids=np.zeros(len(order), np.int32),
    )
    return answer.where(answer.scores >= _LEAST_SCORE)

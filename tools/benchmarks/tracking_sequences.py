"""Sequences whose truth is known: scenes of `synthetic://` as a detector with known faults sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.detections import Detections
from ...runtime.sources.synthetic import Scene, Truth

THRESHOLD = 0.5
"""Scores below it are not shown, but keep to their objects."""

_RATE = 30
_WIDTH, _HEIGHT = 640, 360

_VISIBLE = 0.3
"""Share of an object; what is hidden more is neither found nor asked for."""

_JITTER = 0.04
"""Standard deviation of each edge, to the box's side."""

_MISSED = 0.08
"""Share of the objects, whatever is seen of them."""

_FALSE_PER_FRAME = 0.2
_LEAST_SCORE, _MOST_FALSE_SCORE = 0.25, 0.65


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """One frame of a sequence.

    Args:
        frame: its number, from 1.
        time_s: when it was taken.
        found: with scores of at least the threshold, boxes normalised to the frame.
        unsure: with lower ones.
        truth_ids: [n] int64, of the objects that are to be seen.
        truth_boxes: [n, 4] float32, theirs, normalised to the frame.
    """

    frame: int
    time_s: float
    found: Detections
    unsure: Detections
    truth_ids: NDArray[np.int64]
    truth_boxes: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """How a camera sees a scene.

    Args:
        rate: frames a second, of which 30 is a multiple.
        kept: share of the frames that are looked at; the others are dropped at random.
    """

    rate: int
    kept: float = 1.0


class Film:
    """A scene at 30 frames a second.

    An object that leaves the picture is another one when it comes back.

    Args:
        seconds: how long.
        objects: that there are, of which not all are in the picture.
        seed: of the scene, and of the detector's faults.
    """

    def __init__(self, *, seconds: float, objects: int, seed: int) -> None:
        scene = Scene(width=_WIDTH, height=_HEIGHT, fps=_RATE, objects=objects, seed=seed)
        self._truths = [scene.truth(index) for index in range(round(_RATE * seconds))]
        self._ids = _visits(self._truths, objects) * objects + np.arange(objects)
        self._seed = seed

    def seen(self, circumstances: Circumstances) -> list[Moment]:
        """Look at it with a detector that misses objects, sees some that are not there, and is not sure.

        What is found in a frame does not depend on which others are looked at.
        """
        random = np.random.default_rng((self._seed, 0))
        is_kept = random.uniform(size=len(self._truths)) < circumstances.kept
        return [
            self._moment(index) for index in range(0, len(self._truths), _RATE // circumstances.rate) if is_kept[index]
        ]

    def _moment(self, index: int) -> Moment:
        truth = self._truths[index]
        is_seen = truth.visible >= _VISIBLE
        boxes = np.asarray(truth.boxes_px[is_seen] / np.tile([_WIDTH, _HEIGHT], 2), np.float32)
        answer = detected(boxes, truth.visible[is_seen], np.random.default_rng((self._seed, 1, index)))
        is_sure = answer.scores >= THRESHOLD
        return Moment(
            frame=index + 1,
            time_s=index / _RATE,
            found=answer.where(is_sure),
            unsure=answer.where(~is_sure),
            truth_ids=self._ids[index, truth.ids[is_seen]],
            truth_boxes=boxes,
        )


def _visits(truths: Sequence[Truth], objects: int) -> NDArray[np.int64]:
    """Count how often each object has come into the picture: [frames, objects] int64."""
    areas = np.zeros((len(truths), objects))
    for index, truth in enumerate(truths):
        areas[index, truth.ids] = (truth.boxes_px[:, 2:] - truth.boxes_px[:, :2]).prod(axis=1)
    is_inside = areas >= _VISIBLE * areas.max(axis=0)
    return np.cumsum(np.diff(is_inside.astype(int), axis=0, prepend=0) > 0, axis=0)


def detected(boxes: NDArray[np.float32], visible: NDArray[np.float32], random: np.random.Generator) -> Detections:
    """Make of true boxes what a detector finds; the less is visible of one, the lower is its score.

    Args:
        boxes: [n, 4] float32, xyxy, normalised.
        visible: [n] float32, share of each.
        random: draws its faults.
    """
    count = len(boxes)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    noisy = boxes + _JITTER * sides * random.standard_normal((count, 4))
    scores = 0.85 * np.sqrt(visible) + 0.1 * random.standard_normal(count)
    is_found = random.uniform(size=count) >= _MISSED
    others = random.poisson(_FALSE_PER_FRAME)
    corners, reach = random.uniform(0, 0.9, (others, 2)), random.uniform(0.03, 0.2, (others, 2))
    false = np.concatenate([corners, corners + reach], axis=1)
    all_boxes = np.concatenate([noisy[is_found], false]).clip(0, 1)
    all_scores = np.concatenate([scores[is_found], random.uniform(_LEAST_SCORE, _MOST_FALSE_SCORE, others)])
    order = np.argsort(-all_scores, kind="stable")
    answer = Detections(
        boxes_xyxy=all_boxes[order].astype(np.float32),
        scores=all_scores[order].clip(0, 1).astype(np.float32),
        class_ids=np.zeros(len(order), np.int32),
    )
    return answer.where(answer.scores >= _LEAST_SCORE)

"""Which detections of a class are right, image by image, so that a resample of the images is measured in no time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import iou_matrix
from ..coco_ap import MAX_DETECTIONS
from .class_boxes import ClassBoxes, rows_by_image

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's ten, T in the shapes below."""

NOT_FOUND = -1.0
"""Stands for the score of an object that no detection matched."""

_RECALLS = np.linspace(0, 1, 101)
_ALMOST = 1 - 1e-10
"""COCO's ceiling of a threshold, so that a perfect overlap passes it."""


@dataclass(frozen=True, kw_only=True)
class Areas:
    """The objects of one size: others count neither way, as in COCO.

    Args:
        least: the smallest area that belongs.
        below: the first area that does not.
        objects: [n] float64, areas of a class's objects, in the unit of the limits.
        detections: [m] float64, likewise of its detections.
    """

    least: float
    below: float
    objects: NDArray[np.float64]
    detections: NDArray[np.float64]

    @property
    def objects_outside(self) -> NDArray[np.bool_]:
        """Which objects are of another size: [n]."""
        return (self.objects < self.least) | (self.objects >= self.below)

    @property
    def detections_outside(self) -> NDArray[np.bool_]:
        """Which detections are of another size: [m]."""
        return (self.detections < self.least) | (self.detections >= self.below)


@dataclass(frozen=True, kw_only=True)
class ClassMatches:
    """One class's detections in descending order of score, held against its objects by COCO's rule.

    Args:
        scores: [m] float64, descending.
        images: [m] int64, the image that each is in.
        is_right: [m, T] bool.
        is_wrong: [m, T] bool; what is neither counts neither way.
        objects_of_image: [images] int64, objects that count.
        object_scores: [n] float64, in the order of the objects: the score that found each at IoU 0.5, or `NOT_FOUND`.
    """

    scores: NDArray[np.float64]
    images: NDArray[np.int64]
    is_right: NDArray[np.bool_]
    is_wrong: NDArray[np.bool_]
    objects_of_image: NDArray[np.int64]
    object_scores: NDArray[np.float64]

    @property
    def objects(self) -> int:
        """Objects that count."""
        return int(self.objects_of_image.sum())


def match_class(boxes: ClassBoxes, *, images: int, areas: Areas | None = None) -> ClassMatches:
    """Match detections to objects, best scores first, at each of COCO's overlaps.

    A detection takes the free object of its image that it overlaps most. Difficult objects, and those of another
    size, are taken only where no other is left, and then the detection counts neither way.

    Args:
        boxes: of the class; the detections of an image in descending order of score.
        images: how many there are.
        areas: the size to look at; none: all sizes.

    Source: COCO's evaluation (`cocoeval.py`), with VOC's rule for difficult objects as in `coco_ap.py`.
    """
    order = np.argsort(-boxes.detection_scores, kind="stable")
    count = len(IOU_THRESHOLDS)
    is_right = np.zeros((len(order), count), np.bool_)
    is_wrong = np.ones((len(order), count), np.bool_)
    if areas is not None:
        is_wrong[areas.detections_outside] = False
    other_size = np.zeros(len(boxes.object_images), np.bool_) if areas is None else areas.objects_outside
    object_scores = np.full(len(boxes.object_images), NOT_FOUND)
    objects_of, detections_of = rows_by_image(boxes.object_images), rows_by_image(boxes.detection_images[order])
    beyond = np.zeros(len(order), np.bool_)
    for image, found in detections_of.items():
        rows = order[found]  # rows of the boxes, best first
        beyond[found[MAX_DETECTIONS:]] = True
        if image in objects_of:
            here = objects_of[image]
            here = here[np.argsort((boxes.object_difficult | other_size)[here], kind="stable")]
            match = _match_image(boxes, rows[:MAX_DETECTIONS], here, other_size[here])
            is_right[rows[:MAX_DETECTIONS]] = match.is_right
            is_wrong[rows[:MAX_DETECTIONS]] &= ~match.is_taken
            taken = match.detection_of_object >= 0
            object_scores[here[taken]] = boxes.detection_scores[rows[match.detection_of_object[taken]]]
    counted = ~(boxes.object_difficult | other_size)
    kept = order[~beyond]
    return ClassMatches(
        scores=boxes.detection_scores[kept],
        images=boxes.detection_images[kept],
        is_right=is_right[kept],
        is_wrong=is_wrong[kept],
        objects_of_image=np.bincount(boxes.object_images[counted], minlength=images).astype(np.int64),
        object_scores=object_scores,
    )


def average_precision(matches: ClassMatches, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute COCO's 101-point average precision with each image counted so many times.

    Args:
        matches: of one class.
        weights: [images] how many times each image counts.

    Returns:
        [T] float64, one per overlap; NaN where no object counts.
    """
    objects = int(weights @ matches.objects_of_image)
    if not objects:
        return np.full(len(IOU_THRESHOLDS), np.nan)
    counts = weights[matches.images]
    return np.array(
        [
            _interpolated(counts, matches.is_right[:, at], matches.is_wrong[:, at], objects)
            for at in range(len(IOU_THRESHOLDS))
        ]
    )


def _interpolated(
    counts: NDArray[np.int64], is_right: NDArray[np.bool_], is_wrong: NDArray[np.bool_], objects: int
) -> float:
    """Only at right detections can the precision be a new maximum, so the curve is computed there alone."""
    rows = np.flatnonzero(is_right)
    if not len(rows):
        return 0.0
    until = rows[-1] + 1
    right = np.cumsum(counts[rows])
    wrong = np.cumsum(counts[:until] * is_wrong[:until])[rows]
    precision = right / np.maximum(right + wrong, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / objects, _RECALLS, side="left")
    return float(envelope[places[places < len(rows)]].sum() / len(_RECALLS))


@dataclass(frozen=True, kw_only=True)
class _ImageMatch:
    """One image's [d] detections against its [g] objects."""

    is_right: NDArray[np.bool_]
    """[d, T]"""
    is_taken: NDArray[np.bool_]
    """[d, T]: matched with an object, whether or not that counts."""
    detection_of_object: NDArray[np.int64]
    """[g]: at IoU 0.5; -1 where there is none."""


def _match_image(
    boxes: ClassBoxes, rows: NDArray[np.intp], objects: NDArray[np.intp], other_size: NDArray[np.bool_]
) -> _ImageMatch:
    """Match best first; `objects` has those that count first."""
    overlaps = iou_matrix(boxes.detection_boxes_xyxy_px[rows], boxes.object_boxes_xyxy_px[objects])  # [d, g]
    difficult = boxes.object_difficult[objects]
    counted = ~(difficult | other_size)
    limits = np.minimum(IOU_THRESHOLDS, _ALMOST)
    is_right = np.zeros((len(rows), len(limits)), np.bool_)
    is_taken = np.zeros_like(is_right)
    free = np.ones((len(limits), len(objects)), np.bool_)  # [T, g]
    detection_of_object = np.full(len(objects), -1, np.int64)
    for place in np.flatnonzero(overlaps.max(axis=1) >= limits[0]):
        reach = free & (overlaps[place] >= limits[:, None])  # [T, g]
        reach &= counted | ~(reach & counted).any(axis=1, keepdims=True)
        hits = np.flatnonzero(reach.any(axis=1))
        # Of equal overlaps COCO takes the last.
        best = len(objects) - 1 - np.where(reach, overlaps[place], -1.0)[:, ::-1].argmax(axis=1)  # [T]
        is_taken[place, hits] = True
        is_right[place, hits] = counted[best[hits]]
        free[hits, best[hits]] = difficult[best[hits]]  # a difficult object forgives any number
        if reach[0].any() and detection_of_object[best[0]] < 0:
            detection_of_object[best[0]] = place
    return _ImageMatch(is_right=is_right, is_taken=is_taken, detection_of_object=detection_of_object)

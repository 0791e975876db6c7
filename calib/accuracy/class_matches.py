"""Which detections of a class are right, image by image, so that a resample of the images is measured in no time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .class_boxes import ClassBoxes, areas_of, overlaps_with

MAX_DETECTIONS = 100
"""COCO looks at this many detections of a class in an image, the best ones."""

IOU_THRESHOLDS = {"coco": np.linspace(0.5, 0.95, 10), "voc": np.array([0.5])}
"""T in the shapes below."""

NOT_FOUND = -1.0
"""Stands for the score of an object that no detection matched."""

Rule = Literal["coco", "voc"]

_RECALLS = np.linspace(0, 1, 101)
_ALMOST = 1 - 1e-10
"""COCO's ceiling of a threshold, so that a perfect overlap passes it."""


@dataclass(frozen=True, kw_only=True)
class Areas:
    """The objects of one size: others count neither way, as in COCO.

    Args:
        least: the smallest area that belongs.
        most: the largest.
        unit_of_image: [images] float64, by which areas in an image are multiplied first; None: pixels as they are.
    """

    least: float
    most: float
    unit_of_image: NDArray[np.float64] | None = None

    def are_outside(self, areas_px: NDArray[np.float64], images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which [n] areas in these images are of another size."""
        areas = areas_px if self.unit_of_image is None else areas_px * self.unit_of_image[images]
        return (areas < self.least) | (areas > self.most)


@dataclass(frozen=True, kw_only=True)
class ClassMatches:
    """One class's detections in descending order of score, held against its objects.

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

    @cached_property
    def objects(self) -> int:
        """Objects that count."""
        return int(self.objects_of_image.sum())


def match_class(boxes: ClassBoxes, *, images: int, rule: Rule = "coco", areas: Areas | None = None) -> ClassMatches:
    """Match detections to objects, best scores first (ties in the order given), at each overlap of the rule.

    By COCO's rule a detection takes the free object of its image that it overlaps most, and only the best hundred of
    an image are looked at. By VOC's it speaks of the object that it overlaps most, and is wrong if that is taken.

    What does not count is matched only where nothing that counts is, but by VOC's rule a difficult object that is
    overlapped most; the detection then counts neither way. It forgives any number, but an object of another size one
    alone.

    Args:
        boxes: of the class.
        images: how many there are.
        rule: whose.
        areas: the size to look at; none: all sizes.

    Source: COCO's evaluation (`cocoeval.py`), with crowds; VOC's `VOCevaldet.m` of 2010 and later, whose
    `xmax - xmin + 1` on inclusive corners is the same; VOC's difficult objects in COCO's rule, which has none, and
    COCO's crowds in VOC's.
    """
    order = np.argsort(-boxes.detection_scores, kind="stable")
    other_size = np.zeros(len(boxes.object_images), np.bool_)
    is_wrong = np.ones((len(order), len(IOU_THRESHOLDS[rule])), np.bool_)
    if areas is not None:
        other_size = areas.are_outside(boxes.object_areas_px, boxes.object_images)
        is_wrong[areas.are_outside(areas_of(boxes.detection_boxes_xyxy_px), boxes.detection_images)] = False
    is_right = np.zeros_like(is_wrong)
    is_looked_at = np.ones(len(order), np.bool_)
    object_scores = np.full(len(boxes.object_images), NOT_FOUND)
    counted = ~(boxes.object_difficult | other_size)
    objects_of = _rows_by_image(boxes.object_images)
    for image, found in _rows_by_image(boxes.detection_images[order]).items():
        rows = order[found]  # best first
        if rule == "coco":
            is_looked_at[rows[MAX_DETECTIONS:]] = False
            rows = rows[:MAX_DETECTIONS]
        if image in objects_of:
            here = objects_of[image]
            match = _match_image(boxes, rows, here, counted=counted[here], rule=rule)
            is_right[rows] = match.is_right
            is_wrong[rows] &= ~match.is_taken
            taken = match.detection_of_object >= 0
            object_scores[here[taken]] = boxes.detection_scores[rows[match.detection_of_object[taken]]]
    kept = order[is_looked_at[order]]
    return ClassMatches(
        scores=boxes.detection_scores[kept],
        images=boxes.detection_images[kept],
        is_right=is_right[kept],
        is_wrong=is_wrong[kept],
        objects_of_image=np.bincount(boxes.object_images[counted], minlength=images).astype(np.int64),
        object_scores=object_scores,
    )


def average_precision(matches: ClassMatches, weights: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Compute COCO's 101-point average precision.

    Args:
        matches: of one class.
        weights: [images] how many times each image counts; None: once.

    Returns:
        [T] float64, one per overlap; NaN where no object counts.
    """
    objects = matches.objects if weights is None else int(weights @ matches.objects_of_image)
    if not objects:
        return np.full(matches.is_right.shape[1], np.nan)
    counts = np.ones(len(matches.images), np.int64) if weights is None else weights[matches.images]
    return np.array(
        [
            _interpolated(counts, is_right, is_wrong, objects)
            for is_right, is_wrong in zip(matches.is_right.T, matches.is_wrong.T, strict=True)
        ]
    )


def average_recall(matches: ClassMatches, detections: int = MAX_DETECTIONS) -> float:
    """Compute COCO's recall with so many detections an image, the mean over overlaps; NaN where no object counts."""
    if not matches.objects:
        return float("nan")
    by_image = np.argsort(matches.images, kind="stable")  # best first within each
    first = np.searchsorted(matches.images[by_image], matches.images[by_image])
    is_among_best = np.arange(len(by_image)) - first < detections
    return float(matches.is_right[by_image][is_among_best].sum(axis=0).mean() / matches.objects)


def area_under_curve(matches: ClassMatches) -> float:
    """Compute VOC's average precision, over all points of the curve at IoU 0.5; NaN where no object counts."""
    if not matches.objects:
        return float("nan")
    right, wrong = np.cumsum(matches.is_right[:, 0]), np.cumsum(matches.is_wrong[:, 0])
    recall = np.concatenate([[0.0], right / matches.objects, [1.0]])
    precision = np.concatenate([[0.0], right / np.maximum(right + wrong, 1), [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


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


def _rows_by_image(images: NDArray[np.int64]) -> dict[int, NDArray[np.intp]]:
    """Give the rows of each image, in order; `images` is [n], the image of each row."""
    order = np.argsort(images, kind="stable")
    values, starts = np.unique(images[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, starts[1:]), strict=False))  # of no row, one empty part


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
    boxes: ClassBoxes, rows: NDArray[np.intp], objects: NDArray[np.intp], *, counted: NDArray[np.bool_], rule: Rule
) -> _ImageMatch:
    """Match best first; `counted` is [g]."""
    crowd, difficult = boxes.object_crowd[objects], boxes.object_difficult[objects]
    overlaps = overlaps_with(boxes.detection_boxes_xyxy_px[rows], boxes.object_boxes_xyxy_px[objects], crowd)  # [d, g]
    limits = np.minimum(IOU_THRESHOLDS[rule], _ALMOST)
    candidates = overlaps >= limits[0]
    if rule == "voc" and not crowd.all():
        nearest = np.where(crowd, -1.0, overlaps).argmax(axis=1)
        candidates &= crowd | (np.arange(len(objects)) == nearest[:, None])
    is_right = np.zeros((len(rows), len(limits)), np.bool_)
    is_taken = np.zeros_like(is_right)
    free = np.ones((len(limits), len(objects)), np.bool_)  # [T, g]
    detection_of_object = np.full(len(objects), -1, np.int64)
    for place in np.flatnonzero(candidates.any(axis=1)):
        reach = free & candidates[place] & (overlaps[place] >= limits[:, None])  # [T, g]
        reach &= counted | ~(reach & counted).any(axis=1, keepdims=True)
        hits = np.flatnonzero(reach.any(axis=1))
        # Of equal overlaps COCO takes the last.
        best = len(objects) - 1 - np.where(reach, overlaps[place], -1.0)[:, ::-1].argmax(axis=1)  # [T]
        is_taken[place, hits] = True
        is_right[place, hits] = counted[best[hits]]
        free[hits, best[hits]] = difficult[best[hits]]
        if reach[0].any() and detection_of_object[best[0]] < 0:
            detection_of_object[best[0]] = place
    return _ImageMatch(is_right=is_right, is_taken=is_taken, detection_of_object=detection_of_object)

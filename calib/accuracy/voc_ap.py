"""Average precision by PASCAL VOC's own rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import iou_matrix
from .class_boxes import ClassBoxes, rows_by_image

VOC_IOU = 0.5
"""A detection finds an object from this overlap on."""


def voc_average_precision(boxes: ClassBoxes) -> float | None:
    """Compute the area under the precision-recall curve at IoU 0.5, over all its points.

    Detections are taken by descending score (ties in the order given). Each belongs to the object of its image that
    it overlaps most: a first detection of an object is right, a further one is wrong, one of a difficult object
    counts neither way. Boxes are continuous edges here; VOC's own `xmax - xmin + 1` on inclusive corners is the same.

    Returns:
        The average precision, in [0, 1]; None if no object counts.

    Source: VOCevaldet.m of the VOC development kit (2010 and later).
    """
    if not boxes.counted_objects:
        return None
    order = np.argsort(-boxes.detection_scores, kind="stable")
    found = np.zeros(len(boxes.object_images), np.bool_)
    right = np.zeros(len(order), np.bool_)
    wrong = np.zeros(len(order), np.bool_)
    objects_of = rows_by_image(boxes.object_images)
    for rank, row in enumerate(order):
        candidates = objects_of.get(int(boxes.detection_images[row]))
        if candidates is None:
            wrong[rank] = True
            continue
        overlaps = iou_matrix(boxes.detection_boxes_xyxy_px[row : row + 1], boxes.object_boxes_xyxy_px[candidates])[0]
        best = candidates[int(overlaps.argmax())]
        if overlaps.max() < VOC_IOU:
            wrong[rank] = True
        elif not boxes.object_difficult[best]:
            right[rank] = not found[best]
            wrong[rank] = found[best]
            found[best] = True
    return area_under_curve(right, wrong, objects=boxes.counted_objects)


def area_under_curve(right: NDArray[np.bool_], wrong: NDArray[np.bool_], *, objects: int) -> float:
    """Integrate precision over recall, precision made non-increasing from the right first.

    Args:
        right: [m] bool, by descending score.
        wrong: [m] bool; a detection may be neither.
        objects: how many there were to find, at least 1.
    """
    true_positives, false_positives = np.cumsum(right), np.cumsum(wrong)
    recall = np.concatenate([[0.0], true_positives / objects, [1.0]])
    precision = true_positives / np.maximum(true_positives + false_positives, 1)
    precision = np.concatenate([[0.0], precision, [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))

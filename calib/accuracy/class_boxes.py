"""All that average precision of one class is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import Float, intersections_and_unions


@dataclass(frozen=True, kw_only=True)
class ClassBoxes:
    """One class's objects and detections over all images.

    Args:
        object_boxes_xyxy_px: [n, 4] float64.
        object_images: [n] int64, index of the image that each object is in.
        object_difficult: [n] bool, what counts neither way; crowds among them.
        object_crowd: [n] bool.
        object_areas_px: [n] float64, by which COCO tells sizes.
        detection_boxes_xyxy_px: [m, 4] float64.
        detection_scores: [m] float64.
        detection_images: [m] int64.
    """

    object_boxes_xyxy_px: NDArray[np.float64]
    object_images: NDArray[np.int64]
    object_difficult: NDArray[np.bool_]
    object_crowd: NDArray[np.bool_]
    object_areas_px: NDArray[np.float64]
    detection_boxes_xyxy_px: NDArray[np.float64]
    detection_scores: NDArray[np.float64]
    detection_images: NDArray[np.int64]

    @property
    def counted_objects(self) -> int:
        """Objects that count: the difficult ones do not."""
        return int((~self.object_difficult).sum())

    @property
    def counted_images(self) -> int:
        """Images with an object that counts."""
        return len(np.unique(self.object_images[~self.object_difficult]))


def areas_of(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply width by height: [n]."""
    return (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]) * (boxes_xyxy[:, 3] - boxes_xyxy[:, 1])


def overlaps_with(
    detections_xyxy: NDArray[Float], objects_xyxy: NDArray[Float], crowd: NDArray[np.bool_] | None
) -> NDArray[Float]:
    """Measure how far each detection is of each object.

    Args:
        detections_xyxy: [m, 4], in any unit.
        objects_xyxy: [n, 4] in the same unit.
        crowd: [n]; None where there are none.

    Returns:
        [m, n] intersection over union; of crowds over the detection's area, as it may be one of many within.
    """
    intersections, unions = intersections_and_unions(detections_xyxy, objects_xyxy)
    if crowd is not None and crowd.any():
        sides = detections_xyxy[:, 2:] - detections_xyxy[:, :2]
        unions = np.where(crowd, sides.prod(axis=1, keepdims=True), unions)
    overlaps: NDArray[Float] = np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)
    return overlaps

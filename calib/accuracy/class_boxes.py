"""All that average precision of one class is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ClassBoxes:
    """One class's objects and detections over all images.

    Args:
        object_boxes_xyxy_px: [n, 4] float64.
        object_images: [n] int64, index of the image that each object is in.
        object_difficult: [n] bool.
        detection_boxes_xyxy_px: [m, 4] float64.
        detection_scores: [m] float64.
        detection_images: [m] int64.
    """

    object_boxes_xyxy_px: NDArray[np.float64]
    object_images: NDArray[np.int64]
    object_difficult: NDArray[np.bool_]
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


def rows_by_image(images: NDArray[np.int64]) -> dict[int, NDArray[np.intp]]:
    """Give the rows of each image, in order; `images` is [n], the image of each row."""
    rows: dict[int, list[int]] = {}
    for row, image in enumerate(images.tolist()):
        rows.setdefault(image, []).append(row)
    return {image: np.asarray(members, np.intp) for image, members in rows.items()}

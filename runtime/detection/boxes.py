"""Boxes: the codec between default boxes and corners, and overlap."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Float = TypeVar("Float", np.float32, np.float64)
"""Overlaps are computed in the precision of the boxes."""


def decode_boxes(box_offsets: Array, default_cxcywh: Array, variances: tuple[float, float]) -> Array:
    """Turn the localization head's offsets into corner boxes.

    Args:
        box_offsets: [D, 4] float32, (dx, dy, dw, dh) per default box, as the head emits them.
        default_cxcywh: [D, 4] float32, normalised.
        variances: (centre, size) divisors that the training targets were encoded with.

    Returns:
        [D, 4] float32, xyxy, normalised, not clipped. A size offset too large for float32 gives infinite corners.

    Source: Liu et al. 2016, eq. 2, inverted.
    """
    centre_variance, size_variance = np.float32(variances[0]), np.float32(variances[1])
    centres = box_offsets[:, :2] * centre_variance * default_cxcywh[:, 2:] + default_cxcywh[:, :2]  # [D, 2]
    with np.errstate(over="ignore"):
        sizes = np.exp(box_offsets[:, 2:] * size_variance) * default_cxcywh[:, 2:]  # [D, 2]
    half_sizes = sizes * np.float32(0.5)
    return np.concatenate([centres - half_sizes, centres + half_sizes], axis=1)  # [D, 4]


def encode_boxes(boxes_xyxy: Array, default_cxcywh: Array, variances: tuple[float, float]) -> Array:
    """Turn corner boxes into the offsets that `decode_boxes` turns back.

    Args:
        boxes_xyxy: [D, 4] float32, normalised, one per default box, each with a width and height above 0.
        default_cxcywh: [D, 4] float32, normalised.
        variances: (centre, size) divisors.

    Returns:
        [D, 4] float32, (dx, dy, dw, dh).

    Raises:
        ValueError: a box has no area; its logarithm would poison whatever is computed from it.

    Source: Liu et al. 2016, eq. 2.
    """
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]  # [D, 2]
    if not (sizes > 0).all():
        raise ValueError(f"boxes_xyxy: expected widths and heights above 0, got {sizes.min()}")
    centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) * np.float32(0.5)
    centre_offsets = (centres - default_cxcywh[:, :2]) / default_cxcywh[:, 2:] / np.float32(variances[0])
    size_offsets = np.log(sizes / default_cxcywh[:, 2:]) / np.float32(variances[1])
    return np.concatenate([centre_offsets, size_offsets], axis=1)  # [D, 4]


def intersections_and_unions(
    first_xyxy: NDArray[Float], second_xyxy: NDArray[Float]
) -> tuple[NDArray[Float], NDArray[Float]]:
    """Measure how two lists of boxes overlap, each with each.

    Args:
        first_xyxy: [n, 4] float32 or float64, in any unit.
        second_xyxy: [m, 4] of the same type, in the same unit.

    Returns:
        Intersections [n, m] and unions [n, m] of the same type, areas in that unit squared. Edges are continuous:
        a box is (x2 - x1) wide. A box without area intersects nothing.
    """
    top_left = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])  # [n, m, 2]
    bottom_right = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    intersections = np.clip(bottom_right - top_left, 0, None).prod(axis=2)  # [n, m]
    unions = _areas(first_xyxy)[:, None] + _areas(second_xyxy)[None, :] - intersections
    return intersections, unions


def iou_matrix(first_xyxy: NDArray[Float], second_xyxy: NDArray[Float]) -> NDArray[Float]:
    """Return [n, m] of the boxes' type, intersection over union of [n, 4] and [m, 4]; 0 where neither has an area."""
    intersections, unions = intersections_and_unions(first_xyxy, second_xyxy)
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)


def with_sides(boxes_xyxy: NDArray[Float], least: float) -> NDArray[Float]:
    """Lengthen sides that are shorter than this: a box clipped flat at an edge overlaps nothing, not even itself."""
    first, last = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return np.concatenate([first, np.maximum(last, first + first.dtype.type(least))], axis=1)


def grown(boxes_xyxy: NDArray[np.float32], shares: float | NDArray[np.float64]) -> NDArray[np.float32]:
    """Grow boxes [n, 4] on each side by a share, or [n] shares, of theirs; not clipped."""
    more = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * np.reshape(shares, (-1, 1))
    return np.concatenate([boxes_xyxy[:, :2] - more, boxes_xyxy[:, 2:] + more], axis=1).astype(np.float32)


def part_around(box_xyxy: NDArray[np.float32], share: float, *, height: int, width: int) -> tuple[int, int, int, int]:
    """Find the part of a frame that shows a normalised box [4] with a share of its sides around it.

    Returns:
        Its first column and row, and those behind its last, within the frame; of a box outside there is none between.
    """
    size = [width, height] * 2
    left, top, right, bottom = np.clip(np.rint(grown(box_xyxy[None], share)[0] * size), 0, size).astype(int).tolist()
    return left, top, right, bottom


def _areas(boxes_xyxy: NDArray[Float]) -> NDArray[Float]:
    areas: NDArray[Float] = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None).prod(axis=1)
    return areas

"""From a frame of any size to detections in that frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..card import InputSpec
from ..errors import InputError
from .detections import Detections

PADDING_GREY = 114
"""Value of the bars that `letterbox` adds."""


def fit_frame(frame: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Resize a frame to the network's input, bilinear without antialiasing (`cv2.INTER_LINEAR`).

    `stretch` ignores the aspect ratio. `letterbox` keeps it (to within half a pixel), centres the picture and fills the
    bars with PADDING_GREY; where the bars differ by a pixel the extra one is at the right or bottom.
    `letterbox-top-left` has the picture in that corner, as YOLOX and MMDetection have it.

    Args:
        frame: [h, w, 3] uint8, BGR.
        spec: the card's input.

    Returns:
        [H, W, 3] uint8, BGR.

    Raises:
        InputError: the frame has another type or shape.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise InputError(f"frame: expected uint8 [h, w, 3], got {frame.dtype} {list(frame.shape)}.")
    left, top, width, height = _content_px(spec, *frame.shape[:2])
    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    if (height, width) == (spec.height, spec.width):
        return np.asarray(resized, np.uint8)
    fitted = np.full((spec.height, spec.width, 3), PADDING_GREY, np.uint8)
    fitted[top : top + height, left : left + width] = resized
    return fitted


def boxes_to_frame(boxes_xyxy: NDArray[np.float32], spec: InputSpec, *, height: int, width: int) -> NDArray[np.float32]:
    """Map boxes from the network's input back to the frame that `fit_frame` fitted.

    Args:
        boxes_xyxy: [n, 4] float32, normalised to the input.
        spec: the card's input.
        height: of the frame, in pixels.
        width: of the frame, in pixels.

    Returns:
        [n, 4] float32, normalised to the frame, clipped to [0, 1].
    """
    offset, scale = _content_normalised(spec, height, width)
    mapped: NDArray[np.float32] = np.clip((boxes_xyxy - offset) / scale, np.float32(0), np.float32(1))
    return mapped


def boxes_to_input(boxes_xyxy: NDArray[np.float32], spec: InputSpec, *, height: int, width: int) -> NDArray[np.float32]:
    """Map boxes from a frame to where `fit_frame` puts them: the inverse of `boxes_to_frame`.

    Args:
        boxes_xyxy: [n, 4] float32, normalised to the frame.
        spec: the card's input.
        height: of the frame, in pixels.
        width: of the frame, in pixels.

    Returns:
        [n, 4] float32, normalised to the network's input.
    """
    offset, scale = _content_normalised(spec, height, width)
    return (boxes_xyxy * scale + offset).astype(np.float32)


def detections_to_frame(found: Detections, spec: InputSpec, *, height: int, width: int) -> Detections:
    """Map detections back to the frame; those that lie wholly in a letterbox's bars are dropped."""
    boxes = boxes_to_frame(found.boxes_xyxy, spec, height=height, width=width)
    mapped = Detections(boxes_xyxy=boxes, scores=found.scores, class_ids=found.class_ids)
    if spec.resize == "stretch":
        return mapped
    return mapped.where((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))


def _content_px(spec: InputSpec, height: int, width: int) -> tuple[int, int, int, int]:
    """Where the frame lies in the input: left, top, width, height in pixels."""
    if spec.resize == "stretch":
        return 0, 0, spec.width, spec.height
    scale = min(spec.width / width, spec.height / height)
    fitted_width = max(1, round(width * scale))
    fitted_height = max(1, round(height * scale))
    if spec.resize == "letterbox-top-left":
        return 0, 0, fitted_width, fitted_height
    return (spec.width - fitted_width) // 2, (spec.height - fitted_height) // 2, fitted_width, fitted_height


def _content_normalised(spec: InputSpec, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Offset and scale [4] that take normalised frame coordinates to normalised input coordinates."""
    left, top, fitted_width, fitted_height = _content_px(spec, height, width)
    whole = np.array([spec.width, spec.height, spec.width, spec.height], np.float32)
    offset = np.array([left, top, left, top], np.float32) / whole
    scale = np.array([fitted_width, fitted_height, fitted_width, fitted_height], np.float32) / whole
    return offset, scale

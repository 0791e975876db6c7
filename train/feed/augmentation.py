"""What is done to an image before it is learned from: carried out as one mapping of coordinates and one of colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.cache.image_cache import StoredImage
from ...runtime.detection.boxes import iou_matrix
from ..augmentation_settings import AugmentationSettings

GREY = 127
"""What is seen beyond an image's edges."""

_MAX_EXPANSION = 2.5
_ROUNDING = 1e-6
_CROP_OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
_CROP_TRIALS = 40
_CROP_SIDES = (0.3, 1.0)
_CROP_ASPECTS = (0.5, 2.0)
_BRIGHTNESS = (0.875, 1.125)
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.5, 1.5)
_HUE_TURNS = (-0.05, 0.05)
_LUMA = np.array([0.299, 0.587, 0.114])
_YIQ_FROM_RGB = np.array([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass(frozen=True, kw_only=True)
class AugmentationPlan:
    """What was chosen for one image; the same whoever carries it out.

    Args:
        forward: [2, 3] float64, from normalised coordinates of the image to those of the network's input.
        part_px: (left, top, right, bottom) in whole pixels of the stored image, where what is seen is just a part of
            it, upright; None where it is turned or grey is seen too.
        mirrored: (left to right, top to bottom).
        within: whether no grey is seen.
        colour: [3, 4] float64, new red, green and blue of red, green, blue and 1, each 0..255; None changes nothing.
        boxes_xyxy: [n, 4] float32, normalised to the network's input.
        labels: [n] int64, from 1 up; -1 marks an object that is neither learned nor held against the network.
    """

    forward: NDArray[np.float64]
    part_px: tuple[int, int, int, int] | None
    mirrored: tuple[bool, bool]
    within: bool
    colour: NDArray[np.float64] | None
    boxes_xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _View:
    """A window of an image: (left, top, right, bottom) in shares of it, mirrored, then turned about its middle."""

    window: NDArray[np.float64]
    mirrored: tuple[bool, bool] = (False, False)
    radians: float = 0.0

    def forward(self, hw_px: tuple[int, int]) -> NDArray[np.float64]:
        """Return [2, 3]: normalised coordinates of the image to those of the view. Turns keep right angles right."""
        sides = np.array([hw_px[1], hw_px[0]], np.float64)  # width, height
        middle, extent = (self.window[:2] + self.window[2:]) / 2, self.window[2:] - self.window[:2]
        sine, cosine = math.sin(self.radians), math.cos(self.radians)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        signs = np.where(self.mirrored, -1.0, 1.0)
        linear = (signs / (extent * sides))[:, None] * turn * sides
        return np.column_stack([linear, 0.5 - linear @ middle])


def transformed_boxes(forward: NDArray[np.float64], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the smallest upright boxes around mapped boxes: [n, 4], xyxy, not clipped.

    Args:
        forward: [2, 3], the mapping.
        boxes_xyxy: [n, 4].
    """
    corners = boxes_xyxy[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64)  # [n, 4, 2]
    mapped = corners @ forward[:, :2].T + forward[:, 2]
    return np.concatenate([mapped.min(axis=1), mapped.max(axis=1)], axis=1)


def plan_augmentation(image: StoredImage, settings: AugmentationSettings, rng: np.random.Generator) -> AugmentationPlan:
    """Choose expansion, crop, flips, scaling, turn and colour for one image.

    An object whose middle is out of view is left out, as SSD does. Where there were objects, one at least stays: a
    turn or scaling that would lose all of them is not made.

    Args:
        image: its size and objects count, its pixels do not.
        settings: how much of what.
        rng: all that is random comes from it.

    Source: Liu et al. 2016, section 2.2 "Data augmentation" and 3.6.
    """
    window = _window(image, settings, rng)
    mirrored = bool(rng.random() < settings.horizontal_flip), bool(rng.random() < settings.vertical_flip)
    most = math.radians(settings.rotation_degrees) * settings.strength
    radians = float(rng.uniform(-most, most))
    factor = (1 + settings.scaling * settings.strength) ** float(rng.uniform(-1, 1))
    colour = _colour(min(1.0, settings.colour * settings.strength), rng)
    labels = np.where(image.difficult, -1, image.class_ids + 1)
    view = _View(window=_scaled(window, factor), mirrored=mirrored, radians=radians)
    boxes, kept = _seen(view, image)
    if len(labels) and not kept.any():
        view = _View(window=window, mirrored=mirrored)
        boxes, kept = _seen(view, image)
    view, part_px = _on_whole_pixels(view, image)
    if part_px is not None:
        boxes, kept = _seen(view, image)
    return AugmentationPlan(
        forward=view.forward(image.hw_px),
        part_px=part_px,
        mirrored=mirrored,
        within=_is_within(view, image.hw_px),
        colour=colour,
        boxes_xyxy=boxes[kept].astype(np.float32),
        labels=labels[kept],
    )


def augmented_image(
    image_rgb: NDArray[np.uint8], plan: AugmentationPlan, input_hw: tuple[int, int]
) -> NDArray[np.uint8]:
    """Carry a plan out on the CPU: one resampling straight to the network's input, then the colours.

    The resampling is bilinear without antialiasing; a part that is neither turned nor beyond the edges goes through
    the very resize that runs in production.

    Args:
        image_rgb: [h, w, 3] uint8, as stored.
        plan: chosen for it.
        input_hw: (H, W) of the network.

    Returns:
        [H, W, 3] uint8, RGB.
    """
    height, width = input_hw
    if plan.part_px is not None:
        left, top, right, bottom = plan.part_px
        out = cv2.resize(image_rgb[top:bottom, left:right], (width, height), interpolation=cv2.INTER_LINEAR)
        if any(plan.mirrored):
            out = cv2.flip(out, {(True, False): 1, (False, True): 0, (True, True): -1}[plan.mirrored])
    else:
        out = cv2.warpAffine(
            image_rgb,
            _stored_from_input_px(plan, image_rgb.shape[:2], input_hw),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if plan.within else cv2.BORDER_CONSTANT,
            borderValue=(GREY, GREY, GREY),
        )
    if plan.colour is not None:
        out = cv2.transform(out, plan.colour)
    return np.asarray(out, np.uint8)


def input_from_image(plan: AugmentationPlan) -> NDArray[np.float64]:
    """Return [2, 3], the inverse: normalised coordinates of the network's input to those of the image."""
    return np.asarray(cv2.invertAffineTransform(plan.forward), np.float64)


def _stored_from_input_px(
    plan: AugmentationPlan, stored_hw: tuple[int, ...], input_hw: tuple[int, int]
) -> NDArray[np.float64]:
    """Map the middles of the input's pixels, counted from 0, to those of the stored image's pixels."""
    inverse = input_from_image(plan)
    stored = np.array(stored_hw[::-1], np.float64)[:, None]
    step = 1 / np.array(input_hw[::-1], np.float64)
    linear = stored * inverse[:, :2] * step
    return np.column_stack([linear, linear @ [0.5, 0.5] + (stored * inverse[:, 2:])[:, 0] - 0.5])


def _window(image: StoredImage, settings: AugmentationSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Choose the part of the image that is seen, in shares of it; it reaches beyond [0, 1] after an expansion."""
    canvas = np.array([0.0, 0.0, 1.0, 1.0])
    if rng.random() < min(1.0, settings.expansion * settings.strength):
        side = rng.uniform(1.0, _MAX_EXPANSION)
        left, top = -rng.uniform(0.0, side - 1, 2)
        canvas = np.array([left, top, left + side, top + side])
    if not settings.crop or not len(image.boxes_xyxy) or rng.random() >= settings.strength:
        return canvas
    shift, side = np.tile(canvas[:2], 2), canvas[2] - canvas[0]
    crop = _crop(((image.boxes_xyxy - shift) / side).astype(np.float32), image.hw_px, rng)
    window: NDArray[np.float64] = crop * side + shift
    return window


def _crop(boxes_xyxy: NDArray[np.float32], hw_px: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Choose SSD's crop: a window that overlaps an object by as much as was chosen first, or the whole.

    Args:
        boxes_xyxy: [n, 4], n > 0, normalised.
        hw_px: height and width, for the proportions of the window.
        rng: what is random comes from it.

    Returns:
        [4] float64, xyxy, normalised.
    """
    middles = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    while (option := int(rng.integers(len(_CROP_OVERLAPS) + 1))) < len(_CROP_OVERLAPS):
        sides = rng.uniform(*_CROP_SIDES, (_CROP_TRIALS, 2))
        corner = rng.uniform(0.0, 1.0, (_CROP_TRIALS, 2)) * (1 - sides)
        windows = np.concatenate([corner, corner + sides], axis=1)
        aspects = sides[:, 0] / sides[:, 1] * (hw_px[1] / hw_px[0])
        inside = ((middles > windows[:, None, :2]) & (middles < windows[:, None, 2:])).all(axis=2)  # [trials, n]
        overlaps = np.where(inside, iou_matrix(windows.astype(np.float32), boxes_xyxy), -1.0).max(axis=1)
        good = (aspects > _CROP_ASPECTS[0]) & (aspects < _CROP_ASPECTS[1]) & (overlaps >= _CROP_OVERLAPS[option])
        if good.any():
            return np.asarray(windows[int(good.argmax())], np.float64)
    return np.array([0.0, 0.0, 1.0, 1.0])


def _scaled(window: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """See less of the image where things are to be larger."""
    middle = np.tile((window[:2] + window[2:]) / 2, 2)
    return middle + (window - middle) / factor


def _on_whole_pixels(view: _View, image: StoredImage) -> tuple[_View, tuple[int, int, int, int] | None]:
    """Move the edges of an upright part of the image out to whole stored pixels; other views stay as they are."""
    if view.radians or view.window.min() < -_ROUNDING or view.window.max() > 1 + _ROUNDING:
        return view, None
    height, width = image.image_rgb.shape[:2]
    (left, right), (top, bottom) = (
        _whole(view.window[axis], view.window[axis + 2], side) for axis, side in enumerate((width, height))
    )
    window = np.array([left / width, top / height, right / width, bottom / height])
    return _View(window=window, mirrored=view.mirrored), (left, top, right, bottom)


def _whole(low: float, high: float, side: int) -> tuple[int, int]:
    """Widen, never narrow: what was in view stays in view."""
    return max(math.floor(low * side + _ROUNDING), 0), min(math.ceil(high * side - _ROUNDING), side)


def _is_within(view: _View, hw_px: tuple[int, int]) -> bool:
    inverse = np.asarray(cv2.invertAffineTransform(view.forward(hw_px)), np.float64)
    corners = transformed_boxes(inverse, np.array([[0, 0, 1, 1]], np.float32))
    return bool(corners.min() > -_ROUNDING and corners.max() < 1 + _ROUNDING)


def _seen(view: _View, image: StoredImage) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return all boxes as the view shows them, clipped, and which of them have their middle in it."""
    boxes = transformed_boxes(view.forward(image.hw_px), image.boxes_xyxy)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    clipped = boxes.clip(0, 1)
    has_area = (clipped[:, 2:].astype(np.float32) > clipped[:, :2].astype(np.float32)).all(axis=1)
    in_view = ((middles > 0) & (middles < 1)).all(axis=1)
    return clipped, np.logical_and(in_view, has_area)


def _colour(share: float, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """Choose brightness, contrast, saturation and hue, and put them into one matrix.

    Contrast is about middle grey, and hue turns about the grey axis of YIQ, so that all of it is linear.
    """
    wanted = rng.random(4) < share
    brightness, contrast, saturation, turn = (
        rng.uniform(*limits) for limits in (_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE_TURNS)
    )
    if not wanted.any():
        return None
    matrix = np.eye(3, 4)
    if wanted[0]:
        matrix *= brightness
    if wanted[1]:
        matrix *= contrast
        matrix[:, 3] += GREY * (1 - contrast)
    if wanted[2]:
        matrix = (saturation * np.eye(3) + (1 - saturation) * _LUMA) @ matrix
    if wanted[3]:
        sine, cosine = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
        turned = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ _YIQ_FROM_RGB
        matrix = np.linalg.solve(_YIQ_FROM_RGB, turned) @ matrix
    return matrix

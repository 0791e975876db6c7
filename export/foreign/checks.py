"""What a foreign detector's answers must look like under a reading, else it is refused."""

from __future__ import annotations

import numpy as np

from ...runtime.errors import InputError
from .graph import Outputs
from .reading import ROUNDING, Array, Layout, Reading, decoded_boxes

FAR_OUTSIDE = 2.0
"""Normalised boxes reach a little past the picture's edges; the hundredth part that goes further is forgiven."""


WELL_FORMED = 0.9
"""Share of boxes that must have their corners in order, or their sizes above 0; untrained networks reach it too."""


def share_of_corners_in_order(boxes: Array) -> float:
    """Share of [N, D, 4] boxes whose last two values are not below their first two."""
    return float((boxes[..., 2:] >= boxes[..., :2]).all(axis=-1).mean())


def share_of_sizes_above_0(boxes: Array) -> float:
    """Share of [N, D, 4] boxes whose last two values are above 0."""
    return float((boxes[..., 2:] > 0).all(axis=-1).mean())


def check_reading(outputs: Outputs, reading: Reading) -> None:
    """Refuse a reading that the values themselves contradict.

    Not promised: that a reading which passes is right. Corners with x first and with y first look alike.

    Raises:
        InputError: they do; the text holds the figures.
    """
    box_count = reading.boxes.of(outputs).shape[1]
    for flag, columns, length in (
        ("--boxes", reading.boxes, 4 if reading.decoding is None else reading.decoding.columns),
        ("--scores", reading.scores, None),
        ("--objectness", reading.objectness, 1),
    ):
        if columns is None:
            continue
        found = columns.of(outputs).shape[1:]
        if found[0] != box_count or length not in (None, found[1]):
            raise InputError(
                f"{flag}: expected [N, {box_count}, {length or 'classes'}], got [N, {found[0]}, {found[1]}]."
            )
    _check_background(reading)
    boxes = decoded_boxes(outputs, reading)
    if not np.isfinite(boxes).all():
        raise InputError(f"--boxes: expected finite values in {reading.boxes}, got NaN or infinity.")
    if reading.decoding is None:
        _check_layout(boxes, reading.layout)
        _check_unit(boxes, reading)
    _check_activation(outputs, reading)


def check_final(outputs: Outputs, reading: Reading, found: Array) -> None:
    """Refuse a reading of detections with one class each that the values contradict.

    Args:
        outputs: name -> what a run gave, the frames first.
        reading: what in them is a box, a score, a class.
        found: [1, n, 4], the boxes of rows that have a score.

    Raises:
        InputError: they do; the text holds the figures.
    """
    if not np.isfinite(found).all():
        raise InputError(f"--boxes: expected finite values in {reading.boxes}, got NaN or infinity.")
    _check_layout(found, reading.layout)
    _check_unit(found, reading)
    _check_activation(outputs, reading)


def _check_background(reading: Reading) -> None:
    if reading.background is not None and not 0 <= reading.background < len(reading.scores):
        raise InputError(
            f"--background: expected a column of the scores, 0 to {len(reading.scores) - 1}, got {reading.background}."
        )
    if not reading.class_columns:
        raise InputError(f"--scores: expected a class beside the background, got the one column of {reading.scores}.")
    if reading.objectness is not None and reading.activation == "softmax":
        raise InputError("--activation: expected none or sigmoid beside --objectness, got softmax.")


def _check_layout(boxes: Array, layout: Layout) -> None:
    if layout == "cxcywh":
        share, what = share_of_sizes_above_0(boxes), "sizes above 0"
    else:
        share, what = share_of_corners_in_order(boxes), "corners in order"
    if share < WELL_FORMED:
        other = "xyxy or yxyx, or boxes that are not decoded" if layout == "cxcywh" else "cxcywh"
        raise InputError(
            f"--layout: expected {what} as in {layout}, got them in {share:.0%} of the boxes. It may be {other}."
        )


def _check_unit(boxes: Array, reading: Reading) -> None:
    reach = float(np.quantile(np.abs(boxes), 0.99))
    if reading.normalised and reach > FAR_OUTSIDE:
        raise InputError(
            f"--normalised: expected boxes within [0, 1] or close to it, got values up to {reach:.1f}. "
            "Boxes in pixels are --normalised no."
        )
    if not reading.normalised and reach <= FAR_OUTSIDE:
        raise InputError(
            f"--normalised: expected boxes in pixels, got values up to {reach:.3g}. "
            "Boxes in fractions of the input are --normalised yes."
        )


def _check_activation(outputs: Outputs, reading: Reading) -> None:
    values = reading.scores.of(outputs)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise InputError(f"--scores: expected finite values in {reading.scores}, got NaN or infinity.")
    is_share = low >= -ROUNDING and high <= 1 + ROUNDING
    if reading.activation == "none" and not is_share:
        raise InputError(
            f"--activation: expected scores within [0, 1] with none, got {low:.3g} to {high:.3g}. "
            "Scores as the last layer left them need sigmoid or softmax."
        )
    if reading.activation != "none" and is_share:
        raise InputError(
            f"--activation: expected scores as the last layer left them with {reading.activation}, got {low:.3g} to "
            f"{high:.3g}, which look activated. --activation none leaves them so."
        )

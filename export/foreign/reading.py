"""How a third-party detector's outputs are to be read, and the reading carried out in numpy.

What numpy makes of the foreign graph's own outputs is what the adapted graph is held against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from .decoding import Decoding
from .graph import Outputs, output_shapes_text, shape_text

Array = NDArray[np.float32]
Layout = Literal["xyxy", "yxyx", "cxcywh"]
Activation = Literal["none", "sigmoid", "softmax"]

NO_SCORE = np.float32(-1)
"""Of a class that a box is not, and of a row that holds none; below every score floor."""
ROOTED = np.float32(1e-6)
"""Of a product whose root is taken, the least: below it the root is of what sigmoids of float32 round."""
ROUNDING = 1e-3
"""How far outside [0, 1] a score may lie and a sum of scores from 1; half precision rounds that much."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A range of the values that an output gives per box.

    Args:
        output: its name.
        start: first column.
        stop: one past the last.
        channels_first: whether the output is [N, columns, D]; else it is [N, D, columns].
        is_whole: whether these are all of its columns.
    """

    output: str
    start: int
    stop: int
    channels_first: bool
    is_whole: bool

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return self.output if self.is_whole else f"{self.output}[{self.start}:{self.stop}]"

    def of(self, outputs: Outputs) -> Array:
        """Select them: [N, D, columns] float32."""
        value = outputs[self.output]
        if self.channels_first:
            value = value.transpose(0, 2, 1)
        return value[:, :, self.start : self.stop].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Everything that must be known to turn a foreign detector's outputs into boxes and scores.

    Args:
        boxes: four columns, or as many as the decoding has.
        scores: a column per class, with the background's where there is one.
        objectness: one column, by which every score is multiplied; None where there is none.
        layout: of the boxes: corners, corners with y first, or centre and size.
        normalised: whether boxes are fractions of the input; else they are pixels of it.
        activation: what is still to be applied to scores and objectness.
        background: column of `scores` that is the background; None where there is none.
        decoding: of boxes that were left undecoded; None where they are decoded.
        class_ids: column of the class of each box, whose score is the one of `scores`; None where there is a score for
            every class.
        class_count: where there are class ids.
        first_class: id of the first class.
        is_final: whether suppression is behind, so that none follows.
    """

    boxes: Columns
    scores: Columns
    objectness: Columns | None
    layout: Layout
    normalised: bool
    activation: Activation
    background: int | None
    decoding: Decoding | None = None
    class_ids: Columns | None = None
    class_count: int = 0
    first_class: int = 0
    is_final: bool = False

    @property
    def class_columns(self) -> list[int]:
        """Columns of the scores without the background's."""
        if self.class_ids is not None:
            return list(range(self.class_count))
        return [column for column in range(len(self.scores)) if column != self.background]

    @property
    def has_root(self) -> bool:
        """Whether a score is the root of its product with the objectness."""
        return self.objectness is not None and self.decoding is not None and self.decoding.has_root

    def settings(self) -> dict[str, Any]:
        """Write for a card."""
        return {
            "boxes": str(self.boxes),
            "scores": str(self.scores),
            "objectness": None if self.objectness is None else str(self.objectness),
            "layout": self.layout,
            "normalised": self.normalised,
            "activation": self.activation,
            "background": self.background,
            "decode": None if self.decoding is None else self.decoding.scheme,
            "class_ids": None if self.class_ids is None else str(self.class_ids),
            "first_class": self.first_class,
            "is_final": self.is_final,
        }


def columns_from_text(
    flag: str, text: str, outputs: Outputs, *, box_count: int | None = None, is_rows: bool = False
) -> Columns:
    """Understand `NAME` or `NAME[START:STOP]`.

    Which axis counts boxes follows from the number of boxes where it is known; of an output that holds boxes alone
    from its axis of 4; else there are taken to be more boxes than columns.

    Args:
        flag: the option, for errors.
        text: what the user wrote.
        outputs: name -> what a run gave, the frames first.
        box_count: D, where it is known.
        is_rows: whether outputs are known to be [N, D, columns].

    Raises:
        InputError: there is no such output or column, or its shape is not that of values per box.
    """
    match = None if text in outputs else re.fullmatch(r"(.+)\[(\d*):(\d*)\]", text)
    name, first, last = (text, "", "") if match is None else match.groups()
    if name not in outputs:
        raise InputError(
            f"{flag}: expected an output of the graph, got {name!r}. It has {output_shapes_text(outputs)}."
        )
    shape = outputs[name].shape
    if len(shape) != 3:
        raise InputError(
            f"{flag}: expected {name} to be [N, boxes, columns] or [N, columns, boxes], got {shape_text(shape)}. "
            "Name another tensor, also one inside the graph."
        )
    channels_first = not is_rows and _is_channels_first(flag, name, shape, is_whole=match is None, box_count=box_count)
    width = shape[1] if channels_first else shape[2]
    start, stop = int(first or 0), int(last or width)
    if not 0 <= start < stop <= width:
        raise InputError(f"{flag}: expected columns within {name}'s {width}, got [{first}:{last}].")
    return Columns(
        output=name, start=start, stop=stop, channels_first=channels_first, is_whole=(start, stop) == (0, width)
    )


def candidates_from_outputs(outputs: Outputs, reading: Reading, *, height: int, width: int) -> tuple[Array, Array]:
    """Turn a foreign graph's outputs into boxes and scores, not yet suppressed.

    Args:
        outputs: name -> what a run gave, the frames first.
        reading: what in them is a box, a score, a class.
        height: of the input, in pixels.
        width: of the input, in pixels.

    Returns:
        Boxes [N, D, 4] float32, xyxy, corners in order, normalised, not clipped, and scores [N, D, classes] float32
        without background.
    """
    boxes = decoded_boxes(outputs, reading)
    if reading.layout == "cxcywh":
        halves = boxes[..., 2:] * np.float32(0.5)
        boxes = np.concatenate([boxes[..., :2] - halves, boxes[..., :2] + halves], axis=2)
    elif reading.layout == "yxyx":
        boxes = boxes[..., [1, 0, 3, 2]]
    if not reading.normalised:
        boxes = np.divide(boxes, np.array([width, height, width, height], np.float32), dtype=np.float32)
    first, second = boxes[..., :2], boxes[..., 2:]
    boxes = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=2)
    return boxes, scores_from_outputs(outputs, reading)


def scores_from_outputs(outputs: Outputs, reading: Reading) -> Array:
    """Return [N, D, classes] float32: activated, multiplied by the objectness, without the background."""
    scores = activated(reading.scores.of(outputs), reading.activation)
    if reading.class_ids is not None:
        places = reading.class_ids.of(outputs) - np.float32(reading.first_class)  # [N, D, 1]
        is_class = (places == np.arange(reading.class_count, dtype=np.float32)) & (scores > 0)
        return np.where(is_class, scores, NO_SCORE)
    scores = scores[..., reading.class_columns]
    if reading.objectness is not None:
        scores = scores * activated(reading.objectness.of(outputs), reading.activation)
        if reading.has_root:
            scores = np.sqrt(np.maximum(scores, ROOTED))
    return scores


def activated(values: Array, activation: Activation) -> Array:
    """Apply a sigmoid, or a softmax over the last axis, to [N, D, columns] float32."""
    if activation == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * values)), np.float32)  # the same function, without overflow
    if activation == "softmax":
        exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), np.float32)
    return values


def decoded_boxes(outputs: Outputs, reading: Reading) -> Array:
    """Return boxes [N, D, 4] float32 in the reading's layout, decoded where they were not."""
    values = reading.boxes.of(outputs)
    return values if reading.decoding is None else reading.decoding.of(values)


def _is_channels_first(flag: str, name: str, shape: tuple[int, ...], *, is_whole: bool, box_count: int | None) -> bool:
    if box_count is not None:
        if box_count not in shape[1:]:
            raise InputError(
                f"{flag}: expected an axis of {box_count}, the number of boxes, in {name}, got {shape_text(shape)}."
            )
        return shape[2] == box_count and shape[1] != box_count
    if flag == "--boxes" and is_whole:
        if 4 not in shape[1:]:
            raise InputError(
                f"{flag}: expected four columns in {name}, got {shape_text(shape)}. Name them, as in '{name}[0:4]'."
            )
        return shape[2] != 4
    return shape[1] < shape[2]

"""Boxes that a head left undecoded, relative to cells or anchors, brought to pixels: in numpy and in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..graphs.tail import Tail

Array = NDArray[np.float32]
How = Literal["exp", "yolov3", "yolov5", "distances"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoding:
    """How the columns of a box become a box in pixels.

    `exp`: the centre is origin + value * unit, the size exp(value * growth) * size. `yolov3` has a sigmoid before the
    centre's value, `yolov5` 2 sigmoid - 0.5 there and (2 sigmoid)^2 * size. `distances` are those of left, top, right
    and bottom from the origin, in units.

    Args:
        scheme: its name, for people and cards.
        how: see above.
        origins: [D, 2] (x, y) pixels.
        units: [D, 2] (x, y) pixels that 1 of a centre's value, or of a distance, is.
        sizes: [D, 2] (width, height) pixels; unused of distances.
        growth: factor of the size's value.
        bins: of the distribution that each value is the mean of; 0 where values are plain.
        y_first: whether columns have y before x.
        has_sigmoid: whether values have been through the sigmoid already.
        has_root: whether a score is the root of its product with the objectness.

    Source: Ren et al. 2015 and Liu et al. 2016 (`exp` of anchors), Ge et al. 2021 (`exp` of cells), Redmon and Farhadi
    2018 (`yolov3`), Tian et al. 2019 (`distances`), Li et al. 2020 (distributions).
    """

    scheme: str
    how: How
    origins: Array
    units: Array
    sizes: Array
    growth: float = 1.0
    bins: int = 0
    y_first: bool = False
    has_sigmoid: bool = False
    has_root: bool = False

    @property
    def columns(self) -> int:
        """Per box."""
        return 4 * max(1, self.bins)

    @property
    def layout(self) -> Literal["xyxy", "cxcywh"]:
        """Of the decoded boxes."""
        return "xyxy" if self.how == "distances" else "cxcywh"

    def of(self, values: Array) -> Array:
        """Decode [N, D, columns] float32: [N, D, 4] float32, pixels."""
        if self.bins:
            spread = values.reshape(*values.shape[:2], 4, self.bins)
            exponentials = np.exp(spread - spread.max(axis=3, keepdims=True))
            shares = exponentials / exponentials.sum(axis=3, keepdims=True)
            values = (shares * np.arange(self.bins, dtype=np.float32)).sum(axis=3, dtype=np.float32)
        if self.y_first:
            values = values[..., [1, 0, 3, 2]]
        first, second = values[..., :2], values[..., 2:]
        if self.how == "distances":
            boxes = self.origins - first * self.units, self.origins + second * self.units
            return np.concatenate(boxes, axis=2).astype(np.float32)
        if self.how != "exp" and not self.has_sigmoid:
            first = 0.5 * (1 + np.tanh(0.5 * first))
            second = 0.5 * (1 + np.tanh(0.5 * second)) if self.how == "yolov5" else second
        if self.how == "yolov5":
            first = 2 * first - np.float32(0.5)
        with np.errstate(over="ignore"):
            times = (2 * second) ** 2 if self.how == "yolov5" else np.exp(second * np.float32(self.growth))
        return np.concatenate([self.origins + first * self.units, times * self.sizes], axis=2).astype(np.float32)


def add_decoding(tail: Tail, value: str, decoding: Decoding) -> str:
    """Add the nodes of `Decoding.of`, operation by operation.

    Args:
        tail: being built.
        value: [N, D, columns] float32.
        decoding: of it.

    Returns:
        [N, D, 4] float32, pixels.
    """
    if decoding.bins:
        value = _add_means(tail, value, decoding.bins)
    if decoding.y_first:
        value = tail.node("Gather", "box_x_first", [value, tail.constant("x_first", [1, 0, 3, 2], np.int64)], axis=2)
    halves = tail.constant("value_halves", [2, 2], np.int64)
    first, second = tail.nodes("Split", "values", [value, halves], ["_first", "_second"], axis=2)
    origins = tail.constant("origins_px", decoding.origins, np.float32)
    units = tail.constant("units_px", decoding.units, np.float32)
    if decoding.how == "distances":
        before, after = tail.node("Mul", "before", [first, units]), tail.node("Mul", "after", [second, units])
        corners = [tail.node("Sub", "corner_before", [origins, before])]
        corners.append(tail.node("Add", "corner_after", [origins, after]))
        return tail.node("Concat", "decoded", corners, axis=2)
    moved = tail.node("Mul", "centre_moved", [_add_centre(tail, first, decoding), units])
    centre = tail.node("Add", "centre_px", [origins, moved])
    sizes = tail.constant("sizes_px", decoding.sizes, np.float32)
    size = tail.node("Mul", "size_px", [_add_times(tail, second, decoding), sizes])
    return tail.node("Concat", "decoded", [centre, size], axis=2)


def _add_means(tail: Tail, value: str, bins: int) -> str:
    """Take the mean of each distribution: [N, D, 4]."""
    spread = tail.node("Reshape", "box_spread", [value, tail.constant("box_bins", [0, -1, 4, bins], np.int64)])
    shares = tail.node("Softmax", "box_shares", [spread], axis=3)  # [N, D, 4, bins]
    places = tail.constant("bin_places", np.arange(bins)[:, None], np.float32)
    column = tail.node("MatMul", "box_means_column", [shares, places])
    return tail.node("Squeeze", "box_means", [column, tail.constant("bin_axis", [3], np.int64)])


def _add_centre(tail: Tail, value: str, decoding: Decoding) -> str:
    if decoding.how == "exp":
        return value
    if not decoding.has_sigmoid:
        value = tail.node("Sigmoid", "centre_active", [value])
    if decoding.how == "yolov3":
        return value
    twice = tail.node("Mul", "centre_twice", [value, tail.constant("two", 2, np.float32)])
    return tail.node("Sub", "centre_wide", [twice, tail.constant("half_a_cell", 0.5, np.float32)])


def _add_times(tail: Tail, value: str, decoding: Decoding) -> str:
    """Say how many times as large as its anchor or cell a box is."""
    if decoding.how != "yolov5":
        grown = tail.node("Mul", "size_grown", [value, tail.constant("growth", decoding.growth, np.float32)])
        return tail.node("Exp", "size_times", [grown])
    active = value if decoding.has_sigmoid else tail.node("Sigmoid", "size_active", [value])
    twice = tail.node("Mul", "size_twice", [active, tail.constant("size_two", 2, np.float32)])
    return tail.node("Mul", "size_times", [twice, twice])

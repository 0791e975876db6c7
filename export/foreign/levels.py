"""Heads that put out each level of their pyramid for itself, joined to one row per cell and anchor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

STRIDES = (4, 8, 16, 32, 64, 128, 256, 512)
"""Pixels per cell that levels have."""
_MOST_ANCHORS = 9

Grid = tuple[int, int]
Form = Literal["anchors first", "columns last", "cells between"]


@dataclass(frozen=True, kw_only=True)
class Level:
    """An output of one level.

    Args:
        output: its name.
        form: `anchors first` is [N, anchors * columns, cells], `columns last` [N, cells, anchors * columns], `cells
            between` [N, anchors, cells, columns]; cells row by row in one axis or two.
        cells: of the level.
        values: per cell, all anchors together.
    """

    output: str
    form: Form
    cells: int
    values: int

    def of(self, value: NDArray[Any], anchors: int) -> NDArray[Any]:
        """Bring it to [N, cells * anchors, columns]."""
        split, order = self._axes(anchors)
        return value.reshape(-1, *split).transpose(order).reshape(len(value), self.cells * anchors, -1)

    def add(self, graph: onnx.GraphProto, anchors: int, result: str) -> None:
        """Add the nodes that do so."""
        split, order = self._axes(anchors)
        shapes = {"split": (0, *split), "rows": (0, self.cells * anchors, self.values // anchors)}
        for name, shape in shapes.items():
            graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{result}/{name}"))
        graph.node.extend(
            [
                helper.make_node("Reshape", [self.output, f"{result}/split"], [f"{result}/apart"]),
                helper.make_node("Transpose", [f"{result}/apart"], [f"{result}/ordered"], perm=order),
                helper.make_node("Reshape", [f"{result}/ordered", f"{result}/rows"], [result]),
            ]
        )

    def _axes(self, anchors: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        columns = self.values // anchors
        if self.form == "anchors first":
            return (anchors, columns, self.cells), (0, 3, 1, 2)
        if self.form == "cells between":
            return (anchors, self.cells, columns), (0, 2, 1, 3)
        return (self.cells, anchors, columns), (0, 1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What several levels' outputs become.

    Args:
        levels: the finest first.
        anchors: of each level, per cell.
    """

    levels: tuple[Level, ...]
    anchors: tuple[int, ...]

    @property
    def name(self) -> str:
        """As `--boxes` and `--scores` take it."""
        return ",".join(level.output for level in self.levels)

    def of(self, outputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Join outputs: [N, D, columns]."""
        parts = zip(self.levels, self.anchors, strict=True)
        return np.concatenate([level.of(outputs[level.output], anchors) for level, anchors in parts], axis=1)

    def add(self, graph: onnx.GraphProto) -> None:
        """Add the nodes that do so to a graph that gives the levels; the result has this one's name."""
        parts = [f"{self.name}/{place}" for place in range(len(self.levels))]
        for level, anchors, part in zip(self.levels, self.anchors, parts, strict=True):
            level.add(graph, anchors, part)
        graph.node.append(helper.make_node("Concat", parts, [self.name], axis=1))


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """Outputs of several levels.

    Args:
        strides: ascending, pixels per cell.
        grids: rows and columns of cells, by level.
        tracks: what each level has, in the order of the outputs: a level of each stride.
    """

    strides: tuple[int, ...]
    grids: tuple[Grid, ...]
    tracks: tuple[tuple[Level, ...], ...]


def pyramid_of(shapes: Mapping[str, tuple[int, ...]], *, height: int, width: int) -> Pyramid | None:
    """Find levels among outputs: as many outputs of each of several strides; None where there are none.

    Args:
        shapes: of the outputs, by name.
        height: of the input, in pixels.
        width: of the input, in pixels.
    """
    wide = {name: shape for name, shape in shapes.items() if len(shape) > 2}
    if len({len(shape) for shape in wide.values()}) != 1:
        return None
    for anchors in range(1, _MOST_ANCHORS + 1):
        for rows_last in (False, True) if anchors == 1 else (False,):
            by_stride: dict[int, list[tuple[Level, Grid]]] = {}
            for name, shape in wide.items():
                found = _level(name, shape, anchors, height=height, width=width, rows_last=rows_last)
                if found is None:
                    break
                by_stride.setdefault(found[0], []).append(found[1:])
            else:
                return _pyramid(by_stride)
    return None


def _pyramid(by_stride: dict[int, list[tuple[Level, Grid]]]) -> Pyramid | None:
    counts = {len(levels) for levels in by_stride.values()}
    if len(by_stride) < 2 or len(counts) > 1:
        return None
    strides = tuple(sorted(by_stride))
    tracks = zip(*([level for level, _ in by_stride[stride]] for stride in strides), strict=True)
    return Pyramid(strides=strides, grids=tuple(by_stride[stride][0][1] for stride in strides), tracks=tuple(tracks))


def _level(
    name: str, shape: tuple[int, ...], anchors: int, *, height: int, width: int, rows_last: bool
) -> tuple[int, Level, Grid] | None:
    """Say which level an output is.

    Args:
        name: of the output.
        shape: of it.
        anchors: that an axis of rows counts per cell, where cells are one axis.
        height: of the input, in pixels.
        width: of the input, in pixels.
        rows_last: whether that axis is the last.
    """
    for stride, grid in _grids(height, width):
        cells = math.prod(grid)
        for form, place in _FORMS[len(shape)]:
            if len(shape) > 3:
                fits = shape[place : place + 2] == grid
            else:
                fits = shape[place] == cells * anchors and rows_last == (place == 2)
            if fits:
                values = math.prod(shape[1:]) // cells
                return stride, Level(output=name, form=form, cells=cells, values=values), grid
    return None


_FORMS: dict[int, Sequence[tuple[Form, int]]] = {
    3: (("columns last", 1), ("anchors first", 2)),
    4: (("anchors first", 2), ("columns last", 1)),
    5: (("cells between", 2), ("columns last", 1), ("anchors first", 3)),
}
"""By the number of axes: where the cells are."""


def _grids(height: int, width: int) -> Iterator[tuple[int, Grid]]:
    """Go through strides and their grids, those that reach over the edges first."""
    for stride in STRIDES:
        yield stride, (math.ceil(height / stride), math.ceil(width / stride))
    for stride in STRIDES:
        yield stride, (height // stride, width // stride)

"""Outputs that have no axis of images, no axis of columns or another number of rows each time: [N, rows, columns]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ...runtime.errors import InputError

MOST_ROWS = 300
"""Of an output whose number of rows changes, unless one frame had more; the best come first in such outputs."""

_LEAST_BOXES = 8


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How an output becomes [1, rows, columns].

    Args:
        new_axes: of length 1, put in.
        gone_axis: of length 1, taken out.
        count: of rows, that more are cut to and fewer filled up to with zeros; None leaves them as they are.
    """

    new_axes: tuple[int, ...] = ()
    gone_axis: int | None = None
    count: int | None = None

    def of(self, value: NDArray[Any]) -> NDArray[Any]:
        """Carry it out in numpy; Any because outputs have types of their own."""
        value = np.expand_dims(value, self.new_axes)
        if self.gone_axis is not None:
            value = value.squeeze(self.gone_axis)
        if self.count is None:
            return value
        missing = max(0, self.count - value.shape[1])
        return np.pad(value[:, : self.count], ((0, 0), (0, missing), (0, 0)))


def rows_of(values: Sequence[NDArray[Any]]) -> Rows | None:
    """Look at what an output gave for several frames, one by one; None where it is no list of rows."""
    first = values[0]
    if first.ndim == 4 and first.shape[1] >= _LEAST_BOXES and first.shape[2:] == (1, 4):  # one box for all classes
        return Rows(gone_axis=2)
    if first.ndim not in (1, 2, 3) or any(value.ndim != first.ndim for value in values):
        return None
    has_batch = all(len(value) == 1 for value in values) and first.ndim > 1
    if first.ndim == 3 and not has_batch:
        return None
    new_axes = {1: (0, 2), 2: (2,) if has_batch else (0,), 3: ()}[first.ndim]
    counts = [np.expand_dims(value, new_axes).shape[1] for value in values]
    # Where an image has no axis of its own, its rows are as many as were found.
    is_open = len(set(counts)) > 1 or 0 in new_axes
    return Rows(new_axes=new_axes, count=max(MOST_ROWS, *counts) if is_open else None)


def add_rows(graph: onnx.GraphProto, rows: Mapping[str, Rows]) -> None:
    """Let outputs of a graph of opset 20 be [N, rows, columns], in place and under their names.

    Args:
        graph: in topological order.
        rows: by output, how.
    """
    for name, how in rows.items():
        if how == Rows():
            continue
        given = f"{name}/given"
        for node in graph.node:
            node.input[:] = [given if read == name else read for read in node.input]
            node.output[:] = [given if made == name else made for made in node.output]
        value = given

        def constant(what: str, values: object, name: str = name) -> str:
            graph.initializer.append(numpy_helper.from_array(np.asarray(values), f"{name}/{what}"))
            return f"{name}/{what}"

        def step(operator: str, inputs: list[str], result: str) -> str:
            graph.node.append(helper.make_node(operator, inputs, [result]))
            return result

        if how.gone_axis is not None:
            value = step("Squeeze", [value, constant("axes", np.array([how.gone_axis], np.int64))], name)
        if how.new_axes:
            axes = constant("axes", np.array(how.new_axes, np.int64))
            value = step("Unsqueeze", [value, axes], name if how.count is None else f"{name}/cube")
        if how.count is not None:
            ends = constant("pads", np.array([0, 0, 0, 0, how.count, 0], np.int64))
            padded = step("Pad", [value, ends], f"{name}/padded")
            start, stop, axis = (
                constant(what, np.array([at], np.int64))
                for what, at in (("start", 0), ("stop", how.count), ("axis", 1))
            )
            step("Slice", [padded, start, stop, axis], name)


def nothing_found() -> InputError:
    """Say that a final detector's answers are empty in every frame, which shows nothing of how they are written."""
    return InputError(
        "--images: expected images in which something is found, as detections that are none cannot be read, got "
        "none found. Give a folder of them."
    )

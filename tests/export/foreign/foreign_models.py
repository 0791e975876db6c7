"""Small third-party detectors whose answer is known: two objects, one of them found twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.schemes import SCHEMES, cells_of, decoding_of
from singleshot.runtime.errors import InputError

Array = NDArray[np.float32]

SIDE = 32
STRIDES = (8, 16, 32)
BOX_COUNT = 21
"""Cells of the grids: 16 + 4 + 1. Most rows hold their cell and hardly a score."""
CLASS_COUNT = 3

FIRST = (0.25, 0.125, 0.5, 0.5)
AGAIN = (0.25, 0.125, 0.5, 0.53125)
SECOND = (0.5, 0.5, 1.0, 0.875)
EXPECTED = [(0, 0.9, FIRST), (2, 0.8, SECOND)]
"""Class, score, box of what leaves suppression at a score floor of 0.05."""


def grid_px(strides: tuple[int, ...], *, height: int, width: int) -> tuple[Array, Array]:
    """Return each cell's top left corner [D, 2] (x, y) and its side [D, 2], pixels, row by row."""
    cells = decoding_of("yolox", SCHEMES["yolox"], cells_of(strides, height=height, width=width))
    return cells.origins, cells.sizes


def boxes_xyxy() -> Array:
    """Return [D, 4], normalised."""
    corners, sides = grid_px(STRIDES, height=SIDE, width=SIDE)
    boxes = np.concatenate([corners, corners + sides], axis=1) / SIDE
    boxes[5], boxes[6], boxes[18] = FIRST, AGAIN, SECOND
    return boxes.astype(np.float32)


def class_scores() -> Array:
    """Return [D, classes]."""
    scores = np.full((BOX_COUNT, CLASS_COUNT), 0.001, np.float32)
    scores[5, 0], scores[6, 0], scores[18, 2] = 0.9, 0.6, 0.8
    return scores


def with_background(scores: Array, *, last: bool = False) -> Array:
    """Add a column so that the scores of a box sum to 1."""
    rest = 1 - scores.sum(axis=1, keepdims=True)
    return np.concatenate([scores, rest] if last else [rest, scores], axis=1)


def cxcywh(boxes: Array) -> Array:
    """Turn corners into centres and sizes."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def in_cells(boxes: Array) -> Array:
    """Leave boxes as an undecoded grid head would emit them."""
    corners, sides = grid_px(STRIDES, height=SIDE, width=SIDE)
    centred = cxcywh(boxes) * SIDE
    return np.concatenate([(centred[:, :2] - corners) / sides, np.log(centred[:, 2:] / sides)], axis=1)


def model_of(
    outputs: dict[str, NDArray[np.generic]],
    *,
    input_shape: tuple[int | str, ...] = ("N", 3, SIDE, SIDE),
    input_type: int = TensorProto.FLOAT,
    opset: int = 13,
    batch: int | str = "N",
    side: int = SIDE,
) -> onnx.ModelProto:
    """Make a graph that answers every image with the same outputs.

    Args:
        outputs: by name, of one image.
        input_shape: of `images`; pixels in all are those of a SIDE x SIDE picture.
        input_type: of `images`.
        opset: of the graph.
        batch: first dimension of the outputs.
        side: of the picture.
    """
    if side != SIDE:
        input_shape = ("N", 3, side, side)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "zeros"], ["nothing"]),  # [N, 1]
    ]
    constants: dict[str, NDArray[np.generic]] = {"zeros": np.zeros((3 * side * side, 1), np.float32)}
    results = []
    for name, value in outputs.items():
        constants[f"{name}_value"] = value[None]
        constants[f"{name}_axes"] = np.arange(2, value.ndim + 1, dtype=np.int64)
        nodes += [
            helper.make_node("Unsqueeze", ["nothing", f"{name}_axes"], [f"{name}_nothing"]),
            helper.make_node("Add", [f"{name}_value", f"{name}_nothing"], [name]),
        ]
        results.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *value.shape]))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("images", input_type, input_shape)],
        results,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def plain_model(**changes: object) -> onnx.ModelProto:
    """Make the plainest one: normalised corners beside scores; `changes` are those of `model_of`."""
    return model_of({"boxes": boxes_xyxy(), "scores": class_scores()}, **changes)  # type: ignore[arg-type]


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write it."""
    onnx.save(model, str(path))
    return path


def refusal(path: Path, **options: Any) -> str:
    """Give what `adapt` says of a graph that it refuses, its folder left out; nothing is written."""
    with pytest.raises(InputError) as error:
        adapt_detector(path, path.parent / "adapted.onnx", **options)
    assert not (path.parent / "adapted.onnx").exists()
    return str(error.value).replace(f"{path.parent}/", "")

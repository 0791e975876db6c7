"""The nodes that are put before and behind a third-party detector, so that its graph follows the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...calib.graph_surgery import drop_unused
from ...runtime.card import InputSpec, Postprocess
from ...runtime.runners.contract import FRAMES
from ..graphs.network_part import ADAPTED
from ..graphs.tail import CANDIDATES, Candidates, Tail, add_outputs, add_suppression
from .decoding import add_decoding
from .graph import PREFIX, ForeignGraph
from .reading import NO_SCORE, ROOTED, Columns, Reading

SCORES, BOXES = ADAPTED

_FRONT = "preprocess/"
_MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Gather", "Slice"}
"""Operators that take their first input as it is, whatever its type."""


def with_front_and_tail(
    foreign: ForeignGraph, spec: InputSpec, reading: Reading, postprocess: Postprocess, *, box_count: int
) -> onnx.ModelProto:
    """Fold preprocessing and the `onnx` tail into a foreign detector.

    Args:
        foreign: the detector.
        spec: colour order, mean and standard deviation that it expects.
        reading: of its outputs.
        postprocess: K, M, score floor and IoU threshold.
        box_count: D.

    Returns:
        A new model of opset 20 that follows the graph contract; `BOXES` and `SCORES` stay inside under their names.

    Raises:
        InputError: onnx cannot convert the graph to opset 20.
    """
    model = foreign.prefixed()
    _put_in_front(model.graph, foreign, spec)
    del model.graph.output[:]
    class_count = len(reading.class_columns)
    tail = Tail(
        graph=model.graph,
        candidate_count=min(postprocess.candidates, box_count * class_count),
        postprocess=postprocess,
    )
    scores = _add_scores(tail, reading)
    boxes = _add_boxes(tail, reading, height=foreign.height, width=foreign.width)
    candidates = _add_candidates(tail, boxes, scores, class_count)
    add_outputs(tail, candidates, add_suppression(tail, candidates, class_count), foreign.batch)
    # What the foreign graph's own outputs alone needed, as its suppression, is of no use any more.
    drop_unused(model.graph, [value.name for value in model.graph.output])
    onnx.checker.check_model(model)
    return model


def _put_in_front(graph: onnx.GraphProto, foreign: ForeignGraph, spec: InputSpec) -> None:
    """Make the input `frames` and take it to what the network expects: colour order, mean, deviation, layout, type."""
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    value = FRAMES

    def step(operator: str, name: str, *inputs: NDArray[Any], **attributes: Any) -> None:
        """Take `value` one operation further; `attributes` is Any because onnx mixes them with options of its own."""
        nonlocal value
        names = [f"{_FRONT}{name}_{place}" for place in range(len(inputs))]
        constants.extend(numpy_helper.from_array(array, given) for array, given in zip(inputs, names, strict=True))
        nodes.append(helper.make_node(operator, [value, *names], [f"{_FRONT}{name}"], f"{_FRONT}{name}", **attributes))
        value = f"{_FRONT}{name}"

    axis, shape = (3, (3,)) if foreign.channels_last else (1, (1, 3, 1, 1))
    # Cast before the transpose: NVIDIA's parser refuses uint8 there.
    step("Cast", "float", to=TensorProto.FLOAT)
    if not foreign.channels_last:
        step("Transpose", "channels_first", perm=[0, 3, 1, 2])
    if spec.colour == "rgb":
        step("Gather", "rgb", np.array([2, 1, 0], np.int64), axis=axis)
    if spec.mean != (0, 0, 0):
        step("Sub", "centred", np.array(spec.mean, np.float32).reshape(shape))
    if spec.std != (1, 1, 1):
        step("Div", "scaled", np.array(spec.std, np.float32).reshape(shape))
    network_input, kind = f"{PREFIX}{foreign.input_name}", _type_inside(graph, foreign)
    nodes.append(helper.make_node("Cast", [value], [network_input], f"{_FRONT}typed", to=kind))
    network = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *network])
    graph.initializer.extend(constants)
    frames = [foreign.batch, foreign.height, foreign.width, 3]
    graph.input.append(helper.make_tensor_value_info(FRAMES, TensorProto.UINT8, frames))


def _type_inside(graph: onnx.GraphProto, foreign: ForeignGraph) -> int:
    """Return the type of what the network is given: its own, but no uint8 where that can be, as NVIDIA refuses it."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(foreign.input_type))
    is_free = kind == TensorProto.UINT8 and _takes_floats(graph, f"{PREFIX}{foreign.input_name}")
    return TensorProto.FLOAT if is_free else kind


def _takes_floats(graph: onnx.GraphProto, name: str) -> bool:
    """Say whether all that reads a tensor either casts it or only moves its values."""
    readers = [node for node in graph.node if name in node.input]
    return all(
        node.op_type == "Cast"
        or (node.op_type in _MOVES and node.input[0] == name and all(_takes_floats(graph, out) for out in node.output))
        for node in readers
    )


def _add_columns(tail: Tail, name: str, columns: Columns) -> str:
    """Select columns of an output: [N, D, columns] float32."""
    value = f"{PREFIX}{columns.output}"
    if columns.channels_first:
        value = tail.node("Transpose", f"{name}_last", [value], perm=[0, 2, 1])
    if not columns.is_whole:
        bounds = [
            tail.constant(f"{name}_{bound}", [at], np.int64)
            for bound, at in (("start", columns.start), ("stop", columns.stop), ("axis", 2))
        ]
        value = tail.node("Slice", f"{name}_columns", [value, *bounds])
    return tail.node("Cast", f"{name}_float", [value], to=TensorProto.FLOAT)


def _add_scores(tail: Tail, reading: Reading) -> str:
    """Activate, drop the background and multiply by the objectness: `SCORES`."""
    scores = _add_activation(tail, "scores", reading.scores, reading)
    if reading.class_ids is not None:
        return _add_scores_by_class(tail, scores, _add_columns(tail, "class_ids", reading.class_ids), reading)
    if reading.background is not None:
        kept = tail.constant("foreground_columns", reading.class_columns, np.int64)
        scores = tail.node("Gather", "foreground", [scores, kept], axis=2)
    if reading.objectness is None:
        return tail.node("Identity", "scores", [scores])
    factors = [scores, _add_activation(tail, "objectness", reading.objectness, reading)]
    if not reading.has_root:
        return tail.node("Mul", "scores", factors)
    least = tail.constant("least_product", ROOTED, np.float32)
    return tail.node("Sqrt", "scores", [tail.node("Max", "rooted", [tail.node("Mul", "product", factors), least])])


def _add_scores_by_class(tail: Tail, scores: str, class_ids: str, reading: Reading) -> str:
    """Give a box's one score [N, D, 1] to its class alone: `SCORES`."""
    numbers = np.arange(reading.first_class, reading.first_class + reading.class_count).reshape(1, 1, -1)
    whole = tail.node("Cast", "whole_class_ids", [class_ids], to=TensorProto.INT32)
    is_class = tail.node("Equal", "is_of_class", [whole, tail.constant("class_numbers", numbers, np.int32)])
    is_row = tail.node("Greater", "is_row", [scores, tail.constant("no_row", 0, np.float32)])
    no_score = tail.constant("score_of_no_row", NO_SCORE, np.float32)
    return tail.node("Where", "scores", [tail.node("And", "is_found", [is_class, is_row]), scores, no_score])


def _add_activation(tail: Tail, name: str, columns: Columns, reading: Reading) -> str:
    value = _add_columns(tail, name, columns)
    if reading.activation == "sigmoid":
        return tail.node("Sigmoid", f"{name}_active", [value])
    if reading.activation == "softmax":
        return tail.node("Softmax", f"{name}_active", [value], axis=2)
    return value


def _add_boxes(tail: Tail, reading: Reading, *, height: int, width: int) -> str:
    """Bring boxes to xyxy, normalised: `BOXES`. Operation by operation as `candidates_from_outputs`."""
    value = _add_columns(tail, "given_boxes", reading.boxes)
    if reading.decoding is not None:
        value = add_decoding(tail, value, reading.decoding)
    if reading.layout == "yxyx":
        swapped = tail.constant("x_before_y", [1, 0, 3, 2], np.int64)
        value = tail.node("Gather", "corners", [value, swapped], axis=2)
    elif reading.layout == "cxcywh":
        halves = tail.constant("box_halves", [2, 2], np.int64)
        centre, size = tail.nodes("Split", "given", [value, halves], ["_centre", "_size"], axis=2)
        half = tail.node("Mul", "half_size", [size, tail.constant("half", 0.5, np.float32)])
        top_left = tail.node("Sub", "top_left", [centre, half])
        value = tail.node("Concat", "corners", [top_left, tail.node("Add", "bottom_right", [centre, half])], axis=2)
    if not reading.normalised:
        value = tail.node("Div", "in_fractions", [value, tail.constant("input_px", [width, height] * 2, np.float32)])
    # Regression is free to cross over; NonMaxSuppression takes corners in any order, the contract in one alone.
    corners = tail.constant("corner_pair", [2, 2], np.int64)
    pair = tail.nodes("Split", "corner", [value, corners], ["_first", "_second"], axis=2)
    ends = [tail.node(operator, f"corner_{operator.lower()}", pair) for operator in ("Min", "Max")]
    return tail.node("Concat", "boxes", ends, axis=2)


def _add_candidates(tail: Tail, boxes: str, scores: str, class_count: int) -> Candidates:
    """Take the K best (box, class) pairs."""
    # One flat TopK, not one per class or stage: its order of ties is part of the rule.
    flat = tail.node("Flatten", "flat_scores", [scores], axis=1)  # [N, D * classes]
    values, pairs = tail.top("candidates", flat, tail.candidate_count)
    count = tail.constant("class_count", class_count, np.int64)
    rows = tail.rows("candidate_boxes", boxes, tail.node("Div", "candidate_box_ids", [pairs, count]))  # [N, K, 4]
    limits = [tail.constant(f"edge_{limit}", limit, np.float32) for limit in (0, 1)]
    candidates = Candidates(
        boxes=tail.node("Clip", "boxes_clipped", [rows, *limits]),
        scores=values,
        class_ids=tail.node("Mod", "candidate_class_ids", [pairs, count]),
    )
    if candidates != CANDIDATES:
        raise RuntimeError(f"{candidates} are not called {CANDIDATES}")
    return candidates

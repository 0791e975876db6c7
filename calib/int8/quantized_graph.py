"""The int8 graph: QuantizeLinear and DequantizeLinear where TensorRT wants them, OpenVINO likes them and nowhere else.

Symmetric int8 with zero point 0, weights per output channel, biases in float. Quantized are the inputs of convolutions
and the residual input of each sum; post-processing never is. NVIDIA's parser refuses other zero points and int32
biases, and pairs between a convolution and its activation would keep the two from being fused.

Between a concatenation and its pair stands a MaxPool of one pixel, which changes nothing: OpenVINO (2026.4) would else
move the pair into the concatenation's branches, where it computes wrongly, by half of the values or more. It costs 5 %
of such a block there and no launch in TensorRT.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.require import require
from ..graph_surgery import drop_unused
from .graph_blocks import GraphReading, blocks_of, name_of
from .ranges import STEPS
from .table import CalibrationTable, TensorRange

if TYPE_CHECKING:
    import onnx

HALF_RANGE_STEPS = 63
"""Weights up to this, two of whose products with 8 bits have a sum within 16: 2 * 255 * 63 = 32130."""

_MOVED_THROUGH = frozenset(
    {"Add", "BatchNormalization", "Cast", "Clip", "Div", "Dropout", "Flatten", "Identity", "Mul"}
    | {"Relu", "Reshape", "Squeeze", "Sub", "Transpose", "Unsqueeze"}
)
"""Operators of one tensor (and constants) that OpenVINO folds into a pair or drops on the way to a concatenation."""


def quantized_graph(
    model: onnx.ModelProto,
    table: CalibrationTable,
    *,
    kept_float: Collection[str] = (),
    weight_steps: int = STEPS,
) -> onnx.ModelProto:
    """Quantize a graph's convolutions.

    A convolution whose input was constant over all calibration images stays in float: nothing is known of its range.

    Args:
        model: float32; its batch norms are folded.
        table: ranges of this graph; that it is of this graph is for the caller to check.
        kept_float: names of blocks (see `blocks_of`) or of convolutions that are not quantized.
        weight_steps: that a channel's largest weight stands for; `HALF_RANGE_STEPS` for processors whose sums of int8
            products saturate.

    Returns:
        A new model with the same inputs, outputs and names; where a tensor `x` is quantized, `x/dequantized` is what
        the convolutions read.

    Raises:
        InputError: a name is of no block, or the table lacks a tensor.
        MissingDependencyError: onnx is not installed.
    """
    onnx = require("onnx", extra="export", why="a quantized graph")
    result = copy.deepcopy(model)
    reading = GraphReading(result)
    kept = _convolutions_named(model, kept_float)
    chosen = [
        node
        for node in reading.quantizable
        if name_of(node) not in kept and not _range_of(table, node.input[0]).is_constant
    ]
    placement = _Placement(reading, table, weight_steps)
    axes = {name_of(node): len(reading.constants[node.input[1]].dims) - 2 for node in chosen}
    replaced = {(name, place): axes[name] for name in axes for place in (0, 1)}
    for node, residual, convolution in reading.residual_inputs():
        if name_of(convolution) in axes and not _range_of(table, residual).is_constant:
            replaced[name_of(node), list(node.input).index(residual)] = axes[name_of(convolution)]
    nodes = list(result.graph.node)
    del result.graph.node[:]
    for node in nodes:
        for place in range(len(node.input)):
            if (name_of(node), place) in replaced:
                node.input[place] = placement.dequantized(node.input[place], replaced[name_of(node), place])
        result.graph.node.append(node)
    drop_unused(result.graph, [value.name for value in result.graph.output])
    onnx.checker.check_model(result)
    return result


def tensors_to_measure(model: onnx.ModelProto) -> tuple[str, ...]:
    """Name the tensors whose ranges `quantized_graph` may ask for, in the order of the graph."""
    reading = GraphReading(model)
    wanted = {node.input[0] for node in reading.quantizable}
    names = {name_of(node) for node in reading.quantizable}
    wanted |= {residual for _, residual, main in reading.residual_inputs() if name_of(main) in names}
    computed = [name for node in reading.graph.node for name in node.output]
    return tuple(name for name in (*(value.name for value in reading.graph.input), *computed) if name in wanted)


def quantized_convolutions(model: onnx.ModelProto) -> tuple[str, ...]:
    """Name the convolutions of a graph that read dequantized tensors."""
    producers = {name: node for node in model.graph.node for name in node.output}
    return tuple(
        name_of(node)
        for node in model.graph.node
        if node.op_type == "Conv" and getattr(producers.get(node.input[0]), "op_type", "") == "DequantizeLinear"
    )


def _range_of(table: CalibrationTable, name: str) -> TensorRange:
    """Look up a tensor's range.

    Raises:
        InputError: the table lacks it.
    """
    try:
        return table.ranges[name]
    except KeyError:
        raise InputError(
            f"calibration table: expected a range of the tensor {name}, got none. "
            f"Measure the ranges of this very graph."
        ) from None


class _Placement:
    """Adds pairs of Q and DQ to a graph that is being written, each once."""

    def __init__(self, reading: GraphReading, table: CalibrationTable, weight_steps: int) -> None:
        self._graph, self._constants, self._table = reading.graph, reading.constants, table
        self._producers, self._weight_steps = reading.producers, weight_steps
        self._done: set[str] = set()

    def dequantized(self, name: str, axes: int) -> str:
        """Name the dequantized copy of a tensor or weight; add it if it is not there yet.

        Args:
            name: of the tensor.
            axes: it has in space.
        """
        result = f"{name}/dequantized"
        if result not in self._done:
            self._done.add(result)
            if name in self._constants:
                self._add_weight(name, result)
            else:
                self._add_tensor(name, result, axes)
        return result

    def _add_weight(self, name: str, result: str) -> None:
        from onnx import helper, numpy_helper

        weight = numpy_helper.to_array(self._constants[name])
        scale = scale_of(np.abs(weight).reshape(len(weight), -1).max(axis=1, initial=0), self._weight_steps)
        columns = scale.reshape(-1, *[1] * (weight.ndim - 1))
        steps = np.clip(np.rint(weight / columns), -self._weight_steps, self._weight_steps).astype(np.int8)
        inputs = [
            self._constant(f"{name}/int8", steps),
            self._constant(f"{name}/scale", scale),
            self._constant(f"{name}/zero", np.zeros(len(weight), np.int8)),
        ]
        self._graph.node.append(helper.make_node("DequantizeLinear", inputs, [result], name=result, axis=0))

    def _add_tensor(self, name: str, result: str, axes: int) -> None:
        from onnx import helper

        constants = [
            self._constant(f"{name}/scale", scale_of(np.asarray(_range_of(self._table, name).limit, np.float32))),
            self._constant(f"{name}/zero", np.zeros((), np.int8)),
        ]
        source, quantized = name, f"{name}/quantized"
        if self._is_concatenated(name):
            source = f"{name}/pooled"
            pool = helper.make_node("MaxPool", [name], [source], name=source, kernel_shape=[1] * axes)
            self._graph.node.append(pool)
        self._graph.node.append(helper.make_node("QuantizeLinear", [source, *constants], [quantized], name=quantized))
        self._graph.node.append(helper.make_node("DequantizeLinear", [quantized, *constants], [result], name=result))

    def _is_concatenated(self, name: str) -> bool:
        """Tell whether OpenVINO would move a pair behind this tensor into a concatenation."""
        node = self._producers.get(name)
        while node is not None and node.op_type in _MOVED_THROUGH:
            varying = [item for item in node.input if item and item not in self._constants]
            node = self._producers.get(varying[0]) if len(varying) == 1 else None
        return node is not None and node.op_type == "Concat"

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name


def scale_of(limit: NDArray[np.float32], steps: int = STEPS) -> NDArray[np.float32]:
    """Divide limits into steps; a scale is never 0, which TensorRT refuses: a channel of zeros has the scale 1."""
    least = np.finfo(np.float32).tiny
    return np.asarray(np.where(limit > 0, np.maximum(limit / steps, least), 1), np.float32)


def _convolutions_named(model: onnx.ModelProto, names: Collection[str]) -> set[str]:
    """Resolve names of blocks and convolutions to convolutions."""
    blocks = {block.name: block.convolutions for block in blocks_of(model)}
    known = {member: (member,) for members in blocks.values() for member in members} | blocks
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or list(known)[:1]
            raise InputError(f"{name}: expected the name of a block or convolution, as {', '.join(near) or 'none is'}.")
    return {member for name in names for member in known[name]}

"""The FP16 graph: half precision where it is safe, written into the graph by Cast.

TensorRT builds what the graph's types say (strongly typed networks), so precision is a property of the graph.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...calib.graph_surgery import drop_unused, read_by

SEEDS = frozenset({"Conv", "ConvTranspose"})
"""Start half precision: this is where the time goes."""
CARRIERS = frozenset(
    {"Add", "AveragePool", "Clip", "Concat", "MaxPool", "Mul", "Relu", "Reshape", "Resize", "Transpose"}
)
"""Stay in half precision when all their data was computed so. Everything else (softmax, decoding, overlaps, the L2
normalisation of SSD300, index arithmetic) is float32 or integer."""
_CONTROLS = {"Reshape": {1}, "Resize": {1, 2, 3}}
"""Inputs that are no data: shapes, scales, regions."""
HALF = "/fp16"
"""How the name of a tensor in float16 ends."""
_LARGEST = float(np.finfo(np.float16).max)


def with_fp16_network(model: onnx.ModelProto, *, kept_float: Collection[str] = ()) -> onnx.ModelProto:
    """Let the convolutions, and what passes their results on, compute in float16.

    Args:
        model: a float32 graph, or an int8 one, whose int8 convolutions stay as they are: DequantizeLinear between
            float16 casts would hide them from compilers, and with float16 scales ONNX Runtime 1.32 computes them
            wrongly. Its nodes in topological order, as `onnx.checker` demands.
        kept_float: names of convolutions that compute in float32, as islands; what reads their results does too, up to
            the next convolution.

    Returns:
        A new model with the same inputs and outputs. A tensor that both precisions need exists twice: under its name in
        float32, and under its name + `/fp16`.

    Raises:
        ValueError: a weight is too large for float16.
    """
    result = copy.deepcopy(model)
    graph = result.graph
    halves = _Halves(graph, kept_float)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if halves.takes(node):
            halves.add_half(node)
        else:
            halves.add_as_it_is(node)
    for output in graph.output:
        halves.want_float(output.name)
    del graph.value_info[:]  # the types of half of them changed
    drop_unused(graph, [value.name for value in graph.output])
    onnx.checker.check_model(result)
    return result


class _Halves:
    """The graph being rewritten, and which tensors exist in which precision."""

    def __init__(self, graph: onnx.GraphProto, kept_float: Collection[str]) -> None:
        self.graph, self.kept_float = graph, kept_float
        self.constants = {item.name: item for item in graph.initializer}
        self.half: set[str] = set()
        """Tensors that exist in float16, under their name + `/fp16`."""
        self.results: set[str] = set()
        """Those of them that were computed so, not cast."""
        self.only_half: set[str] = set()
        """Those of them that do not exist in float32."""
        self.dequantized = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
        """What int8 is read as."""

    def takes(self, node: onnx.NodeProto) -> bool:
        """Say whether a node shall compute in float16."""
        if node.op_type in SEEDS:
            return node.name not in self.kept_float and not self.dequantized.intersection(node.input)
        data = [name for name in _data_of(node) if not self._is_float_constant(name)]
        return node.op_type in CARRIERS and bool(data) and all(name in self.results for name in data)

    def add_half(self, node: onnx.NodeProto) -> None:
        """Add a node that takes and gives float16."""
        data = set(_data_of(node))
        for place, name in enumerate(node.input):
            if name in data:
                node.input[place] = self._half_of(name)
            else:
                self.want_float(name)
        self.half.update(node.output)
        self.results.update(node.output)
        self.only_half.update(node.output)
        node.output[:] = [f"{name}{HALF}" for name in node.output]
        self.graph.node.append(node)

    def add_as_it_is(self, node: onnx.NodeProto) -> None:
        """Add a node that computes as before, after casts of what it and its branches take."""
        for name in [*node.input, *sorted(read_by(node))]:
            self.want_float(name)
        self.graph.node.append(node)

    def want_float(self, name: str) -> None:
        """See to it that a tensor exists in float32 under its own name."""
        if name in self.only_half:
            self.only_half.remove(name)
            self._cast(f"{name}{HALF}", name, TensorProto.FLOAT)

    def _half_of(self, name: str) -> str:
        half_name = f"{name}{HALF}"
        if name not in self.half:
            self.half.add(name)
            if self._is_float_constant(name):
                self.graph.initializer.append(_half_constant(self.constants[name], half_name))
            else:
                self._cast(name, half_name, TensorProto.FLOAT16)
        return half_name

    def _is_float_constant(self, name: str) -> bool:
        return name in self.constants and self.constants[name].data_type == TensorProto.FLOAT

    def _cast(self, name: str, to_name: str, to: int) -> None:
        self.graph.node.append(helper.make_node("Cast", [name], [to_name], name=f"{to_name}/cast", to=to))


def _data_of(node: onnx.NodeProto) -> list[str]:
    controls = _CONTROLS.get(node.op_type, set())
    return [name for place, name in enumerate(node.input) if name and place not in controls]


def _half_constant(constant: onnx.TensorProto, name: str) -> onnx.TensorProto:
    values = numpy_helper.to_array(constant)
    largest = float(np.abs(values).max(initial=0))
    if largest > _LARGEST:
        raise ValueError(f"{constant.name}: expected values within float16's {_LARGEST:g}, got {largest:g}")
    return numpy_helper.from_array(values.astype(np.float16), name)

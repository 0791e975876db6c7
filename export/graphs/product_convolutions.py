"""Fully connected layers as 1x1 convolutions, which every target compiles in every precision.

TensorRT-RTX has no float32 matrix product for Turing (compute capability 7.5), but a float32 convolution.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...calib.graph_surgery import drop_unused

_NAME = "/convolution"
"""How the names of what is added end."""


def with_convolutions_for_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write `Gemm` with a constant weight as a 1x1 convolution of a map of one cell.

    Returns:
        The model itself where there is none, else a new one with the same inputs and outputs.
    """
    weights = {item.name: item for item in model.graph.initializer}
    if not any(_is_layer(node, weights) for node in model.graph.node):
        return model
    result = copy.deepcopy(model)
    graph = result.graph
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if _is_layer(node, weights):
            graph.node.extend(_convolution(node, weights, graph))
        else:
            graph.node.append(node)
    drop_unused(graph, [value.name for value in graph.output])
    onnx.checker.check_model(result)
    return result


def _is_layer(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    """Tell whether a node is x W + b with constant W and b."""
    if node.op_type != "Gemm" or any(name not in weights for name in node.input[1:]):
        return False
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    is_plain = not values.get("transA", 0) and values.get("alpha", 1.0) == 1.0 == values.get("beta", 1.0)
    return is_plain and all(len(weights[name].dims) == 1 for name in node.input[2:])


def _convolution(
    node: onnx.NodeProto, weights: dict[str, onnx.TensorProto], graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    is_transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    matrix = numpy_helper.to_array(weights[node.input[1]])
    kernel = np.ascontiguousarray(matrix if is_transposed else matrix.T)[:, :, None, None]  # [out, in, 1, 1]
    base = f"{node.output[0]}{_NAME}"
    constants = {
        f"{base}/cell": np.array([0, kernel.shape[1], 1, 1], np.int64),
        f"{base}/weight": kernel,
        f"{base}/row": np.array([0, kernel.shape[0]], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    cell, weight, row = constants
    return [
        helper.make_node("Reshape", [node.input[0], cell], [f"{base}/in"], f"{base}/in"),
        helper.make_node("Conv", [f"{base}/in", weight, *node.input[2:]], [f"{base}/out"], base, kernel_shape=[1, 1]),
        helper.make_node("Reshape", [f"{base}/out", row], list(node.output), f"{base}/out"),
    ]

"""Counts the multiply-adds that a graph spends on one frame."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import onnx

_CONVOLUTIONS = {"Conv", "ConvInteger", "QLinearConv", "FusedConv"}
_PRODUCTS = {"MatMul", "MatMulInteger", "QLinearMatMul"}
_OUTSIDE = "Multiply-adds x 2 of convolutions and matrix products for one frame; everything else is left out"
# Where the two factors stand among the inputs.
_FACTORS = {"QLinearConv": (0, 3), "QLinearMatMul": (0, 3)}

Shape = tuple[int | None, ...]
"""None where a size is not fixed."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What a network computes for one frame.

    Args:
        multiply_adds: of the operators that were counted.
        counted: operators that were counted.
        uncounted: operators of the same kinds whose shapes the file does not fix.
        note: what the number means.
    """

    multiply_adds: int
    counted: int
    uncounted: int
    note: str

    @property
    def gflops(self) -> float | None:
        """Multiply-adds x 2 / 10^9; None where nothing could be counted although there is something."""
        return None if self.uncounted and not self.counted else 2 * self.multiply_adds / 1e9


def count_operations(model: onnx.ModelProto) -> Operations:
    """Count the multiply-adds of Conv, ConvTranspose, Gemm and MatMul, and of their integer forms, for one frame.

    A batch that is not fixed counts as 1; a fixed one is divided out. Shapes come from ONNX's shape inference. Left
    out: activations, pooling, post-processing, and what stands in branches and loops.
    """
    shapes, batch = _shapes(model)
    total = counted = uncounted = 0
    for node in model.graph.node:
        multiply_adds = _multiply_adds(node, shapes)
        if multiply_adds is None:
            uncounted += 1
        elif multiply_adds >= 0:
            total += multiply_adds
            counted += 1
    note = f"{_OUTSIDE}."
    if uncounted:
        note = f"{_OUTSIDE}, and so are {uncounted} of {counted + uncounted}, whose shapes the file does not fix."
    return Operations(multiply_adds=total // batch, counted=counted, uncounted=uncounted, note=note)


def _shapes(model: onnx.ModelProto) -> tuple[dict[str, Shape], int]:
    """Infer the shape of every tensor for a batch of one; return it with the batch that the file fixes, if any."""
    single = copy.deepcopy(model)
    weights = {item.name: tuple(item.dims) for item in single.graph.initializer}
    batch = 1
    for value in single.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name in weights or not dims:
            continue
        if dims[0].HasField("dim_value"):
            batch = max(1, dims[0].dim_value)
        else:
            dims[0].dim_value = 1
    for value in single.graph.output:  # a symbolic batch here would contradict the fixed one
        value.type.tensor_type.ClearField("shape")
    del single.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(single, data_prop=True).graph
    shapes: dict[str, Shape] = {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim
        )
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
    }
    return {**shapes, **weights}, batch


def _multiply_adds(node: onnx.NodeProto, shapes: dict[str, Shape]) -> int | None:
    """Return the multiply-adds of a node, -1 if it is of another kind, None if a shape is missing."""
    first, second = _FACTORS.get(node.op_type, (0, 1))
    if node.op_type in _CONVOLUTIONS:
        return _times(_size(shapes.get(node.output[0])), _size(shapes.get(node.input[second], (None,))[1:]))
    if node.op_type == "ConvTranspose":
        return _times(_size(shapes.get(node.input[first])), _size(shapes.get(node.input[second], (None,))[1:]))
    if node.op_type == "Gemm":
        is_transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        factor = shapes.get(node.input[first], (None,))
        return _times(_size(shapes.get(node.output[0])), factor[0 if is_transposed else -1])
    if node.op_type in _PRODUCTS:
        return _times(_size(shapes.get(node.output[0])), (shapes.get(node.input[first]) or (None,))[-1])
    return -1


def _size(shape: Shape | None) -> int | None:
    if shape is None:
        return None
    sizes = [size for size in shape if size is not None]
    return math.prod(sizes) if len(sizes) == len(shape) else None


def _times(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first * second

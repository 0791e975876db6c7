"""Whether a converted graph is still its parent, weight by weight: conversions round, and change nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ..graphs.network_part import answers_of

_Difference = tuple[Literal["structure", "weights"], str]
_ROUNDING = frozenset({"Cast", "DequantizeLinear", "Identity", "QuantizeLinear"})
"""Operators that a conversion puts in; they change a value by its rounding alone."""
_HALF_PRECISION = 2.0**-11
"""float16's largest relative rounding error."""
_SMALLEST_HALF = 2.0**-25
"""Half of float16's smallest step."""


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What a conversion changed beside rounding, one line each.

    Args:
        structure: other operators or attributes, or constants of another shape.
        weights: constants further away than half a step of what they were rounded to.
    """

    structure: tuple[str, ...]
    weights: tuple[str, ...]

    @property
    def differences(self) -> tuple[str, ...]:
        """All of it."""
        return (*self.structure, *self.weights)


def lineage_of(parent: onnx.ModelProto, converted: onnx.ModelProto) -> Lineage:
    """Walk both networks from their answers back to the frames and name what rounding does not explain.

    Args:
        parent: float32.
        converted: the same with casts, QuantizeLinear and DequantizeLinear put in.

    Returns:
        Empty where the two are one network.
    """
    names = answers_of(parent)
    if not names or names != answers_of(converted):
        line = f"answers: {', '.join(answers_of(converted)) or 'none'} against {', '.join(names) or 'none'}"
        return Lineage(structure=(line,), weights=())
    found = list(_Walk(parent, converted).differences(names))
    return Lineage(
        structure=tuple(line for kind, line in found if kind == "structure"),
        weights=tuple(line for kind, line in found if kind == "weights"),
    )


class _Walk:
    """Two graphs, followed side by side."""

    def __init__(self, parent: onnx.ModelProto, converted: onnx.ModelProto) -> None:
        self._parent, self._converted = _Read(parent), _Read(converted)
        self._seen: set[tuple[str, str]] = set()

    def differences(self, names: tuple[str, ...]) -> Iterator[_Difference]:
        """Compare what these tensors are computed by."""
        waiting = [(name, name) for name in names]
        while waiting:
            left, right = waiting.pop()
            left, right = self._parent.behind_rounding(left), self._converted.behind_rounding(right)
            if (left, right) in self._seen:
                continue
            self._seen.add((left, right))
            values = self._parent.constant(left), self._converted.constant(right)
            if values[0] is not None or values[1] is not None:
                yield from _constants_apart(left, values[0], values[1])
                continue
            nodes = self._parent.producers.get(left), self._converted.producers.get(right)
            if nodes[0] is None or nodes[1] is None:
                if nodes[0] is not nodes[1] or left != right:
                    yield "structure", f"{left}: read where the converted graph reads {right}"
                continue
            yield from _nodes_apart(nodes[0], nodes[1])
            if list(nodes[0].output).index(left) != list(nodes[1].output).index(right):
                yield "structure", f"{left}: another output of {nodes[0].op_type}"
            if len(nodes[0].input) == len(nodes[1].input):
                waiting += zip(nodes[0].input, nodes[1].input, strict=True)


class _Read:
    """A graph whose tensors are followed back."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self._constants = {item.name: item for item in model.graph.initializer}

    def behind_rounding(self, name: str) -> str:
        """Skip what a conversion put in; a quantized weight is a constant with its own scale and stays."""
        while (node := self.producers.get(name)) is not None and _only_rounds(node):
            if node.op_type == "DequantizeLinear" and node.input[0] in self._constants:
                break
            name = node.input[0]
        return name

    def constant(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Give a constant's values and how far rounding may have moved each; None where it is computed."""
        node = self.producers.get(name)
        if node is not None and node.op_type == "DequantizeLinear" and node.input[0] in self._constants:
            steps, scale = (numpy_helper.to_array(self._constants[item]) for item in node.input[:2])
            axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
            shape = [-1 if place == axis else 1 for place in range(steps.ndim)] if scale.ndim else []
            step = np.broadcast_to(scale.astype(np.float64).reshape(shape), steps.shape)
            return steps * step, step / 2
        if name not in self._constants:
            return None
        values = numpy_helper.to_array(self._constants[name])
        moved = np.zeros(values.shape)
        if values.dtype == np.float16:
            moved = np.abs(values.astype(np.float64)) * _HALF_PRECISION + _SMALLEST_HALF
        return values.astype(np.float64), moved


def _only_rounds(node: onnx.NodeProto) -> bool:
    if node.op_type == "MaxPool":  # of one pixel: it keeps a Concat and what quantizes it apart
        kernel = next((list(item.ints) for item in node.attribute if item.name == "kernel_shape"), [])
        return set(kernel) == {1}
    return node.op_type in _ROUNDING


def _constants_apart(
    name: str,
    left: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    right: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> Iterator[_Difference]:
    if left is None or right is None:
        yield "structure", f"{name}: a constant in one graph, computed in the other"
    elif left[0].shape != right[0].shape:
        yield "structure", f"{name}: shape {list(right[0].shape)} against {list(left[0].shape)}"
    else:
        apart = np.abs(left[0] - right[0])
        allowed = (left[1] + right[1]) * (1 + 1e-4) + 1e-6 * np.abs(left[0])
        if not (apart <= allowed).all():
            place = np.unravel_index(int(np.argmax(apart - allowed)), apart.shape)
            yield "weights", f"{name}: {apart[place]:.2e} apart, rounding explains {allowed[place]:.2e}"


def _nodes_apart(left: onnx.NodeProto, right: onnx.NodeProto) -> Iterator[_Difference]:
    if left.op_type != right.op_type or len(left.input) != len(right.input):
        inputs = f"{right.op_type} of {len(right.input)} inputs"
        yield "structure", f"{left.name or left.output[0]}: {inputs} against {left.op_type}"
        return
    ours, theirs = _attributes(left), _attributes(right)
    if ours != theirs:
        yield "structure", f"{left.name or left.output[0]}: attributes {theirs} against {ours}"


def _attributes(node: onnx.NodeProto) -> dict[str, str]:
    return {item.name: str(helper.get_attribute_value(item)) for item in node.attribute}

"""What rounding explains: how far a network's answers move when its tensors are rounded as a precision rounds them.

Two runs of one network differ by rounding alone. How much of a difference that is cannot be guessed: it depends on the
network and on the frames. So it is measured, by running the parent once more with every tensor rounded
(`rounded_network`), and a candidate is held against that level: see docs/parity.md.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..graphs.fp16 import HALF
from ..graphs.network_part import run_network

Array = NDArray[np.float32]

MOST_BITS = 1.0
"""A candidate may be one bit less exact than its parent with every tensor rounded once."""
_HALF_ULP = 2.0**-24
"""float32's largest relative rounding error."""
_BF16_BITS, _FP16_BITS = 7, 10
"""Of the fractions of bfloat16 and float16."""
_RESAMPLES = 400
"""Bootstrap resamples over frames."""
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_PASSING_ON = frozenset({"Clip", "Concat", "Flatten", "MaxPool", "Relu", "Reshape", "Transpose"})
"""Operators whose results are values that they were given: nothing is left to round."""


@dataclass(frozen=True, kw_only=True)
class RoundingVerdict:
    """How many bits a candidate is less exact than rounding explains.

    Args:
        bits: log2 of its error over the level, of the worst column (a class's scores, a coordinate of the boxes).
        least_bits: lower end of the interval of `bits` that the frames allow, 95 %.
        where: the column.
        level: root mean square of what rounding alone moves there.
        error: root mean square of what the candidate moves there; no number where it is not finite.
        frames: measured on.
    """

    bits: float
    least_bits: float
    where: str
    level: float
    error: float
    frames: int

    @property
    def holds(self) -> bool:
        """Whether the difference is one that rounding explains; it does not where the frames prove the contrary."""
        return self.least_bits <= MOST_BITS

    def line(self) -> str:
        """Say it for a person."""
        return (
            f"{self.where} moves by {self.error:.2e}, rounding alone by {self.level:.2e}: {self.bits:+.1f} bits "
            f"[{self.least_bits:+.1f} at least], {MOST_BITS:+.0f} allowed"
        )


def rounded_network(network: onnx.ModelProto, to: int, *, only: Collection[str] | None = None) -> onnx.ModelProto:
    """Round every float32 constant and every float32 tensor that a node computes to a narrower type and back.

    Sums are accumulated in float32, as the matrix units of processors and GPUs do. Fused kernels round less often.

    Args:
        network: float32.
        to: `TensorProto.FLOAT16` or `BFLOAT16`.
        only: names of the tensors that are rounded; None: all of them.
    """
    types = _types(network)
    result = _emptied(network)
    graph = result.graph
    renamed = {}
    for item in graph.initializer:
        if item.data_type == TensorProto.FLOAT and (only is None or item.name in only):
            renamed[item.name] = f"{item.name}/rounded"
            graph.node.extend(_there_and_back(item.name, renamed[item.name], to))
    for given in network.graph.node:
        node = copy.deepcopy(given)
        node.input[:] = [renamed.get(name, name) for name in node.input]
        outputs = [
            name for name in node.output if types.get(name) == TensorProto.FLOAT and (only is None or name in only)
        ]
        node.output[:] = [f"{name}/exact" if name in outputs else name for name in node.output]
        graph.node.append(node)
        for name in outputs:
            graph.node.extend(_there_and_back(f"{name}/exact", name, to))
    return result


def network_with_noise(network: onnx.ModelProto, *, seed: int = 0) -> onnx.ModelProto:
    """Move the result of every sum of products as another order of its n terms may: by sqrt(n)/2 roundings of it.

    Args:
        network: float32.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    constants = {item.name: item for item in network.graph.initializer}
    result = _emptied(network)
    for given in network.graph.node:
        node = copy.deepcopy(given)
        if node.op_type not in _PRODUCTS:
            result.graph.node.append(node)
            continue
        weight = constants.get(node.input[1])
        terms = 64 if weight is None else max(1, int(np.prod(weight.dims[1:])))
        name, exact = node.output[0], f"{node.output[0]}/exact"
        node.output[0] = exact
        result.graph.node.append(node)
        scale = _HALF_ULP * float(np.sqrt(terms)) / 2
        steps: tuple[tuple[str, list[str], str, dict[str, Any]], ...] = (
            ("RandomNormalLike", [exact], f"{name}/normal", {"scale": scale, "seed": float(rng.integers(1 << 20))}),
            ("Mul", [exact, exact], f"{name}/square", {}),
            ("ReduceMean", [f"{name}/square"], f"{name}/mean_square", {"keepdims": 1}),
            ("Sqrt", [f"{name}/mean_square"], f"{name}/size", {}),
            ("Mul", [f"{name}/normal", f"{name}/size"], f"{name}/noise", {}),
            ("Add", [exact, f"{name}/noise"], name, {}),
        )
        result.graph.node.extend(
            helper.make_node(operator, inputs, [output], **attributes) for operator, inputs, output, attributes in steps
        )
    return result


def honest_network(model: onnx.ModelProto, *, rounds: bool = True) -> onnx.ModelProto:
    """Make a graph in half precision compute in half precision: ONNX Runtime on a CPU does not.

    It hands float32 from one float16 operator to the next, so that what does not fit float16 passes. Here every tensor
    that the graph says is float16 is rounded to it, and kept in float32 in between. ONNX Runtime must not optimize the
    result beyond `ORT_ENABLE_EXTENDED`: it would take the rounding out.

    Args:
        model: a network or a whole graph; one without float16 comes back as it is.
        rounds: False: leave the rounding out, to see what it costs.
    """
    types = _types(model)
    if TensorProto.FLOAT16 not in types.values():
        return model
    result = _emptied(model)
    graph = result.graph
    wide = _widen_edges(graph)
    for given in model.graph.node:
        node = copy.deepcopy(given)
        node.input[:] = [wide.get(name, name) for name in node.input]
        halves = [name for name in node.output if types.get(name) == TensorProto.FLOAT16]
        if node.op_type == "Constant" and halves:
            values = numpy_helper.to_array(node.attribute[0].t).astype(np.float32)
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
            continue
        if node.op_type == "Cast" and halves and not rounds:
            graph.node.append(helper.make_node("Cast", node.input[:1], node.output[:1], to=TensorProto.FLOAT))
            continue
        if node.op_type == "Cast" and halves:
            graph.node.extend(_there_and_back(node.input[0], node.output[0], TensorProto.FLOAT16))
            continue
        if node.op_type in _PASSING_ON or not rounds:
            halves = []
        node.output[:] = [f"{name}/exact" if name in halves else name for name in node.output]
        graph.node.append(node)
        for name in halves:
            graph.node.extend(_there_and_back(f"{name}/exact", name, TensorProto.FLOAT16))
    return result


def _widen_edges(graph: onnx.GraphProto) -> dict[str, str]:
    """Turn float16 constants and outputs into float32, cast inputs; give the names that the cast inputs have now."""
    for item in graph.initializer:
        if item.data_type == TensorProto.FLOAT16:
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float32), item.name))
    for value in graph.output:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    halves = [item.name for item in graph.input if item.type.tensor_type.elem_type == TensorProto.FLOAT16]
    wide = {name: f"{name}/wide" for name in halves}
    graph.node.extend(helper.make_node("Cast", [name], [cast], to=TensorProto.FLOAT) for name, cast in wide.items())
    return wide


def half_tensors_of(network: onnx.ModelProto) -> frozenset[str]:
    """Name the tensors that a network by `with_fp16_network` holds in float16, as its float32 parent names them."""
    return frozenset(name.removesuffix(HALF) for name, kind in _types(network).items() if kind == TensorProto.FLOAT16)


def with_ranges_of(network: onnx.ModelProto, frames: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """Give an int8 network the ranges of these frames: what 8 bits cost when nothing is stale and nothing is clipped.

    Args:
        network: with QuantizeLinear nodes whose scales are constants.
        frames: each [1, H, W, 3] uint8 BGR.
    """
    scales = {
        node.input[0]: node.input[1]
        for node in network.graph.node
        if node.op_type == "QuantizeLinear" and node.input[1] in {item.name for item in network.graph.initializer}
    }
    result = copy.deepcopy(network)
    constants = {item.name: item for item in result.graph.initializer}
    limits: dict[str, float] = {}
    for frame in frames:
        for name, values in zip(scales, run_network(network, [frame], outputs=list(scales)), strict=True):
            limits[name] = max(limits.get(name, 0.0), float(np.abs(values).max(initial=0)))
    for name, scale in scales.items():
        own = constants[scale]
        if limits[name] > 0 and np.isfinite(limits[name]):
            dtype = numpy_helper.to_array(own).dtype
            own.CopyFrom(numpy_helper.from_array(np.asarray(limits[name] / 127, dtype).reshape(own.dims), scale))
    return result


def rounding_verdict(
    expected: Sequence[Array],
    found: Sequence[Array],
    exact: Sequence[Array],
    rounded: Sequence[Array],
    names: Sequence[str],
) -> RoundingVerdict:
    """Hold a candidate's error against the level of rounding, column by column.

    Args:
        expected: the parent's answers, each [frames, D, columns] float32.
        found: the candidate's.
        exact: of the network that was rounded to measure the level, before.
        rounded: the same network's with every tensor rounded.
        names: of the answers.
    """
    worst: RoundingVerdict | None = None
    for name, parent, candidate, before, after in zip(names, expected, found, exact, rounded, strict=True):
        if parent.shape != candidate.shape:
            return _hopeless(f"{name} of another shape, {candidate.shape} for {parent.shape}:", len(parent))
        verdict = _worst_column(name, parent, candidate, after, after - before)
        if worst is None or verdict.least_bits > worst.least_bits:
            worst = verdict
    if worst is None:
        raise ValueError("answers: expected at least one, got none")
    return worst


def _worst_column(name: str, parent: Array, candidate: Array, rounded: Array, moved: Array) -> RoundingVerdict:
    # A column that rounding does not move at all, as of a network with zeros for weights, still has float32's own ulp.
    least = (_HALF_ULP * np.abs(parent).max(initial=0)) ** 2 + np.finfo(np.float32).tiny
    levels = np.maximum(_mean_squares(np.where(np.isfinite(moved), moved, 0)), own_rounding(rounded)) + least
    columns = [f"{name}[{column}]" for column in range(parent.shape[-1])]
    values = parent.size // parent.shape[-1]
    return worst_column(columns, _mean_squares(candidate - parent), levels, values=values)


def worst_column(
    columns: Sequence[str], errors: NDArray[np.float64], levels: NDArray[np.float64], *, values: int
) -> RoundingVerdict:
    """Hold errors against the level of rounding where they exceed it most, with the interval that the frames allow.

    Two roundings of the same size differ in their squares by chance, which shows where values are few: the ratio of two
    sums of so many squares of normal deviates has Fisher's F distribution.

    Args:
        columns: their names.
        errors: [frames, columns] mean squares of what a candidate moves.
        levels: likewise of what rounding moves; above 0.
        values: of a column, in all frames.
    """
    frames = len(errors)
    if not np.isfinite(errors).all():
        broken = np.flatnonzero(~np.isfinite(errors).all(axis=0))
        return _hopeless(f"{columns[broken[0]]} is infinite or no number and", frames)
    rng = np.random.default_rng(0)
    resamples = rng.integers(0, frames, (_RESAMPLES, frames))
    ratios = errors[resamples].mean(axis=1) / levels[resamples].mean(axis=1)  # [resamples, columns]
    ratios *= rng.f(values, values, (_RESAMPLES, 1))
    lower = np.quantile(ratios, 0.025, axis=0)
    column = int(lower.argmax())
    error, explained = float(errors[:, column].mean()), float(levels[:, column].mean())
    return RoundingVerdict(
        bits=_bits(error / explained),
        least_bits=_bits(float(lower[column])),
        where=columns[column],
        level=float(np.sqrt(explained)),
        error=float(np.sqrt(error)),
        frames=frames,
    )


def own_rounding(values: Array) -> NDArray[np.float64]:
    """Give what it costs values to be written in the narrower type that all of them fit, whatever chance made of it.

    An answer that is the same in every frame is rounded once: to nearly nothing, or to half a step.

    Args:
        values: [frames, ..., columns] float32.

    Returns:
        [frames, columns] mean squares: of a uniform deviate within a step of that type; 0 of what fits float32 alone.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    with np.errstate(over="ignore"):
        is_half = (values.astype(np.float16).astype(np.float32) == values).all()
    if not (bits & 0xFFFF).any():
        fraction = _BF16_BITS
    elif is_half:
        fraction = _FP16_BITS
    else:
        return np.zeros((len(values), values.shape[-1]))
    size = np.abs(np.where(np.isfinite(values), values, 0))
    steps = np.exp2(np.floor(np.log2(np.maximum(size, np.finfo(np.float32).tiny))) - fraction)
    return _mean_squares(np.asarray(steps, np.float32)) / 12


def _hopeless(where: str, frames: int) -> RoundingVerdict:
    return RoundingVerdict(
        bits=float("inf"), least_bits=float("inf"), where=where, level=0.0, error=float("inf"), frames=frames
    )


def _mean_squares(differences: Array) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = differences.astype(np.float64).reshape(len(differences), -1, differences.shape[-1]) ** 2
    return np.asarray(squares.mean(axis=1))


def _bits(ratio_of_squares: float) -> float:
    return float(np.log2(max(ratio_of_squares, 1e-12)) / 2)


def _there_and_back(name: str, result: str, to: int) -> list[onnx.NodeProto]:
    narrow = f"{result}/narrow"
    return [
        helper.make_node("Cast", [name], [narrow], to=to),
        helper.make_node("Cast", [narrow], [result], to=TensorProto.FLOAT),
    ]


def _types(network: onnx.ModelProto) -> dict[str, int]:
    """Give the element type of every tensor that shape inference knows."""
    inferred = onnx.shape_inference.infer_shapes(network).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {item.name: item.data_type for item in inferred.initializer}


def _emptied(network: onnx.ModelProto) -> onnx.ModelProto:
    result = copy.deepcopy(network)
    del result.graph.node[:]
    del result.graph.value_info[:]
    return result

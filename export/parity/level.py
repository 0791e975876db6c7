"""The level of rounding between two artefacts: what the reference answers when it is rounded as the other side is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from ...calib.graph_surgery import drop_unused
from ...runtime.precision import Precision
from ..graphs.network_part import run_network
from .rounding import half_tensors_of, honest_network, network_with_noise, rounded_network, with_ranges_of

Array = NDArray[np.float32]

LEVEL_FRAMES = 4
"""Frames that the level is measured on, at most: the networks run node by node, unoptimized."""
_NARROW = {Precision.FP16: TensorProto.FLOAT16, Precision.BF16: TensorProto.BFLOAT16}


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """What a reference answers, and what it answers when it is rounded.

    Args:
        exact: each [frames, ...] float32.
        rounded: the same with every tensor rounded.
    """

    exact: list[Array]
    rounded: list[Array]


def rounding_level(
    reference: onnx.ModelProto | None,
    candidate: onnx.ModelProto | None,
    precision: Precision,
    frames: Sequence[NDArray[np.uint8]],
) -> Level | None:
    """Measure how far rounding alone moves answers.

    Args:
        reference: its network, float32 or int8; None where it is not at hand.
        candidate: the other side's network, in the types that it is written in; None where it is not at hand.
        precision: the coarser of the two sides'.
        frames: each [1, H, W, 3] uint8 BGR.

    Returns:
        None where no network is at hand to be rounded.
    """
    networks = [item for item in (reference, candidate) if item is not None]
    if precision == Precision.INT8:
        quantized = next((item for item in networks if _is_quantized(item)), None)
        if quantized is None:
            return None
        honest = honest_network(quantized)
        floating = next((item for item in networks if not _is_quantized(item)), None)
        if floating is None:  # one int8 network in two places: what quantizing moved is the level
            return Level(exact=run_network(_unquantized(honest), frames), rounded=run_network(honest, frames))
        return Level(exact=run_network(floating, frames), rounded=run_network(with_ranges_of(honest, frames), frames))
    if not networks:
        return None
    network, narrow = networks[0], _NARROW.get(precision)
    # Where some of a network stays float32, that is not rounded; the half tensors of others have other names.
    halves = frozenset[str]() if candidate is None else half_tensors_of(candidate)
    only = halves if halves.intersection(name for node in network.graph.node for name in node.output) else None
    rounded = network_with_noise(network) if narrow is None else rounded_network(network, narrow, only=only)
    return Level(exact=run_network(network, frames), rounded=run_network(honest_network(rounded), frames))


def _is_quantized(network: onnx.ModelProto) -> bool:
    return any(node.op_type == "QuantizeLinear" for node in network.graph.node)


def _unquantized(network: onnx.ModelProto) -> onnx.ModelProto:
    """Let activations pass where they are quantized; weights stay as they are."""
    result = copy.deepcopy(network)
    source = {node.output[0]: node.input[0] for node in network.graph.node if node.op_type == "QuantizeLinear"}
    for node in result.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in source:
            node.op_type = "Identity"
            node.input[:] = [source[node.input[0]]]
            del node.attribute[:]
    drop_unused(result.graph, [output.name for output in result.graph.output])
    return result

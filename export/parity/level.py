"""The level of rounding between two artefacts: what the reference answers when it is rounded as the other side is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from ...calib.graph_surgery import drop_unused
from ...runtime.precision import Precision
from ..graphs.network_part import run_network
from .rounding import half_tensors_of, honest_network, network_with_noise, rounded_network, with_ranges_of

Array = NDArray[np.float32]

LEVEL_FRAMES = {"detector": 4, "classifier": 16}
"""Frames that the level is measured on, at most: the networks run node by node, unoptimized. A classifier has but one
answer a frame, a detector thousands."""
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
        floating = next((item for item in networks if not _is_quantized(item)), None)
        return _measured(_Asked(networks=(quantized, floating), frames=frames, ask=_int8_level))
    if not networks:
        return None
    network = networks[0]
    # Where some of a network stays float32, that is not rounded; the half tensors of others have other names.
    halves = frozenset[str]() if candidate is None else half_tensors_of(candidate)
    only = halves if halves.intersection(name for node in network.graph.node for name in node.output) else None
    rounded = partial(_rounded, to=_NARROW.get(precision), only=only)
    return _measured(_Asked(networks=(network,), frames=frames, ask=rounded, said=f"{precision} {sorted(only or ())}"))


class _Asked:
    """What a level is measured of; the same of the same networks, frames and roundings.

    Args:
        networks: that are run.
        frames: on which.
        ask: measures.
        said: how, beside the networks.
    """

    def __init__(
        self,
        *,
        networks: tuple[onnx.ModelProto | None, ...],
        frames: Sequence[NDArray[np.uint8]],
        ask: Callable[..., Level],
        said: str = "",
    ) -> None:
        self.measure = partial(ask, *networks, frames)
        parts = [b"" if item is None else item.graph.SerializeToString(deterministic=True) for item in networks]
        parts += [frame.tobytes() for frame in frames]
        self._digest = sha256(b"".join([said.encode(), *(sha256(part).digest() for part in parts)])).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=4)
def _measured(asked: _Asked) -> Level:
    """Measure; once where an artefact is compared by several runners, as export does."""
    return asked.measure()


def _rounded(
    network: onnx.ModelProto, frames: Sequence[NDArray[np.uint8]], *, to: int | None, only: frozenset[str] | None
) -> Level:
    rounded = network_with_noise(network) if to is None else rounded_network(network, to, only=only)
    exact = honest_network(network, rounds=False)  # of one in half already: what its own rounding moved
    return Level(exact=run_network(exact, frames), rounded=run_network(honest_network(rounded), frames))


def _int8_level(
    quantized: onnx.ModelProto, floating: onnx.ModelProto | None, frames: Sequence[NDArray[np.uint8]]
) -> Level:
    honest = honest_network(quantized)
    if floating is None:  # one int8 network in two places: what quantizing moved is the level
        return Level(exact=run_network(_unquantized(honest), frames), rounded=run_network(honest, frames))
    return Level(exact=run_network(floating, frames), rounded=run_network(with_ranges_of(honest, frames), frames))


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

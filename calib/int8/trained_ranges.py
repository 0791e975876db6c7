"""Ranges that a network was trained with: read from a graph in the order of its arithmetic, and put back into one.

Names of tensors are the exporter's and change with its version; which convolution or sum comes first does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...runtime.card import Card, Int8Training
from ...runtime.errors import InputError
from .collect import graph_sha256
from .graph_blocks import TAIL, GraphReading, name_of
from .table import CalibrationTable, ImagesRecord, TensorRange

if TYPE_CHECKING:
    import onnx


def int8_training(model: onnx.ModelProto, table: CalibrationTable, *, weight_steps: int) -> Int8Training:
    """Say for a training what `quantized_graph` would round.

    Args:
        model: of the network, float32.
        table: of this graph.
        weight_steps: as `quantized_graph` takes them.
    """
    limits: list[tuple[int, float] | None] = []
    left_float: set[str] = set()
    for node, place, convolution in _places(model):
        found = None if place is None else table.ranges[node.input[place]]
        if found is None or found.is_constant or convolution in left_float:
            limits.append(None)
            left_float.add(name_of(node))
        else:
            limits.append((place or 0, found.limit))
    return Int8Training.model_validate(
        {
            "method": table.method,
            "images": len(table.images.sha256_of),
            "seed": table.images.seed,
            "table_sha256": table.sha256,
            "weight_steps": weight_steps,
            "limits": limits,
        }
    )


def trained_table(model: onnx.ModelProto, card: Card, trained: Int8Training, *, source: str) -> CalibrationTable:
    """Make the table that `quantized_graph` takes of what a network was trained with.

    Args:
        model: of the network, float32, with its post-processing or without.
        card: says how images are fitted to it.
        trained: of the card.
        source: the graph's name, for the error.

    Raises:
        InputError: the graph is of another network.
    """
    places = list(_places(model))
    if len(places) != len(trained.limits):
        raise InputError(
            f"{source}: expected a network of {len(trained.limits)} convolutions and sums, as its card says that was "
            f"trained for int8, got one of {len(places)}. Export it again from its checkpoint."
        )
    ranges = {}
    for (node, place, _), limit in zip(places, trained.limits, strict=True):
        if limit is not None:
            ranges[node.input[limit[0]]] = TensorRange(low=-limit[1], high=limit[1], limit=limit[1])
        elif place is not None:
            ranges.setdefault(node.input[place], TensorRange(low=0, high=0, limit=0))
    return CalibrationTable(
        method=trained.method,
        graph_sha256=graph_sha256(model),
        preprocessing=card.input,
        images=ImagesRecord(count=trained.images, seed=trained.seed, listed_sha256="", sha256_of={}),
        ranges=ranges,
    )


def results_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Name what the convolutions and sums of a network give, in the order in which they are computed."""
    return tuple(node.output[0] for node, _, _ in _places(model))


def _places(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, int | None, str]]:
    """Give each convolution and sum with the input that may be quantized and, of a sum, the convolution it hangs on."""
    reading = GraphReading(model)
    convolutions = {name_of(node) for node in reading.quantizable}
    residual = {name_of(node): (name, name_of(main)) for node, name, main in reading.residual_inputs()}
    for node in reading.graph.node:
        name = name_of(node)
        if node.name.startswith(TAIL) or node.op_type not in ("Add", "Conv"):
            continue
        if node.op_type == "Conv":
            yield node, 0 if name in convolutions else None, ""
        elif not any(item in reading.constants for item in node.input):
            read, main = residual.get(name, ("", ""))
            yield node, list(node.input).index(read) if main in convolutions else None, main

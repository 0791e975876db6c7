"""What is in a graph."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
from onnx import TensorProto

from ...calib.graph_surgery import all_nodes
from ...runtime.card import CARD_KEY, Card, card_from_json
from ...runtime.errors import InputError
from ...runtime.files import sha256_of_file
from ..graphs.graph_file import dtype_name, load_graph, precision_of_graph
from .facts import Inspection, TensorInfo
from .operations import count_operations

_WEIGHT_TYPES = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT8,
    TensorProto.UINT8,
}


def inspect_graph(path: Path) -> Inspection:
    """Look into a graph, with or without a card.

    Raises:
        InputError: the file is missing or broken.
    """
    model = load_graph(path)
    nodes = list(all_nodes(model.graph))
    card, card_problem = _card_of(model, path)
    weights = {item.name for item in model.graph.initializer}
    other_files = _other_files(model)
    return Inspection(
        path=path,
        kind="graph",
        size_bytes=path.stat().st_size + sum(_size_of(path.parent / name) for name in other_files),
        sha256=sha256_of_file(path),
        format=_format(model),
        precision=precision_of_graph(model),
        card=card,
        card_problem=card_problem,
        # Old graphs name their weights among the inputs.
        inputs=tuple(_tensor_info(value) for value in model.graph.input if value.name not in weights),
        outputs=tuple(_tensor_info(value) for value in model.graph.output),
        operators=tuple(Counter(_operator_name(node) for node in nodes).most_common()),
        parameters=_parameters(model, nodes),
        operations=count_operations(model),
        other_files=other_files,
    )


def _card_of(model: onnx.ModelProto, path: Path) -> tuple[Card | None, str]:
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if CARD_KEY not in texts:
        return None, "no card: the file does not come from singleshot; `singleshot adapt` gives a detector one"
    try:
        return card_from_json(texts[CARD_KEY], source=str(path)), ""
    except InputError as error:
        return None, str(error)


def _format(model: onnx.ModelProto) -> str:
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    producer = " ".join(part for part in (model.producer_name, model.producer_version) if part)
    return f"ONNX, IR {model.ir_version}, opset {opsets}" + (f", by {producer}" if producer else "")


def _tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.elem_type:
        return TensorInfo(name=value.name, dtype="no tensor", shape=())
    shape: tuple[int | str, ...] = ("rank not said",)
    if tensor.HasField("shape"):
        shape = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim)
    return TensorInfo(name=value.name, dtype=dtype_name(tensor.elem_type), shape=shape)


def _operator_name(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in {"", "ai.onnx"} else f"{node.domain}.{node.op_type}"


def _parameters(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> int:
    tensors = list(model.graph.initializer)
    tensors += [attribute.t for node in nodes if node.op_type == "Constant" for attribute in node.attribute]
    total = 0
    for tensor in tensors:
        if tensor.data_type in _WEIGHT_TYPES:
            size = 1
            for dim in tensor.dims:
                size *= dim
            total += size
    return total


def _other_files(model: onnx.ModelProto) -> tuple[str, ...]:
    locations = {
        entry.value
        for tensor in model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return tuple(sorted(locations))


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

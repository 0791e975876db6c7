"""What an artefact is, read from the file itself: foreign graphs as well as our own."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from ...runtime.card import CARD_KEY, Card, card_from_json, sha256_of_file
from ...runtime.errors import InputError
from .operations import Operations, count_operations

Precision = Literal["fp32", "fp16", "int8"]

_QUANTIZING = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}
_WEIGHT_TYPES = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT8,
    TensorProto.UINT8,
}


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """An input or output. `shape` holds sizes, or names where a size is not fixed."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file holds.

    Args:
        path: the file.
        kind: which of the states of a detector it is.
        size_bytes: of the file, and of the files beside it that hold its weights.
        sha256: of the file.
        format: format and its version, for people.
        precision: of the network's arithmetic.
        card: none where the file has none; `card_problem` then says why.
        card_problem: one sentence, empty where there is a card.
        inputs: in the file's order.
        outputs: likewise.
        operators: (name, count), most frequent first; a checkpoint's are the layers of its network, an engine's its
            convolutions by type and its kernel launches.
        parameters: numbers in floating-point and 8-bit constants, or the checkpoint's parameters; None of an engine
            whose graph is not at hand.
        operations: multiply-adds of one frame.
        other_files: names of the files beside it that hold its weights.
    """

    path: Path
    kind: Literal["graph", "checkpoint", "engine"]
    size_bytes: int
    sha256: str
    format: str
    precision: Precision
    card: Card | None
    card_problem: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[tuple[str, int], ...]
    parameters: int | None
    operations: Operations
    other_files: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        content = asdict(self)  # leaves the card as it is: it is no dataclass
        content["path"] = str(self.path)
        content["card"] = None if self.card is None else self.card.model_dump(mode="json")
        content["operators"] = dict(self.operators)
        content["operations"]["gflops"] = self.operations.gflops
        return content


def inspect_artefact(path: Path) -> Inspection:
    """Look into a checkpoint, a graph with or without a card, or an engine with its card beside it.

    Raises:
        InputError: the file is missing, broken, or of another kind.
        MissingDependencyError: it is a checkpoint and PyTorch is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _inspect_graph(path)
    if suffix == ".ckpt":
        from ...runtime.require import require

        require("torch", extra="train", why="looking into a checkpoint")
        from .checkpoints import inspect_checkpoint

        return inspect_checkpoint(path)
    if suffix == ".engine":
        from .engines import inspect_engine

        return inspect_engine(path)
    raise InputError(
        f"{path}: expected a graph (.onnx), a checkpoint (.ckpt) or an engine (.engine), "
        f"got the suffix {path.suffix or 'none'!r}."
    )


def load_graph(path: Path) -> onnx.ModelProto:
    """Read an ONNX file; weights in files beside it are left there.

    Raises:
        InputError: the file is missing or is no ONNX graph.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError:
        raise InputError(f"{path}: expected an ONNX graph, got no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: expected an ONNX graph, got {error.strerror}.") from error
    except DecodeError:
        model = onnx.ModelProto()
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path}: expected an ONNX graph, got a file that holds none. Export or download it again.")
    return model


def precision_of_graph(model: onnx.ModelProto) -> Precision:
    """Tell the arithmetic: int8 where anything is quantized, else fp16 where a constant is, else fp32."""
    nodes = all_nodes(model.graph)
    if any(node.op_type in _QUANTIZING or node.op_type.startswith("QLinear") for node in nodes):
        return "int8"
    types = {item.data_type for item in model.graph.initializer}
    types |= {
        attribute.t.data_type
        for node in nodes
        for attribute in node.attribute
        if attribute.type == onnx.AttributeProto.TENSOR
    }
    return "fp16" if TensorProto.FLOAT16 in types else "fp32"


def all_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """List a graph's nodes, those of its branches and loops included."""
    nodes = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                nodes += all_nodes(attribute.g)
            for branch in attribute.graphs:
                nodes += all_nodes(branch)
    return nodes


def _inspect_graph(path: Path) -> Inspection:
    model = load_graph(path)
    nodes = all_nodes(model.graph)
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
        return None, "no card: the file does not come from singleshot"
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


def dtype_name(element_type: int) -> str:
    """Say an ONNX element type as numpy does; types that numpy lacks keep ONNX's name."""
    if element_type == TensorProto.STRING:
        return "string"
    try:
        return str(helper.tensor_dtype_to_np_dtype(element_type))
    except KeyError:
        return str(TensorProto.DataType.Name(element_type)).lower()


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

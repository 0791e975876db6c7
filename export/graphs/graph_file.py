"""A graph becomes a file that carries its card."""

from __future__ import annotations

import copy
from importlib.metadata import version
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from ...calib.graph_surgery import all_nodes
from ...runtime.card import CARD_KEY, Card, derived_origin
from ...runtime.errors import InputError
from ...runtime.files import StrPath, check_can_write, sha256_of_file, whole_file
from ...runtime.precision import Precision
from ...runtime.session import open_session


def check_graph_name(out: StrPath) -> None:
    """Refuse a name that is no graph's or cannot be written, before any time is spent.

    Raises:
        InputError: it does not end in .onnx, is a folder, or lies where nothing can be written.
    """
    suffix = Path(out).suffix
    if suffix != ".onnx":
        raise InputError(f"{out}: expected a name that ends in .onnx, got {suffix or 'none'}.")
    check_can_write(out)


def write_graph(graph: onnx.ModelProto, card: Card, out: Path) -> None:
    """Write a graph with its card, whole and held against the contract, or not at all.

    Raises:
        InputError: it does not follow the contract, or `out` cannot be written.
    """
    with whole_file(out) as temporary:
        save_graph(graph, card, temporary)
        open_session(temporary, backend="onnxruntime").close()


def save_graph(graph: onnx.ModelProto, card: Card, path: Path) -> None:
    """Write a graph with its card in the metadata."""
    model = copy.deepcopy(graph)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, str(path))


_PACKAGES = ("torch", "onnx", "onnxruntime")


def graph_card(parent: Card, checkpoint_path: Path) -> Card:
    """Take over what holds for the graph as well, and say where it came from.

    Args:
        parent: the checkpoint's card.
        checkpoint_path: its file.
    """
    return parent.model_copy(
        update={
            "kind": "graph",
            "origin": derived_origin(
                parent.origin,
                sha256_of_file(checkpoint_path),
                settings=parent.origin.settings,
                packages={**parent.origin.packages, **{name: version(name) for name in _PACKAGES}},
            ),
            "measurements": tuple(item.noted("of the checkpoint") for item in parent.measurements),
        }
    )


_QUANTIZING = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}


def load_graph(path: Path, *, with_weights: bool = False) -> onnx.ModelProto:
    """Read an ONNX file.

    Args:
        path: the file.
        with_weights: read weights that are in files beside it, too.

    Raises:
        InputError: the file is missing or is no ONNX graph.
    """
    try:
        model = onnx.load(str(path), load_external_data=with_weights)
    except FileNotFoundError:
        raise InputError(f"{path}: expected an ONNX graph, got no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: expected an ONNX graph, got {error.strerror}.") from error
    except (DecodeError, onnx.checker.ValidationError):
        model = onnx.ModelProto()
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path}: expected an ONNX graph, got a file that holds none. Export or download it again.")
    return model


def precision_of_graph(model: onnx.ModelProto) -> Precision:
    """Tell the arithmetic: int8 where anything is quantized, else fp16 where a constant is, else fp32."""
    if any(node.op_type in _QUANTIZING or node.op_type.startswith("QLinear") for node in all_nodes(model.graph)):
        return Precision.INT8
    return Precision.FP16 if has_half(model) else Precision.FP32


def has_half(model: onnx.ModelProto) -> bool:
    """Tell whether a graph holds float16 constants, as one that computes in float16 does."""
    types = {item.data_type for item in model.graph.initializer}
    types |= {
        attribute.t.data_type
        for node in all_nodes(model.graph)
        for attribute in node.attribute
        if attribute.type == onnx.AttributeProto.TENSOR
    }
    return TensorProto.FLOAT16 in types


def dtype_name(element_type: int) -> str:
    """Say an ONNX element type as numpy does; types that numpy lacks keep ONNX's name."""
    if element_type == TensorProto.STRING:
        return "string"
    try:
        return str(helper.tensor_dtype_to_np_dtype(element_type))
    except KeyError:
        return str(TensorProto.DataType.Name(element_type)).lower()

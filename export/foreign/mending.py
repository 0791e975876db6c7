"""Third-party graphs as exporters leave them, brought to what every later step can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, external_data_helper, helper, inliner, numpy_helper

from ...calib.graph_surgery import all_nodes, drop_unused
from ...runtime.errors import InputError
from ...runtime.runners.quiet_session import RUNTIME_ERRORS, open_quietly
from ..graphs.graph_file import load_graph

MOST_BYTES = 2**31 - 1
"""Of one ONNX file; protobuf takes no more."""

_SHAPE_OF_VALUES = {"NonZero", "NonMaxSuppression", "Unique", "Compress", "Loop", "Scan"}
"""Operators whose results are as long as the values have it."""


def load_with_weights(path: Path) -> onnx.ModelProto:
    """Read a graph and the weights beside it, its nodes in topological order, weights as such and not behind nodes.

    Raises:
        InputError: it is no ONNX graph, its weights are missing, or all of it is more than one file can hold.
    """
    _check_bytes(path, path.stat().st_size if path.is_file() else 0)
    model = load_graph(path)
    tensors = [item for item in model.graph.initializer if external_data_helper.uses_external_data(item)]
    _check_bytes(path, path.stat().st_size + sum(_external_bytes(item) for item in tensors))
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        names = sorted({entry.value for item in tensors for entry in item.external_data if entry.key == "location"})
        raise InputError(
            f"{path}: expected its weights in {', '.join(names)} beside it, got none that can be read. "
            "Copy them with the graph."
        ) from error
    if model.functions:
        model = inliner.inline_local_functions(model)
    # ONNX Runtime takes no two nodes of one name, which some converters write.
    times = Counter(node.name for node in model.graph.node)
    for node in model.graph.node:
        node.name = node.name if times[node.name] == 1 else ""
    _sort(model.graph)
    _free_weights(model.graph)
    return model


def keep_numbers(model: onnx.ModelProto) -> None:
    """Leave the outputs that are tensors of numbers, in place, and what they need: lists and texts are no boxes."""
    numbers = [
        value
        for value in model.graph.output
        if value.type.WhichOneof("value") in (None, "tensor_type")
        and value.type.tensor_type.elem_type != TensorProto.STRING
    ]
    del model.graph.output[:]
    model.graph.output.extend(numbers)
    cut_at(model, [value.name for value in numbers], only=True)


def cut_at(model: onnx.ModelProto, names: Iterable[str], *, only: bool) -> None:
    """Make inner tensors outputs, in place; names of outputs and of nothing are passed over.

    Args:
        model: its nodes in topological order.
        names: of tensors.
        only: drop the other outputs and what they alone need.
    """
    made = {name for node in model.graph.node for name in node.output}
    outputs = {value.name: value for value in model.graph.output}
    wanted = {name: outputs.get(name, onnx.ValueInfoProto(name=name)) for name in names if name in made}
    if not wanted:
        return
    kept = wanted if only else {**outputs, **wanted}
    del model.graph.output[:]
    model.graph.output.extend(kept.values())
    drop_unused(model.graph, kept)
    used = {node.domain for node in all_nodes(model.graph)}
    opsets = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx") or entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def fold_branches(model: onnx.ModelProto, image: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    """Put the branch that is always taken in the place of each If whose condition no pixel changes, in place.

    Args:
        model: its nodes in topological order, its input of the image's shape.
        image: any.

    Returns:
        Whether anything was folded.
    """
    folded = False
    while True:
        found = [node for node in model.graph.node if node.op_type == "If" and not _hangs_on_pixels(model, node)]
        if not found:
            return folded
        conditions = _values(model, [node.input[0] for node in found], image)
        if conditions is None:
            return folded
        nodes: list[onnx.NodeProto] = []
        for node in model.graph.node:
            taken = conditions.get(node.input[0]) if any(node is item for item in found) else None
            nodes.extend([node] if taken is None else _inlined(model.graph, node, taken))
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del model.graph.node[:]
        model.graph.node.extend(kept)
        drop_unused(model.graph, [value.name for value in model.graph.output])
        folded = True


def add_prefix(graph: onnx.GraphProto, prefix: str) -> None:
    """Let every name of a graph and of its branches begin with a prefix, in place.

    onnx's own function leaves out what a branch reads from the graph around it.
    """
    for node in graph.node:
        node.name = f"{prefix}{node.name}" if node.name else ""
        node.input[:] = [f"{prefix}{name}" if name else "" for name in node.input]
        node.output[:] = [f"{prefix}{name}" if name else "" for name in node.output]
        for branch in _branches(node):
            add_prefix(branch, prefix)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = f"{prefix}{value.name}"
    # Shapes written for another input size or batch would contradict those that follow from this one.
    del graph.value_info[:]


def _check_bytes(path: Path, count: int) -> None:
    if count > MOST_BYTES:
        raise InputError(
            f"{path}: expected at most 2 GB with its weights, which is what one ONNX file can hold, "
            f"got {count / 1e9:.1f} GB. Export it in half precision, or a smaller model."
        )


def _external_bytes(tensor: onnx.TensorProto) -> int:
    given = {entry.key: entry.value for entry in tensor.external_data}
    per_value = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(given.get("length", per_value * int(np.prod(tensor.dims, dtype=np.int64))))


def _sort(graph: onnx.GraphProto) -> None:
    """Put nodes in topological order, near to the order that they are in; a circle stays for ONNX Runtime to refuse."""
    waiting = list(graph.node)
    made_later = {name for node in waiting for name in node.output if name}
    ordered: list[onnx.NodeProto] = []
    while waiting:
        left = []
        for node in waiting:
            if made_later.isdisjoint(_reads(node)):
                ordered.append(node)
                made_later.difference_update(node.output)
            else:
                left.append(node)
        if len(left) == len(waiting):
            return
        waiting = left
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _reads(node: onnx.NodeProto) -> set[str]:
    """Name what a node and its branches read."""
    names = set(node.input)
    for branch in _branches(node):
        names.update(name for inner in all_nodes(branch) for name in inner.input)
        names.update(value.name for value in branch.output)
    return names


def _branches(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    yield from (attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH)


def _free_weights(graph: onnx.GraphProto) -> None:
    """Make weights of Constant nodes, and let whoever reads a weight through Identity read the weight."""
    weights = {item.name for item in graph.initializer}
    outputs = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        if node.op_type == "Constant" and value is not None and node.output[0] not in outputs:
            weight = onnx.TensorProto()
            weight.CopyFrom(value)
            weight.name = node.output[0]
            graph.initializer.append(weight)
            weights.add(weight.name)
        elif node.op_type == "Identity" and node.output[0] not in outputs and node.input[0] in weights | set(renamed):
            renamed[node.output[0]] = renamed.get(node.input[0], node.input[0])
        else:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            kept.append(copied)
    for node in kept:
        _rename(node, renamed)
    del graph.node[:]
    graph.node.extend(kept)


def _rename(node: onnx.NodeProto, renamed: dict[str, str]) -> None:
    """Let a node and its branches read and make tensors of other names."""
    node.input[:] = [renamed.get(name, name) for name in node.input]
    node.output[:] = [renamed.get(name, name) for name in node.output]
    for branch in _branches(node):
        for inner in branch.node:
            _rename(inner, renamed)
        for value in (*branch.output, *branch.initializer):
            value.name = renamed.get(value.name, value.name)


def _hangs_on_pixels(model: onnx.ModelProto, branching: onnx.NodeProto) -> bool:
    """Say whether a condition may be another for another picture; shapes are the same for all."""
    maker = {name: node for node in model.graph.node for name in node.output}
    inputs = {value.name for value in model.graph.input}
    waiting, seen = [(branching.input[0], False)], set()
    while waiting:
        name, is_shape = waiting.pop()
        if (name, is_shape) in seen:
            continue
        seen.add((name, is_shape))
        node = maker.get(name)
        if node is None:
            if name in inputs and not is_shape:
                return True
            continue
        if node.op_type in _SHAPE_OF_VALUES:
            return True
        waiting += [(read, is_shape or node.op_type in ("Shape", "Size")) for read in _reads(node)]
    return False


def _values(
    model: onnx.ModelProto, names: list[str], image: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> dict[str, bool] | None:
    """Compute conditions; None where ONNX Runtime cannot."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    known = {item.name: bool(numpy_helper.to_array(item)) for item in model.graph.initializer if item.name in names}
    computed = sorted(set(names) - set(known))
    if not computed:
        return known
    cut_at(copied, computed, only=True)
    try:
        session = open_quietly(copied.SerializeToString())
        results = session.run(computed, {value.name: image for value in session.get_inputs()})
    except RUNTIME_ERRORS:
        return None
    return known | {name: bool(value) for name, value in zip(computed, results, strict=True)}


def _inlined(graph: onnx.GraphProto, node: onnx.NodeProto, taken: bool) -> list[onnx.NodeProto]:
    """Return a branch's nodes under names of their own, and give the graph its constants."""
    wanted = "then_branch" if taken else "else_branch"
    branch = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
    prefix = f"{node.output[0]}/"
    made = [name for inner in branch.node for name in inner.output if name]
    renamed = {name: f"{prefix}{name}" for name in (*made, *(item.name for item in branch.initializer))}
    nodes = []
    for inner in branch.node:
        copied = onnx.NodeProto()
        copied.CopyFrom(inner)
        _rename(copied, renamed)
        copied.name = ""  # names of nodes must differ, and are of no use here
        nodes.append(copied)
    for item in branch.initializer:
        weight = onnx.TensorProto()
        weight.CopyFrom(item)
        weight.name = renamed[item.name]
        graph.initializer.append(weight)
    for given, result in zip(branch.output, node.output, strict=True):
        nodes.append(helper.make_node("Identity", [renamed.get(given.name, given.name)], [result]))
    return nodes

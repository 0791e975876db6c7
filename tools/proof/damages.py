"""What may go wrong between two artefacts, done on purpose."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...export.graphs.network_part import ADAPTED, answers_of
from ...runtime.card import Card
from ...runtime.runners.contract import BOX_OFFSETS, CLASS_LOGITS

Array = NDArray[np.float32]
_LOUDEST = 60000.0
"""Of a weight that float16 still holds; sums of such products do not fit."""
Damage = Callable[[onnx.ModelProto, Card], tuple[onnx.ModelProto, Card]]


def _weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Give the kernels of the convolutions, in the order of the graph."""
    constants = {item.name: item for item in model.graph.initializer}
    return [constants[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]


def _set(item: onnx.TensorProto, values: NDArray[np.generic]) -> None:
    item.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), item.name))


def _on_weights(place: float, change: Callable[[Array], Array]) -> Damage:
    """Change one convolution's kernel.

    Args:
        place: from 0, the first, to 1, the last.
        change: from the kernel to another.
    """

    def damage(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
        changed = copy.deepcopy(model)
        weights = _weights(changed)
        item = weights[round(place * (len(weights) - 1))]
        _set(item, change(numpy_helper.to_array(item)))
        return changed, card

    return damage


def _without_loudest_channel(kernel: Array) -> Array:
    kept = kernel.copy()
    kept[np.abs(kernel).reshape(len(kernel), -1).sum(axis=1).argmax()] = 0
    return kept


def _behind_frames(operator: str, value: float) -> Damage:
    """Put an operator with a constant behind the cast of the frames."""

    def damage(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
        changed = copy.deepcopy(model)
        place, cast = next((at, node) for at, node in enumerate(changed.graph.node) if node.op_type == "Cast")
        name, given = cast.output[0], f"{cast.output[0]}/given"
        cast.output[0] = given
        changed.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), "damage"))
        changed.graph.node.insert(place + 1, helper.make_node(operator, [given, "damage"], [name], name="damage"))
        return changed, card

    return damage


def _behind_answer(answer: str, operator: str, constant: NDArray[np.generic], **attributes: int) -> Damage:
    """Put an operator between the network and one of its answers."""

    def damage(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
        changed = copy.deepcopy(model)
        place, maker = next((at, node) for at, node in enumerate(changed.graph.node) if answer in node.output)
        given = f"{answer}/given"
        maker.output[:] = [given if name == answer else name for name in maker.output]
        changed.graph.initializer.append(numpy_helper.from_array(constant, "damage"))
        node = helper.make_node(operator, [given, "damage"], [answer], name="damage")
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        changed.graph.node.insert(place + 1, node)
        return changed, card

    return damage


def _classes_shifted(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    """Shift what the network says of each class by one; a detector's background stays."""
    backgrounds = int(card.task == "detector")
    order = np.arange(len(card.class_names) + backgrounds)
    order[backgrounds:] = np.roll(order[backgrounds:], 1)
    return _behind_answer(CLASS_LOGITS, "Gather", order, axis=1 + backgrounds)(model, card)


def _scores_shifted(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    """Shift what an adapted detector says of each class by one; with a single class, take nine tenths of it."""
    count = len(card.class_names)
    if count == 1:
        return _behind_answer(ADAPTED[0], "Mul", np.array(0.9, np.float32))(model, card)
    return _behind_answer(ADAPTED[0], "Gather", np.roll(np.arange(count), 1), axis=2)(model, card)


def _names_shifted(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    names = (*card.class_names[1:], card.class_names[0]) if len(card.class_names) > 1 else ("another",)
    return model, card.model_copy(update={"class_names": names})


def _resized_otherwise(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    resize = "stretch" if card.input.resize == "letterbox" else "letterbox"
    return model, card.model_copy(update={"input": card.input.model_copy(update={"resize": resize})})


def _on_tail(name: str, change: Callable[[Array], NDArray[np.generic]]) -> Damage:
    """Change a constant of the tail."""

    def damage(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
        changed = copy.deepcopy(model)
        (item,) = (item for item in changed.graph.initializer if item.name == f"tail/{name}")
        _set(item, change(numpy_helper.to_array(item)))
        return changed, card

    return damage


def _variances_swapped(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
    """Swap them; where both are the same, one is doubled."""
    centre, size = card.postprocess.variances
    size = size if size != centre else 2 * centre
    swapped, _ = _on_tail("centre_variance", lambda _: np.asarray(size))(model, card)
    return _on_tail("size_variance", lambda _: np.asarray(centre))(swapped, card)


def _on_operator(name: str, replacement: onnx.NodeProto) -> Damage:
    """Give an operator of a classifier's tail another one's type and attributes."""

    def damage(model: onnx.ModelProto, card: Card) -> tuple[onnx.ModelProto, Card]:
        changed = copy.deepcopy(model)
        (node,) = (node for node in changed.graph.node if node.name == f"tail/{name}")
        node.op_type = replacement.op_type
        del node.attribute[:]
        node.attribute.extend(replacement.attribute)
        return changed, card

    return damage


def overflowing(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let a layer's activations leave float16's range and come back: in float32 nothing changes but by rounding."""
    changed = copy.deepcopy(model)
    place, node = next((at, node) for at, node in enumerate(changed.graph.node) if node.op_type == "Conv")
    name, loud = node.output[0], f"{node.output[0]}/loud"
    constants = {item.name: item for item in changed.graph.initializer}
    values = {source: numpy_helper.to_array(constants[source]) for source in node.input[1:]}
    loudness = 2.0 ** np.floor(np.log2(_LOUDEST / max(np.abs(item).max() for item in values.values())))
    for source, item in values.items():
        _set(constants[source], item * loudness)
    node.output[0] = loud
    quiet = numpy_helper.from_array(np.full((1, 1, 1, 1), 1 / loudness, np.float32), "quiet")
    changed.graph.initializer.append(quiet)
    changed.graph.node.insert(place + 1, helper.make_node("Mul", [loud, "quiet"], [name], name="quiet"))
    return changed


def stale(int8: onnx.ModelProto, *, seed: int = 0) -> onnx.ModelProto:
    """Give an int8 graph the ranges of other weights: each up to three times too wide or too narrow."""
    changed = copy.deepcopy(int8)
    rng = np.random.default_rng(seed)
    constants = {item.name: item for item in changed.graph.initializer}
    for node in changed.graph.node:
        if node.op_type == "QuantizeLinear":
            item = constants[node.input[1]]
            scale = numpy_helper.to_array(item)
            item.CopyFrom(numpy_helper.from_array(np.asarray(scale * 3 ** rng.uniform(-1, 1), scale.dtype), item.name))
    return changed


OF_ALL: dict[str, Damage] = {
    "first layer x 1.1": _on_weights(0.0, lambda kernel: kernel * np.float32(1.1)),
    "middle layer x 1.1": _on_weights(0.5, lambda kernel: kernel * np.float32(1.1)),
    "loudest channel dropped": _on_weights(0.5, _without_loudest_channel),
    "RGB for BGR": _on_weights(0.0, lambda kernel: kernel[:, ::-1]),
    "mean one grey level off": _behind_frames("Add", 1.0),
    "deviation 1 % off": _behind_frames("Mul", 1.01),
    "class names shifted": _names_shifted,
    "another resize": _resized_otherwise,
}
"""Of detectors and classifiers."""

OF_CLASSIFIERS: dict[str, Damage] = {
    "classes shifted by one": _classes_shifted,
    "another scale of scores": _on_operator("softmax", helper.make_node("Sigmoid", [], [])),
    "least likely class first": _on_operator("topk", helper.make_node("TopK", [], [], largest=0)),
}

_OF_SUPPRESSION: dict[str, Damage] = {
    "another overlap suppresses": _on_tail("iou_threshold", lambda threshold: threshold + np.float32(0.1)),
}

OF_DETECTORS: dict[str, Damage] = {
    "classes shifted by one": _classes_shifted,
    "boxes mirrored": _behind_answer(BOX_OFFSETS, "Mul", np.array([-1, 1, 1, 1], np.float32)),
    "variances swapped": _variances_swapped,
    "default boxes mirrored": _on_tail("default_centres", lambda centres: centres * (-1, 1) + (1, 0)),
    **_OF_SUPPRESSION,
}
"""Of detectors with default boxes."""

OF_ADAPTED: dict[str, Damage] = {
    "classes shifted by one": _scores_shifted,
    "boxes moved by a hundredth": _behind_answer(ADAPTED[1], "Add", np.array([0.01, 0, 0.01, 0], np.float32)),
    **_OF_SUPPRESSION,
}
"""Of adapted detectors, whose answers are scores and boxes."""


def damages_of(model: onnx.ModelProto, card: Card) -> dict[str, Damage]:
    """Give what can be done to a graph, by name; nothing where its weights are no float32 constants."""
    if not _is_float(model):
        return {}
    if card.task == "classifier":
        return OF_ALL | OF_CLASSIFIERS
    return OF_ALL | (OF_ADAPTED if answers_of(model) == ADAPTED else OF_DETECTORS)


def _is_float(model: onnx.ModelProto) -> bool:
    """Tell whether the convolutions' kernels are float32 constants, so that they can be damaged."""
    constants = {item.name: item.data_type for item in model.graph.initializer}
    return all(constants.get(node.input[1]) == TensorProto.FLOAT for node in model.graph.node if node.op_type == "Conv")

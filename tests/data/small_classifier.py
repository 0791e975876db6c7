"""A classifier of two classes with random weights: three convolutions, the mean over the map, the classifier's tail."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.classifier_tail import append_classifier_tail
from singleshot.runtime.card import Card, InputSpec

SIDE = 32
CARD = Card(
    kind="graph",
    task="classifier",
    network="small",
    class_names=("cat", "dog"),
    input=InputSpec(height=SIDE, width=SIDE, mean=(127, 127, 127), std=(128, 128, 128)),
)
CONVOLUTIONS = 3


def small_classifier_graph() -> onnx.ModelProto:
    """Give the graph, N symbolic."""
    rng = np.random.default_rng(0)
    widths = (3, 8, 8, 2)
    constants: dict[str, np.ndarray] = {
        "mean": np.full((1, 3, 1, 1), 127, np.float32),
        "std": np.full((1, 3, 1, 1), 128, np.float32),
        "flat": np.array([0, 2], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["frames"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], "channels", perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["first", "mean"], ["centred"], "sub"),
        helper.make_node("Div", ["centred", "std"], ["r0"], "div"),
    ]
    for number in range(1, CONVOLUTIONS + 1):
        constants[f"w{number}"] = rng.normal(0, 0.3, (widths[number], widths[number - 1], 3, 3)).astype(np.float32)
        inputs = [f"r{number - 1}", f"w{number}"]
        nodes.append(helper.make_node("Conv", inputs, [f"c{number}"], f"conv{number}", strides=[2, 2], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"], f"relu{number}"))
    nodes += [
        helper.make_node("GlobalAveragePool", ["r3"], ["pooled"], "pool"),
        helper.make_node("Reshape", ["pooled", "flat"], ["class_logits"], "flatten"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return append_classifier_tail(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10))

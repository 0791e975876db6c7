"""A detector with random weights that is built in no time; its detections mean nothing, but there are many."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.tail import append_onnx_tail
from singleshot.runtime.card import Card, InputSpec, Postprocess

SIDE = 64
CELLS = 16
CARD = Card(
    kind="graph",
    network="small",
    class_names=("cat", "dog"),
    input=InputSpec(height=SIDE, width=SIDE, mean=(127, 127, 127), std=(128, 128, 128)),
    postprocess=Postprocess(candidates=100, max_detections=20),
)


def small_detector_graph() -> onnx.ModelProto:
    """Give the graph, with the `onnx` tail and N symbolic."""
    rng = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {
        "mean": np.full((1, 3, 1, 1), 127, np.float32),
        "std": np.full((1, 3, 1, 1), 128, np.float32),
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.3, (8, 8, 3, 3)).astype(np.float32),
        "w_class": rng.normal(0, 0.5, (3, 8, 3, 3)).astype(np.float32),
        "w_box": rng.normal(0, 0.2, (4, 8, 3, 3)).astype(np.float32),
        "s_class": np.array([0, -1, 3], np.int64),
        "s_box": np.array([0, -1, 4], np.int64),
    }
    same: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Cast", ["frames"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], "channels", perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["first", "mean"], ["centred"], "sub"),
        helper.make_node("Div", ["centred", "std"], ["scaled"], "div"),
        helper.make_node("Conv", ["scaled", "w1"], ["c1"], "conv1", strides=[2, 2], **same),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2", strides=[2, 2], **same),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
    ]
    for head, name in (("class", "class_logits"), ("box", "box_offsets")):
        nodes += [
            helper.make_node("Conv", ["r2", f"w_{head}"], [head], f"conv_{head}", **same),
            helper.make_node("Transpose", [head], [f"{head}_last"], f"last_{head}", perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"{head}_last", f"s_{head}"], [name], f"flat_{head}"),
        ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, ["N", CELLS**2, 3]),
            helper.make_tensor_value_info("box_offsets", TensorProto.FLOAT, ["N", CELLS**2, 4]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    rows, columns = np.divmod(np.arange(CELLS**2), CELLS)
    centres = (np.stack([columns, rows], axis=1) + 0.5) / CELLS
    default_cxcywh = np.concatenate([centres, np.full((CELLS**2, 2), 0.2)], axis=1).astype(np.float32)
    return append_onnx_tail(model, default_cxcywh=default_cxcywh, postprocess=CARD.postprocess)

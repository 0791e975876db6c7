"""Makes the tiny graphs in `graphs/`; run by hand after a change: `python tests/data/make_graphs.py` (needs onnx).

The detector among them can be checked in one's head: it halves the frame both ways, and each quarter is a detection
whose score is the quarter's mean brightness / 255. Top left is class 0, top right 1, bottom left 2, bottom right 3;
the box of a quarter is its middle half. Quarters darker than the score floor are no detections.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent / "graphs"
SIDE = 32
ROWS = 4
FLOOR = 0.05
BOXES = np.array(
    [[x + 0.125, y + 0.125, x + 0.375, y + 0.375] for y in (0.0, 0.5) for x in (0.0, 0.5)], np.float32
)  # [4, 4]


def card(**changes: Any) -> str:
    """The card's JSON; `changes` replace its top-level keys."""
    content: dict[str, Any] = {
        "kind": "graph",
        "network": "quarters",
        "class_names": ["cat", "cow", "dog", "horse"],
        "input": {"height": SIDE, "width": SIDE, "mean": [0, 0, 0], "std": [1, 1, 1]},
        "postprocess": {"max_detections": ROWS, "score_floor": FLOOR, "candidates": ROWS},
    }
    return json.dumps({**content, **changes})


def quarters(*, batch: int | str = "N", factor: float = 1 / 255, class_offset: int = 0) -> onnx.ModelProto:
    """Build the detector; `factor` scales brightness to scores."""
    constants: dict[str, np.ndarray] = {
        "grid": np.array([-1, 2, SIDE // 2, 2, SIDE // 2, 3], np.int64),
        "within": np.array([2, 4, 5], np.int64),
        "flat": np.array([-1, ROWS], np.int64),
        "factor": np.array(factor, np.float32),
        "rows": np.array([ROWS], np.int64),
        "boxes": BOXES,
        "floor": np.array(FLOOR, np.float32),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
        "class_offset": np.array(class_offset, np.int32),
    }
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "grid"], ["cells"]),
        helper.make_node("ReduceMean", ["cells", "within"], ["means"], keepdims=0),
        helper.make_node("Reshape", ["means", "flat"], ["brightness"]),
        helper.make_node("Mul", ["brightness", "factor"], ["scores"]),
        helper.make_node("TopK", ["scores", "rows"], ["top", "place"], axis=1),
        helper.make_node("GreaterOrEqual", ["top", "floor"], ["valid"]),
        helper.make_node("Cast", ["valid"], ["valid_int"], to=TensorProto.INT32),
        helper.make_node("Cast", ["valid"], ["valid_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["valid_int", "one"], ["num_dets"], keepdims=1),
        helper.make_node("Mul", ["top", "valid_float"], ["det_scores"]),
        helper.make_node("Gather", ["boxes", "place"], ["picked"]),
        helper.make_node("Unsqueeze", ["valid_float", "two"], ["valid_box"]),
        helper.make_node("Mul", ["picked", "valid_box"], ["det_boxes"]),
        helper.make_node("Cast", ["place"], ["place_int"], to=TensorProto.INT32),
        helper.make_node("Add", ["place_int", "class_offset"], ["classes"]),
        helper.make_node("Mul", ["classes", "valid_int"], ["det_classes"]),
    ]
    outputs = [
        helper.make_tensor_value_info("num_dets", TensorProto.INT32, [batch, 1]),
        helper.make_tensor_value_info("det_boxes", TensorProto.FLOAT, [batch, ROWS, 4]),
        helper.make_tensor_value_info("det_scores", TensorProto.FLOAT, [batch, ROWS]),
        helper.make_tensor_value_info("det_classes", TensorProto.INT32, [batch, ROWS]),
    ]
    graph = helper.make_graph(
        nodes,
        "quarters",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, [batch, SIDE, SIDE, 3])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def quarters_classifier() -> onnx.ModelProto:
    """Build the classifier: the logit of a quarter's class is its mean brightness / 51, so white is 5."""
    constants: dict[str, np.ndarray] = {
        "grid": np.array([-1, 2, SIDE // 2, 2, SIDE // 2, 3], np.int64),
        "within": np.array([2, 4, 5], np.int64),
        "flat": np.array([-1, ROWS], np.int64),
        "factor": np.array(1 / 51, np.float32),
        "rows": np.array([ROWS], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "grid"], ["cells"]),
        helper.make_node("ReduceMean", ["cells", "within"], ["means"], keepdims=0),
        helper.make_node("Reshape", ["means", "flat"], ["brightness"]),
        helper.make_node("Mul", ["brightness", "factor"], ["class_logits"]),
        helper.make_node("Softmax", ["class_logits"], ["scores"], axis=1),
        helper.make_node("TopK", ["scores", "rows"], ["top_scores", "place"], axis=1),
        helper.make_node("Cast", ["place"], ["top_classes"], to=TensorProto.INT32),
    ]
    graph = helper.make_graph(
        nodes,
        "quarters_classifier",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("top_scores", TensorProto.FLOAT, ["N", ROWS]),
            helper.make_tensor_value_info("top_classes", TensorProto.INT32, ["N", ROWS]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def identity(name: str, dtype: int) -> onnx.ModelProto:
    """Build a graph that is no detector: one input handed through."""
    value = helper.make_tensor_value_info(name, dtype, ["N", SIDE, SIDE, 3])
    result = helper.make_tensor_value_info("result", dtype, ["N", SIDE, SIDE, 3])
    graph = helper.make_graph([helper.make_node("Identity", [name], ["result"])], "identity", [value], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def with_float_frames() -> onnx.ModelProto:
    """The detector, but taking float32 frames."""
    model = quarters()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def save(name: str, model: onnx.ModelProto, card_json: str | None) -> None:
    """Check, add the card, write."""
    onnx.checker.check_model(model, full_check=True)
    if card_json is not None:
        helper.set_model_props(model, {"singleshot.card": card_json})
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def main() -> None:
    """Write every graph."""
    FOLDER.mkdir(exist_ok=True)
    wide = {"height": SIDE, "width": SIDE, "mean": [0, 0, 0], "std": [1, 1, 1]}
    save("quarters", quarters(), card())
    save("quarters_letterbox", quarters(), card(input={**wide, "resize": "letterbox"}))
    save("quarters_one_by_one", quarters(batch=1), card())
    save("quarters_classifier", quarters_classifier(), card(task="classifier"))
    save("bad_task", quarters(), card(task="classifier"))
    save("bad_no_card", quarters(), None)
    save("bad_card_not_json", quarters(), "{")
    save("bad_card_without_names", quarters(), card(class_names=[]))
    save("bad_cluster_tail", quarters(), card(postprocess={"max_detections": ROWS, "tail": "cluster"}))
    save("bad_input_size", quarters(), card(input={**wide, "width": 64}))
    save("bad_rows", quarters(), card(postprocess={"max_detections": 100}))
    save("bad_input_name", identity("images", TensorProto.UINT8), card())
    save("bad_output_names", identity("frames", TensorProto.UINT8), card())
    save("bad_input_dtype", with_float_frames(), card())
    save("bad_class_ids", quarters(class_offset=4), card())
    save("bad_nan_scores", quarters(factor=float("inf")), card())


if __name__ == "__main__":
    main()

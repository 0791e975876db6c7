"""Which part of a graph its post-processing is. Speed is not asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.runtime.card import CARD_KEY, Card, InputSpec, Postprocess
from singleshot.tests.places import GRAPHS
from singleshot.tools.benchmarks.tail_share import tail_share

FRAMES = np.zeros((1, 32, 32, 3), np.uint8)


@pytest.fixture
def graph_with_tail(tmp_path: Path) -> Path:
    """A graph that follows the contract: constant heads that the frames are added to, and the tail."""
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, [1, 32, 32, 3])
    constants = {"logits": np.zeros((1, 50, 3), np.float32), "offsets": np.zeros((1, 50, 4), np.float32)}
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Add", ["logits", "mean"], ["class_logits"]),
        helper.make_node("Add", ["offsets", "mean"], ["box_offsets"]),
    ]
    outputs = [
        helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, [1, 50, 3]),
        helper.make_tensor_value_info("box_offsets", TensorProto.FLOAT, [1, 50, 4]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "heads", [frames], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    default_cxcywh = np.full((50, 4), 0.5, np.float32)
    model = append_onnx_tail(model, default_cxcywh=default_cxcywh, postprocess=Postprocess())
    card = Card(
        kind="graph",
        network="constant",
        class_names=("a", "b"),
        input=InputSpec(height=32, width=32, mean=(0, 0, 0), std=(1, 1, 1)),
    )
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.save(model, tmp_path / "tail.onnx")
    return tmp_path / "tail.onnx"


def test_a_graph_without_named_tail_tells_no_postprocessing() -> None:
    assert tail_share(GRAPHS / "quarters.onnx", FRAMES, 1) is None


def test_the_tail_is_a_part_of_the_network(graph_with_tail: Path) -> None:
    share = tail_share(graph_with_tail, FRAMES, 1)
    assert share is not None
    assert 0 < share < 1

"""The benchmark: its figures agree with each other, and it tells the tail's part of a graph. Speed is not asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.runtime.card import CARD_KEY, Card, InputSpec, Postprocess
from singleshot.runtime.errors import InputError
from singleshot.tests.places import CLIP, FIXTURES, GRAPHS
from singleshot.tools.benchmarks.latency import measure_latency

GRAPH = GRAPHS / "quarters.onnx"
CLASSIFIER = GRAPH.with_name("quarters_classifier.onnx")

ROUNDING = 1e-9
"""A product of ratios in float64."""


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


@pytest.mark.parametrize("graph", [GRAPH, CLASSIFIER])
def test_figures_agree(graph: Path) -> None:
    rounds: list[int] = []
    report = measure_latency(graph, CLIP, frames=4, repeats=3, threads=1, on_round=rounds.append)
    assert rounds == [1, 2, 3]
    assert (report.frame_hw, report.input_hw) == ((360, 640), (32, 32))
    assert (report.frames, report.repeats) == (4, 3)
    for name, value in report.to_dict().items():
        if isinstance(value, dict):
            assert 0 < value["least"] <= value["median"] <= value["most"], name
    slowest_s, fastest_s = report.network_ms.most / 1e3, report.network_ms.least / 1e3
    assert report.loop_to_network.most <= slowest_s * report.loop_frames_per_s.most * (1 + ROUNDING)
    assert report.loop_to_network.least >= fastest_s * report.loop_frames_per_s.least * (1 - ROUNDING)


def test_a_graph_without_named_tail_tells_no_postprocessing() -> None:
    assert measure_latency(GRAPH, CLIP, frames=1, repeats=1).postprocess_ms is None


def test_the_tail_is_a_part_of_the_network(graph_with_tail: Path) -> None:
    report = measure_latency(graph_with_tail, CLIP, frames=2, repeats=1)
    assert report.postprocess_ms is not None
    assert 0 < report.postprocess_ms < report.network_ms.median


def test_more_frames_than_the_clip_has() -> None:
    with pytest.raises(InputError, match=r"^--frames: expected at most the \d+ frames of .*dog\.mp4, got 400\.$"):
        measure_latency(GRAPH, CLIP, frames=400, repeats=1)


def test_images_are_no_clip() -> None:
    folder = FIXTURES
    picture = next(folder.rglob("*.jp*g"), None) or next(folder.rglob("*.JPEG"))
    with pytest.raises(InputError, match=r"expected a video, got images\.$"):
        measure_latency(GRAPH, picture, frames=1, repeats=1)

"""Tensors inside a graph that may be boxes and scores are found, with what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.suggest import suggest_tensors
from singleshot.export.foreign.told import Told
from singleshot.runtime.card import Postprocess

from .foreign_models import SIDE, boxes_xyxy, class_scores, model_of, plain_model, save


def ending_in(operator: str, domain: str) -> onnx.ModelProto:
    """Make a graph that gives nothing but what an operator makes of boxes and scores."""
    model = plain_model()
    del model.graph.output[:]
    model.graph.node.append(helper.make_node(operator, ["boxes", "scores"], ["found"], domain=domain))
    model.graph.output.append(helper.make_tensor_value_info("found", TensorProto.FLOAT, None))
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(ending_in("DetectionOutput", "vendor"), id="a plugin"),
        pytest.param(plain_model(), id="outputs themselves"),
    ],
)
def test_pair_that_makes_sense(model: onnx.ModelProto, tmp_path: Path) -> None:
    path = save(model, tmp_path / "foreign.onnx")
    found = suggest_tensors(path)
    assert {(item.name, item.shape, item.may_be) for item in found.candidates} == {
        ("boxes", (1, 21, 4), "boxes"),
        ("scores", (1, 21, 3), "scores"),
    }
    (scores,) = (item for item in found.candidates if item.name == "scores")
    assert scores.made_by == "Add"
    assert [scores.low, scores.high] == pytest.approx([0.001, 0.9])
    assert found.options == ("--boxes", "boxes", "--scores", "scores")
    done = adapt_detector(
        path,
        tmp_path / "adapted.onnx",
        told=Told(boxes="boxes", scores="scores"),
        postprocess=Postprocess(score_floor=0.05),
    )
    assert done.parity.matched == 2 * done.parity.frames


@pytest.mark.parametrize(
    ("columns", "rows_first", "tried"),
    [
        pytest.param([boxes_xyxy(), class_scores()], False, "--boxes 'rows[0:4]' --scores 'rows[4:7]'", id="4 + C"),
        pytest.param(
            [boxes_xyxy(), np.ones((21, 1), np.float32), class_scores()],
            True,
            "--boxes 'rows[0:4]' --scores 'rows[5:8]' --objectness 'rows[4:5]'",
            id="5 + C",
        ),
    ],
)
def test_both_in_one_tensor(columns: list[Any], rows_first: bool, tried: str, tmp_path: Path) -> None:
    both = np.concatenate(columns, axis=1)
    path = save(model_of({"rows": both if rows_first else both.T}), tmp_path / "foreign.onnx")
    found = suggest_tensors(path)
    assert [item.may_be for item in found.candidates] == ["boxes and scores"]
    assert found.lines()[-1] == f"try       {tried}"


def test_values_are_those_of_the_pictures(tmp_path: Path) -> None:
    model = model_of({"boxes": boxes_xyxy(), "scores": class_scores()})
    zeros = next(item for item in model.graph.initializer if item.name == "zeros")
    weight = np.zeros((3 * SIDE * SIDE, 1), np.float32)
    weight[0] = 1
    zeros.raw_data = weight.tobytes()  # what is added is the first pixel, red over 255
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "red.png"), np.full((8, 8, 3), (0, 0, 255), np.uint8))
    found = suggest_tensors(save(model, tmp_path / "foreign.onnx"), images=tmp_path / "images")
    (scores,) = (item for item in found.candidates if item.name == "scores")
    assert [scores.low, scores.high] == pytest.approx([1.001, 1.9])
    assert found.pictures == f"1 images of {tmp_path / 'images'}"
    assert found.options == ()
    assert found.lines()[-1].startswith("try       none of them together makes sense by itself")


def test_anchors_and_the_picture_are_no_candidates(tmp_path: Path) -> None:
    model = plain_model()
    model.graph.node.insert(0, helper.make_node("Shape", ["images"], ["shape"]))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["anchors"]))
    model.graph.node.append(helper.make_node("Abs", ["images"], ["picture"]))
    names = {item.name for item in suggest_tensors(save(model, tmp_path / "foreign.onnx")).candidates}
    assert names == {"boxes", "scores"}


def test_branch_that_hangs_on_pixels_is_left_out(tmp_path: Path) -> None:
    model = plain_model()
    del model.graph.output[:]
    branches = [
        helper.make_graph(
            [helper.make_node(operator, ["boxes"], [operator])],
            operator,
            [],
            [helper.make_tensor_value_info(operator, TensorProto.FLOAT, None)],
        )
        for operator in ("Relu", "Abs")
    ]
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["flat"], ["brightest"], keepdims=0),
            helper.make_node("Cast", ["brightest"], ["is"], to=TensorProto.BOOL),
            helper.make_node("If", ["is"], ["found"], then_branch=branches[0], else_branch=branches[1]),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info("found", TensorProto.FLOAT, None))
    found = suggest_tensors(save(model, tmp_path / "foreign.onnx"))
    assert found.options == ("--boxes", "boxes", "--scores", "scores")


def test_graph_without_any(tmp_path: Path) -> None:
    model = model_of({"class": np.zeros(10, np.float32)})
    found = suggest_tensors(save(model, tmp_path / "foreign.onnx"))
    assert found.lines() == ["no tensor may be boxes or scores"]

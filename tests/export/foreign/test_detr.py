"""DETR's kin: logits beside boxes, not suppressed; inputs that tell the picture's size; ImageNet's scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.inputs import ForeignInput
from singleshot.runtime.card import Postprocess
from singleshot.runtime.session import open_session

from .foreign_models import SIDE, boxes_xyxy, class_scores, cxcywh, model_of, plain_model, save, with_background

BOXES, SCORES = cxcywh(boxes_xyxy())[:20], class_scores()[:20]
LOGITS = np.log(SCORES / (1 - SCORES)).astype(np.float32)
WITH_NONE = np.log(with_background(SCORES, last=True)).astype(np.float32) + 2
FOUND = [(0, 0.9), (2, 0.8), (0, 0.6)]
"""The last overlaps the first by more than any suppression would leave."""


@pytest.mark.parametrize(
    ("outputs", "activation"),
    [
        pytest.param({"pred_boxes": BOXES, "logits": LOGITS}, "sigmoid", id="RT-DETR, D-FINE"),
        pytest.param({"dets": BOXES, "labels": LOGITS}, "sigmoid", id="RF-DETR"),
        pytest.param({"pred_logits": WITH_NONE, "pred_boxes": BOXES}, "softmax", id="DETR, the last column is nothing"),
    ],
)
def test_logits_beside_boxes_are_not_suppressed(
    outputs: dict[str, NDArray[Any]], activation: str, tmp_path: Path
) -> None:
    path = save(model_of(outputs), tmp_path / "foreign.onnx")
    done = adapt_detector(path, tmp_path / "adapted.onnx", postprocess=Postprocess(score_floor=0.05))
    assert (done.reading.activation, done.reading.layout, done.reading.is_final) == (activation, "cxcywh", True)
    with open_session(done.path) as session:
        (found,) = session.run(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    assert found.class_ids.tolist() == [class_id for class_id, _ in FOUND]
    np.testing.assert_allclose(found.scores, [score for _, score in FOUND], rtol=0, atol=1e-5)


def test_size_of_the_picture_is_the_network_s_own(tmp_path: Path) -> None:
    model = model_of({"fractions": boxes_xyxy(), "scores": class_scores()}, input_shape=(1, 3, SIDE, SIDE), batch=1)
    model.graph.input.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2]))
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["orig_target_sizes"], ["float_sizes"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["float_sizes", "float_sizes"], ["corners"], axis=1),
            helper.make_node("Mul", ["fractions", "corners"], ["boxes"]),
        ]
    )
    model.graph.output[0].name = "boxes"
    done = adapt_detector(
        save(model, tmp_path / "foreign.onnx"), tmp_path / "adapted.onnx", postprocess=Postprocess(score_floor=0.05)
    )
    assert not done.reading.normalised
    assert done.parity.matched == 2 * done.parity.frames


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        pytest.param((0.5, 0.25, 0.1), (0.2, 0.5, 1.0), ((127.5, 63.75, 25.5), (51, 127.5, 255)), id="0 to 1"),
        pytest.param((127.5, 64, 1), (51, 1, 255), ((127.5, 64, 1), (51, 1, 255)), id="0 to 255"),
        pytest.param((0, 0, 0), (1, 1, 1), ((0, 0, 0), (1, 1, 1)), id="as the camera gives it"),
    ],
)
def test_mean_and_deviation_on_either_scale(mean: Any, std: Any, expected: Any, tmp_path: Path) -> None:
    path = save(plain_model(), tmp_path / "foreign.onnx")
    done = adapt_detector(path, tmp_path / "adapted.onnx", foreign_input=ForeignInput(mean=mean, std=std))
    assert (done.card.input.mean, done.card.input.std) == expected
    assert any(line.startswith("--mean, --std: ") for line in done.guesses) == (expected != (mean, std))

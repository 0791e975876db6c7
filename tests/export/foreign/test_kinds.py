"""What a file shows of its kind fills in what the command does not say of the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from singleshot.export.foreign.graph import load_foreign_graph
from singleshot.export.foreign.inputs import ForeignInput, input_spec
from singleshot.export.foreign.kinds import usual_input

from .foreign_models import SIDE, boxes_xyxy, class_scores, cxcywh, in_cells, model_of, save

BOXES, SCORES = boxes_xyxy(), class_scores()
OBJECTNESS = np.ones((len(BOXES), 1), np.float32)
DECODED = np.concatenate([cxcywh(BOXES) * SIDE, OBJECTNESS, SCORES], axis=1)
UNDECODED = np.concatenate([in_cells(BOXES), OBJECTNESS, SCORES], axis=1)
NOTHING = np.zeros((4, 3), np.float32)
IMAGENET = ("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "stretch")


def spec_of(
    outputs: dict[str, NDArray[Any]], folder: Path, given: ForeignInput, **metadata: str
) -> tuple[Any, list[str]]:
    model: onnx.ModelProto = model_of(outputs)
    helper.set_model_props(model, metadata)
    foreign = load_foreign_graph(save(model, folder / "foreign.onnx"), [])
    guesses: list[str] = []
    usual, ground = usual_input(foreign)
    spec = input_spec(foreign, given, guesses, usual=usual, of=ground)
    return (spec.colour, spec.mean, spec.std, spec.resize), guesses


@pytest.mark.parametrize(
    ("names", "metadata", "expected", "said"),
    [
        pytest.param(["dets", "labels"], {}, IMAGENET, "dets, labels are RF-DETR's names", id="RF-DETR"),
        pytest.param(["x", "y"], {"character": "text\ntitle"}, IMAGENET, "as Paddle's are trained", id="Paddle"),
        pytest.param(
            ["cls_pred_stride_8", "dis_pred_stride_8"],
            {},
            ("bgr", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), "stretch"),
            "are NanoDet's names",
            id="NanoDet",
        ),
        pytest.param(
            ["cls_8", "obj_8", "bbox_8"], {}, ("bgr", (0, 0, 0), (1, 1, 1), "stretch"), "are YuNet's names", id="YuNet"
        ),
        pytest.param(
            ["loc", "conf", "landms"],
            {},
            ("bgr", (104, 117, 123), (1, 1, 1), "stretch"),
            "are RetinaFace's names",
            id="RetinaFace",
        ),
        pytest.param(["regression", "classification"], {}, IMAGENET, "are EfficientDet's names", id="EfficientDet"),
        pytest.param(["boxes", "scores"], {}, ("rgb", (0, 0, 0), (255, 255, 255), "stretch"), "", id="names of nobody"),
    ],
)
def test_names(names: list[str], metadata: dict[str, str], expected: Any, said: str, tmp_path: Path) -> None:
    found, guesses = spec_of(dict.fromkeys(names, NOTHING), tmp_path, ForeignInput(), **metadata)
    assert found == expected
    assert len(guesses) == bool(said)
    assert said in "".join(guesses)


@pytest.mark.parametrize(
    ("output", "expected", "said"),
    [
        pytest.param(
            UNDECODED,
            ("bgr", (0, 0, 0), (1, 1, 1), "letterbox-top-left"),
            "--input bgr --std 1 --top-left: o is in cells of its grids, as YOLOX's is",
            id="YOLOX",
        ),
        pytest.param(
            DECODED.T.copy(),
            ("rgb", (0, 0, 0), (255, 255, 255), "letterbox"),
            "--letterbox: 21 rows of 8 columns are YOLO's, whose way it is",
            id="a decoded YOLO",
        ),
        pytest.param(
            np.zeros((150, 112), np.float32),
            ("bgr", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), "stretch"),
            "--input bgr --mean 103.53,116.28,123.675 --std 57.375,57.12,58.395: 112 columns are NanoDet-Plus's",
            id="NanoDet-Plus",
        ),
    ],
)
def test_rows(output: NDArray[Any], expected: Any, said: str, tmp_path: Path) -> None:
    assert spec_of({"o": output}, tmp_path, ForeignInput()) == (expected, [said])


def test_what_is_told_is_law(tmp_path: Path) -> None:
    given = ForeignInput(colour="rgb", mean=(1, 2, 3), std=(4, 4, 4), resize="stretch")
    assert spec_of({"o": UNDECODED}, tmp_path, given) == (("rgb", (1, 2, 3), (4, 4, 4), "stretch"), [])

"""`singleshot adapt` from the outside, and what comes after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.command_line import run_verb

BOX_COUNT = 24
SIDE = 32


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A detector that sees a horse in the middle of every image; boxes in pixels, scores before the softmax."""
    boxes = np.tile(np.array([8, 8, 24, 24], np.float32), (1, BOX_COUNT, 1))
    logits = np.zeros((1, BOX_COUNT, 3), np.float32)
    logits[..., 0] = 9
    logits[0, 4] = (0, 0, 9)
    constants: dict[str, NDArray[Any]] = {
        "zeros": np.zeros((3 * SIDE * SIDE, 1), np.float32),
        "axes": np.array([2], np.int64),
    }
    constants |= {"all_boxes": boxes, "all_logits": logits}
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "zeros"], ["nothing"]),
        helper.make_node("Unsqueeze", ["nothing", "axes"], ["cube"]),
        helper.make_node("Add", ["all_boxes", "cube"], ["boxes"]),
        helper.make_node("Add", ["all_logits", "cube"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "horse",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, BOX_COUNT, width])
            for name, width in (("boxes", 4), ("logits", 3))
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path / "horse.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    (tmp_path / "names.txt").write_text("dog\nhorse\n")
    return path


def test_adapted_graph_runs_like_our_own(foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted.onnx"
    done = run_verb("adapt", foreign, "--activation", "softmax", "--names", tmp_path / "names.txt", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{out}: ")
    for said in (
        "guessed --boxes boxes --scores logits: ",
        "guessed --layout xyxy: ",
        "guessed --normalised no: ",
        "guessed --background 0: ",
        "boxes     boxes: xyxy, pixels",
        "classes   2",
        "unmatched              0",
    ):
        assert said in done.stderr
    assert "guessed --activation" not in done.stderr
    assert "guessed --names" not in done.stderr

    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 128, 3), 99, np.uint8))
    found = run_verb("rt-detect", "--video", tmp_path / "grey.png", "--model", out, "--json", tmp_path / "found.jsonl")
    assert found.exit_code == 0, found.stderr
    (detection,) = json.loads((tmp_path / "found.jsonl").read_text())["detections"]
    assert (detection["label"], detection["class_id"]) == ("horse", 1)
    assert detection["box_xyxy_px"] == pytest.approx([32, 16, 96, 48], abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "resize", "class_agnostic"),
    [
        pytest.param([], "stretch", False, id="nothing"),
        pytest.param(["--letterbox"], "letterbox", False, id="bars on both sides"),
        pytest.param(["--top-left", "--class-agnostic"], "letterbox-top-left", True, id="YOLOX's way"),
    ],
)
def test_fitting_and_rivals(
    arguments: list[str], resize: str, class_agnostic: bool, foreign: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapted.onnx"
    done = run_verb("adapt", foreign, "--activation", "softmax", "--size", str(SIDE), *arguments, "-o", out)
    assert done.exit_code == 0, done.stderr
    with open_session(out) as session:
        card = session.card
    assert (card.input.resize, card.postprocess.class_agnostic) == (resize, class_agnostic)


def test_suggestions(foreign: Path) -> None:
    said = run_verb("adapt", foreign, "--suggest")
    assert said.exit_code == 0, said.stderr
    header, *rows = said.stdout.splitlines()
    assert header.split() == ["tensor", "shape", "values", "made", "by", "read", "by", "may", "be"]
    assert rows[0].split() == ["logits", "[1,", "24,", "3]", "0", "to", "9", "Add", "scores"]
    assert rows[-1].startswith("try       none of them together makes sense by itself")
    report = json.loads(run_verb("adapt", foreign, "--suggest", "--json").stdout)
    assert [item["name"] for item in report["candidates"]] == ["logits", "boxes"]


def test_graph_needs_a_name(foreign: Path) -> None:
    done = run_verb("adapt", foreign)
    message = "error: --out: expected a file for the graph, got nothing. Give -o FILE.onnx, or --suggest.\n"
    assert (done.exit_code, done.stderr) == (2, message)


def test_everything_told_and_json(foreign: Path, tmp_path: Path) -> None:
    told = "--boxes boxes --scores logits[0:3] --layout xyxy --normalised no --activation softmax --background 0"
    more = "--strides none --input bgr --mean 1,2,3 --std 4 --letterbox --candidates 20 --max-detections 5"
    names = tmp_path / "names.txt"
    done = run_verb(
        "adapt", foreign, *told.split(), *more.split(), "--names", names, "--json", "-o", tmp_path / "a.onnx"
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["guesses"] == []
    assert report["class_names"] == ["dog", "horse"]
    assert report["input"] == {
        "height": SIDE,
        "width": SIDE,
        "resize": "letterbox",
        "colour": "bgr",
        "mean": [1, 2, 3],
        "std": [4, 4, 4],
    }
    assert report["reading"]["scores"] == "logits"
    assert report["parity"]["holds"]
    assert "guessed" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--mean", "a"], "--mean: expected one number or three with commas between, got 'a'.", id="mean"),
        pytest.param(
            ["--std", "1,0,1"],
            "--std: expected one number above 0 or three with commas between, got '1,0,1'.",
            id="a deviation of 0",
        ),
        pytest.param(
            ["--mean", "1,2"], "--mean: expected one number or three with commas between, got '1,2'.", id="two means"
        ),
        pytest.param(
            ["--strides", "8,0"],
            "--strides: expected pixels per cell such as 8,16,32, or none, got '8,0'.",
            id="a stride of 0",
        ),
        pytest.param(
            ["--background", "first"],
            "--background: expected a column counted from 0, or none, got 'first'.",
            id="a background in words",
        ),
        pytest.param(
            [],
            "--activation: expected sigmoid or softmax, got nothing; scores run from 0 to 9 and do not tell which. "
            "Softmax goes with a background class. Guessed so far: --boxes boxes --scores logits: from the shapes "
            "boxes [N, 24, 4], logits [N, 24, 3]; --layout xyxy: 100.0% of the boxes have corners in order (yxyx looks "
            "alike; TensorFlow's is); --normalised no: boxes reach to 24.",
            id="what cannot be guessed, and what was until then",
        ),
        pytest.param(
            ["--size", "32*32"],
            "--size: expected pixels such as 640 or 480x640 (height x width), got '32*32'.",
            id="a size with a star",
        ),
        pytest.param(
            ["--stretch", "--top-left"],
            "--top-left: expected without --stretch, which leaves no bars, got both.",
            id="bars and none",
        ),
        pytest.param(["--score-floor", "1"], "score_floor: expected less than 1, got 1.0.", id="a floor of 1"),
        pytest.param(
            ["--iou-threshold", "0"], "iou_threshold: expected greater than 0, got 0.0.", id="an overlap of 0"
        ),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments: list[str], message: str, foreign: Path, tmp_path: Path) -> None:
    done = run_verb("adapt", foreign, *arguments, "-o", tmp_path / "adapted.onnx")
    assert (done.exit_code, done.stderr) == (2, f"error: {message}\n")
    assert not (tmp_path / "adapted.onnx").exists()


def test_graph_in_which_nothing_is_found_is_not_written(foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted.onnx"
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 128, 3), 99, np.uint8))
    options = ["--activation", "softmax", "--score-floor", "0.9999", "--images", tmp_path]
    done = run_verb("adapt", foreign, *options, "-o", out)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {out}: expected detections in the images of {tmp_path}")
    assert not out.exists()

"""`singleshot verify`, `inspect` and `triton`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tests.places import PHOTOS


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32] = 220
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture
def moved(graphs: Path, tmp_path: Path) -> Path:
    """The graph of quarters with its boxes moved."""
    model = onnx.load(str(graphs / "quarters.onnx"))
    (boxes,) = (item for item in model.graph.initializer if item.name == "boxes")
    boxes.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(boxes) + np.float32(0.01), "boxes"))
    onnx.save(model, str(tmp_path / "moved.onnx"))
    return tmp_path / "moved.onnx"


def test_verify_says_that_two_agree(graphs: Path, photo: Path) -> None:
    result = run_verb("verify", graphs / "quarters.onnx", graphs / "quarters_one_by_one.onnx", "--frames", photo)
    assert result.exit_code == 0, result.stderr
    assert "names, dtypes, shapes and card agree" in result.stdout
    assert "detections matched     2" in result.stdout
    assert "tolerances: fp32. Both sides compute in float32" in result.stdout


def test_verify_ends_with_1_and_a_picture_of_the_worst(graphs: Path, photo: Path, moved: Path, tmp_path: Path) -> None:
    picture = tmp_path / "worst.png"
    result = run_verb("verify", graphs / "quarters.onnx", moved, "--frames", photo, "--save", picture, "--json")
    assert result.exit_code == 1
    written = json.loads(result.stdout)
    assert (written["holds"], len(written["parity"]["unmatched"])) == (False, 4)
    assert written["worst"] == [{"source": str(photo), "frame": 0}]
    assert picture.is_file()
    assert "4 of 4 detections changed" in result.stderr


def test_verify_refuses_a_picture_s_name_before_it_works(graphs: Path, photo: Path, tmp_path: Path) -> None:
    result = run_verb(
        "verify", graphs / "none.onnx", graphs / "none.onnx", "--frames", photo, "--save", tmp_path / "w.txt"
    )
    assert result.exit_code == 2
    assert "w.txt: expected a name that ends in .png or .jpg, got .txt." in result.stderr


def test_inspect_prints_and_writes_a_page(graphs: Path, tmp_path: Path) -> None:
    result = run_verb("inspect", graphs / "quarters.onnx", "--html", tmp_path / "page.html")
    assert result.exit_code == 0, result.stderr
    for words in ("uint8 [N, 32, 32, 3]", "4: cat, cow, dog, horse", "GFLOPs", "sha256"):
        assert words in result.stdout
    assert ParsedPage((tmp_path / "page.html").read_text(encoding="utf-8")).title == "quarters.onnx"
    refused = run_verb("inspect", graphs / "quarters.onnx", "--html", tmp_path / "page.txt")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_inspect_takes_a_graph_without_a_card(graphs: Path) -> None:
    result = run_verb("inspect", graphs / "bad_no_card.onnx", "--json")
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert written["card"] is None
    assert written["operators"]["Cast"] == 4


def test_handover_says_how_it_is_served(graphs: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    result = run_verb("handover", graphs / "quarters.onnx", "--to", "triton", "-o", models, "--name", "animals")
    assert result.exit_code == 0, result.stderr
    assert f"tritonserver --model-repository {models} serves it as animals, in batches of up to 8" in result.stdout
    assert (models / "animals" / "config.pbtxt").is_file()


def test_handover_says_what_it_proved(graphs: Path, tmp_path: Path) -> None:
    result = run_verb("handover", graphs / "quarters.onnx", "--to", "frigate", "--frames", PHOTOS, "-o", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "what Frigate reads is equal in every bit" in result.stdout
    assert f"copy {tmp_path / 'quarters-frigate'} to Frigate's /config" in result.stdout

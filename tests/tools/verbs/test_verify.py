"""`singleshot verify` on graphs without a card, and what it asks for where there are cards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.tests.export.parity.test_raw_tensors import graph_at
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import GRAPHS


def test_graphs_without_a_card(tmp_path: Path) -> None:
    one, other = graph_at(tmp_path / "a.onnx"), graph_at(tmp_path / "b.onnx", factor=2.5)
    same = run_verb("verify", one, one, "--json")
    assert same.exit_code == 0
    content = json.loads(same.stdout)
    assert (content["holds"], content["runs"], content["outputs"][0]["absolute"]) == (True, 16, 0)
    different = run_verb("verify", one, other, "--max-frames", 2)
    assert different.exit_code == 1
    assert "DIFFERS y [1, 3, 8, 8]: absolute" in different.stdout
    assert "got 1 of 1 that differ" in different.stderr
    assert run_verb("verify", one, other, "--rtol", 0.3).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "--frames: expected a video, an image, a folder or a glob of images, got none", id="frames"),
        pytest.param(
            ["--frames", "x.mp4", "--atol", 1], "--atol, --rtol: expected with graphs without a card alone", id="atol"
        ),
    ],
)
def test_cards_bring_frames_and_tolerances(arguments: list[object], message: str) -> None:
    result = run_verb("verify", GRAPHS / "quarters.onnx", GRAPHS / "quarters.onnx", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_no_picture_without_detections(tmp_path: Path) -> None:
    path = graph_at(tmp_path / "a.onnx")
    result = run_verb("verify", path, path, "--save", tmp_path / "x.png")
    assert result.exit_code == 2
    assert "x.png: expected graphs with cards for a picture of their detections" in result.stderr

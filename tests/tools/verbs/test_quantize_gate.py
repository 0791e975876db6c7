"""`singleshot quantize --data` from the outside: what the gate lets through, and what it refuses."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from typer.testing import Result

from singleshot.export.gate import judge
from singleshot.export.gate.judge import GateSettings
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.hostile_detector import write_hostile


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile(tmp_path_factory.mktemp("quantize"))


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take intervals from a tenth of the resamples; how wide they are is tested below export."""
    monkeypatch.setattr(judge, "GateSettings", functools.partial(GateSettings, replicates=100))


def int8(folder: Path, name: str, out: Path, *further: object) -> Result:
    calibration = ("--images", folder / "photos", "--method", "minmax", "--count", 12)
    judged = ("--data", folder / "data", "--max-drop", 5)
    return run_verb("quantize", folder / f"{name}.onnx", *calibration, *judged, "-o", out, *further)


@pytest.mark.slow
def test_an_accepted_graph_comes_with_its_page_and_json(folder: Path, tmp_path: Path) -> None:
    done = int8(folder, "one", tmp_path / "one.int8.onnx", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["accuracy_measured"] is True
    assert record["gate"]["accepted"] == "int8 minmax, 1 of 5 blocks in float"
    assert record["gate"]["judged"][0]["deltas"][0]["drop"] > 50
    assert str(tmp_path / "one.int8.gate.html") in record["written"]
    assert (tmp_path / "one.int8.onnx").exists()
    assert "accepted: int8 minmax, 1 of 5 blocks in float: " in done.stderr
    assert "trying int8 minmax (48)" in done.stderr


def test_a_refusal_ends_with_1_the_figures_and_the_page_alone(folder: Path, tmp_path: Path) -> None:
    done = int8(folder, "all", tmp_path / "all.int8.onnx")
    assert done.exit_code == 1
    assert done.stdout == ""
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"error: {tmp_path / 'all.int8.onnx'}: expected a graph within 5 points of AP50:95 of")
    assert "got int8 minmax: " in error
    assert [path.name for path in tmp_path.iterdir()] == ["all.int8.gate.html"]


def test_fp16_is_gated_too(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.fp16.onnx"
    done = run_verb("quantize", folder / "one.onnx", "--fp16", "--data", folder / "data", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert "accepted: fp16: " in done.stderr
    assert "NOT measured" not in done.stdout
    assert out.exists()


@pytest.mark.parametrize(
    ("further", "message"),
    [
        pytest.param(("--max-drop", 1), "--max-drop: expected --data DIR with it, got none.", id="drop without data"),
        pytest.param(("--split", "val"), "--split: expected --data DIR with it, got none.", id="split without data"),
        pytest.param(("--gate-images", 9), "--gate-images: expected --data DIR with it, got none.", id="images alone"),
        pytest.param(("--strict",), "--strict: expected --data DIR with it, got none.", id="strict without data"),
        pytest.param(("--keep-float", "conv"), "--keep-float: expected --images with it, got none.", id="no int8"),
        pytest.param(
            ("--data", "nowhere"), "nowhere: expected a folder with labelled images, got none.", id="no folder"
        ),
        pytest.param(("--data", "{data}", "--split", "test"), "test: expected a split of data", id="no such split"),
        pytest.param(
            ("--data", "{data}", "--max-drop", -1), "--max-drop: expected points from 0 to 100", id="negative"
        ),
    ],
)
def test_what_cannot_be_asked_for(folder: Path, tmp_path: Path, further: tuple[object, ...], message: str) -> None:
    arguments = [str(item).format(data=folder / "data") for item in further]
    out = tmp_path / "out.onnx"
    done = run_verb("quantize", folder / "one.onnx", "--fp16", "-o", out, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr.replace("\n", " ")
    assert not out.exists()

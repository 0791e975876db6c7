"""`singleshot quantize` without labels, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.hostile_detector import patches


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:02d}.png"), patches(number))
    return folder


def test_int8_beside_the_graph(small_detector: Path, photos: Path, tmp_path: Path) -> None:
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    done = run_verb("quantize", graph, "--images", photos, "--method", "percentile", "--count", 8)
    assert done.exit_code == 0, done.stderr
    out = tmp_path / "small.int8.onnx"
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith(f"{out}: int8, ")
    assert second == "convolutions: 3 of 4 int8, ranges by percentile"
    assert f"NOT measured: accuracy. `singleshot evaluate {out} --data DIR` measures it" in done.stdout
    assert f"{tmp_path / 'small.int8.calibration.png'}" in done.stdout
    warnings = " ".join(done.stderr.split())
    assert "warning: fewer than 64 images seldom show a network's whole range" in warnings


def test_fp16_beside_the_graph_as_json(small_detector: Path, tmp_path: Path) -> None:
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    done = run_verb("quantize", graph, "--fp16", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["graph"] == str(tmp_path / "small.fp16.onnx")
    assert (record["precision"], record["quantized_convolutions"], record["accuracy_measured"]) == ("fp16", 0, False)


def test_table_is_kept_and_reused(small_detector: Path, photos: Path, tmp_path: Path) -> None:
    table, shared = tmp_path / "ranges.json", ("--images", photos, "--method", "mse", "--count", 8)
    runs = {"a": ("--save-table", table), "b": ("--table", table), "c": ("--table", table, "--seed", 1)}
    codes = [
        run_verb("quantize", small_detector, *shared, "-o", tmp_path / f"{name}.onnx", *more).exit_code
        for name, more in runs.items()
    ]
    assert codes == [0, 0, 2]
    assert not (tmp_path / "c.onnx").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param((), "error: --images: expected a folder or video to calibrate int8 on, got none.", id="no images"),
        pytest.param(
            ("--fp16", "--table", "t.json"), "error: --table: expected --images with it, got none.", id="a table alone"
        ),
        pytest.param(("--fp16", "--save-table", "t.json"), "error: --save-table: expected --images", id="none to keep"),
        pytest.param(("--images", "gone"), "error: gone: expected a folder of images or a video", id="no such folder"),
    ],
)
def test_options_that_do_not_go_together(small_detector: Path, options: tuple[str, ...], message: str) -> None:
    done = run_verb("quantize", small_detector, *options)
    assert done.exit_code == 2
    assert done.stderr.strip().splitlines()[-1].startswith(message)

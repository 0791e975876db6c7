"""`singleshot quantize` without labels, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from singleshot.tests.fixtures.hostile_detector import patches
from singleshot.tools.cli import app


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:02d}.png"), patches(number))
    return folder


def run(*arguments: object) -> int:
    """Run the verb in this process and return its exit code."""
    try:
        app(["quantize", *map(str, arguments)], standalone_mode=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_int8_beside_the_graph(
    small_detector: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    assert run(graph, "--images", photos, "--method", "percentile", "--count", 8) == 0
    printed = capsys.readouterr()
    out = tmp_path / "small.int8.onnx"
    first, second, *_ = printed.out.splitlines()
    assert first.startswith(f"{out}: int8, ")
    assert second == "convolutions: 3 of 4 int8, ranges by percentile"
    assert f"NOT measured: accuracy. `singleshot evaluate {out} --data DIR` measures it" in printed.out
    assert f"{tmp_path / 'small.int8.calibration.png'}" in printed.out
    warnings = " ".join(printed.err.split())
    assert "warning: fewer than 64 images seldom show a network's whole range" in warnings


def test_fp16_beside_the_graph_as_json(
    small_detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    assert run(graph, "--fp16", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["graph"] == str(tmp_path / "small.fp16.onnx")
    assert (record["precision"], record["quantized_convolutions"], record["accuracy_measured"]) == ("fp16", 0, False)


def test_table_is_kept_and_reused(small_detector: Path, photos: Path, tmp_path: Path) -> None:
    table, shared = tmp_path / "ranges.json", ("--images", photos, "--method", "mse", "--count", 8)
    assert run(small_detector, *shared, "-o", tmp_path / "a.onnx", "--save-table", table) == 0
    assert run(small_detector, *shared, "-o", tmp_path / "b.onnx", "--table", table) == 0
    assert run(small_detector, *shared, "-o", tmp_path / "c.onnx", "--table", table, "--seed", 1) == 2
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
def test_options_that_do_not_go_together(
    small_detector: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(small_detector, *options) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(message)

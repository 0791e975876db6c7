"""`singleshot build` and `export-engine`: what is printed, and every option that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from singleshot.export.graphs.graph_file import save_graph
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singleshot.export.engine.build.find_gpu", lambda: None)


def test_lines_say_what_was_built_and_what_nobody_has_seen(small_detector: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    result = run_verb("build", graph)
    assert result.exit_code == 0, result.stderr
    first, second, parity, state, card = result.stdout.splitlines()
    assert first.startswith(f"{tmp_path / 'small.fp16.engine'}: ")
    assert "for all GPUs of compute capability 8.0 and later that TensorRT-RTX supports (--sm 75 adds Turing)" in first
    assert second.startswith("convolutions of the plan: 4 half, ")
    assert second.endswith("kernel launches; not deserialised, not executed")
    assert parity.startswith("16 frames of dog.mp4, the fp16 graph in ONNX Runtime, not the plan: bits less exact than")
    assert "detections matched" in parity
    assert state == "not executed: no NVIDIA GPU was at hand"
    assert card == f"{tmp_path / 'small.fp16.engine.json'}: its card"


def test_a_graph_built_in_its_own_types_says_that_no_answers_were_compared(
    small_detector: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    result = run_verb("build", small_detector, "-o", tmp_path / "x.engine", "--precision", "fp32")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[2:4] == [
        "not executed: no NVIDIA GPU was at hand",
        "no answers were compared: the graph is compiled in the types that it has, so without its engine there is "
        "nothing to hold against it",
    ]


def test_json_is_the_card(small_detector: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    out = tmp_path / "x.engine"
    result = run_verb(
        "build", small_detector, "-o", out, "--precision", "fp32", "--batch", "1:2:4", "--sm", "75,86", "--json"
    )
    assert result.exit_code == 0, result.stderr
    card = json.loads(result.stdout)
    assert card == json.loads((tmp_path / "x.engine.json").read_text())
    assert (card["kind"], card["engine"]["precision"], card["engine"]["batch"]) == ("engine", "fp32", [1, 2, 4])
    assert card["engine"]["compute_capabilities"] == ["7.5", "8.6"]


def test_refused_operators_are_a_table(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    graph = small_detector_graph()
    nodes = graph.graph.node
    place = next(place for place, node in enumerate(nodes) if node.output[0] == "centred")
    nodes[place].input[0] = "moved"
    nodes.insert(place, helper.make_node("Add", ["first", "column"], ["moved"]))
    nodes.insert(place, helper.make_node("Unsqueeze", ["determinant", "axes"], ["column"]))
    nodes.insert(place, helper.make_node("Det", ["first"], ["determinant"], "odd"))  # [N, 3]
    graph.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    path = tmp_path / "odd.onnx"
    save_graph(graph, CARD, path)
    result = run_verb("build", path)
    assert result.exit_code == 2
    rows = [line.split("│")[1:3] for line in result.stderr.splitlines() if line.startswith("│")]
    assert ["odd", "Det"] in [[cell.strip() for cell in row] for row in rows]
    assert result.stderr.splitlines()[-1].startswith(f"error: {path}: expected operators that TensorRT-RTX")
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--batch", "1:4"], "--batch: expected a number, or three as in 1:4:8, got 1:4.", id="two numbers"
        ),
        pytest.param(
            ["--batch", "many"], "--batch: expected a number, or three as in 1:4:8, got many.", id="no number"
        ),
        pytest.param(["--batch", "0"], "--batch: expected 1 <= least <= best <= most, got 0:0:0.", id="none"),
        pytest.param(["--sm", "8.6"], "--sm: expected compute capabilities as in 86,89,120, got 8.6.", id="a dot"),
        pytest.param(["-o", "x.plan"], "x.plan: expected a name that ends in .engine, got .plan.", id="name"),
        pytest.param(["--max-drop", "1"], "--max-drop: expected --data DIR with it, to measure the drop", id="no data"),
        pytest.param(["--strict"], "--strict: expected --data DIR with it, got none.", id="strict about nothing"),
        pytest.param(["--anyway"], "--anyway: expected --data DIR with it, got none.", id="anyway without data"),
        pytest.param(["--keep-float", "head"], "--keep-float: expected with INT8 that is made now", id="nothing int8"),
        pytest.param(["--precision", "int8"], "--calib-images: expected images to make INT8 of", id="no images"),
        pytest.param(["--calib-images", "x"], "--calib-images: expected with INT8 of a float32 graph", id="no INT8"),
        pytest.param(["--rebuild-stale", "--sm", "86"], "--rebuild-stale: expected no --sm with it", id="settings"),
        pytest.param(["--rebuild-stale"], "{graph}: expected an engine with --rebuild-stale, got .onnx", id="graph"),
        pytest.param(["--backend", "tensorrt"], "--backend tensorrt: expected an NVIDIA GPU", id="no GPU"),
    ],
)
def test_wrong_option_is_one_line(small_detector: Path, arguments: list[str], message: str) -> None:
    result = run_verb("build", small_detector, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message.format(graph=small_detector)}")
    assert result.stdout == ""


def test_engine_that_does_not_fit_is_built_again(small_detector: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    engine = tmp_path / "small.fp16.engine"
    assert run_verb("build", graph).exit_code == 0
    fitting = run_verb("build", engine, "--rebuild-stale")
    assert (fitting.exit_code, fitting.stderr) == (0, "")
    assert fitting.stdout == f"{engine}: fits its card, its graph and this machine; nothing was done\n"
    engine.write_bytes(engine.read_bytes() + b"x")
    again = run_verb("build", engine, "--rebuild-stale", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["engine"]["precision"] == "fp16"
    assert again.stderr.startswith(f"{engine}: expected the plan of its card, sha256 ")
    assert run_verb("build", engine, "--rebuild-stale").stdout.endswith("nothing was done\n")


def test_missing_graph(tmp_path: Path) -> None:
    result = run_verb("build", tmp_path / "none.onnx")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path / 'none.onnx'}: expected an ONNX graph, got no such file.\n"

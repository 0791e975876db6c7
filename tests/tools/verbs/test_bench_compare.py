"""`singleshot bench --compare` and `--tails`: who was measured, in turns; speed is not asserted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from singleshot.runtime.errors import InputError
from singleshot.runtime.shipped import CLIP
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tools.benchmarks.tail_latency import CANDIDATES, TAILS, generated_heads, heads_of_graph, measure_tails


def test_graphs_and_backends_take_turns(graphs: Path) -> None:
    pytest.importorskip("openvino")
    first = str(graphs / "quarters.onnx")
    rivals = (first, f"{first}@openvino", str(graphs / "quarters_classifier.onnx"))
    options = [word for rival in rivals for word in ("--compare", rival)]
    done = run_verb("bench", *options, "--frames", 2, "--repeats", 3, "--threads", 1, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert [item["name"] for item in report["rivals"]] == list(rivals)
    assert [item["backend"] for item in report["rivals"]][1] == "openvino fp32 (CPU)"
    assert report["rivals"][0]["speed_up"] == 1
    for item in report["rivals"]:
        assert 0 < item["least_ms"] <= item["median_ms"] <= item["most_ms"]
    assert (report["frames"], report["repeats"]) == (2, 3)
    assert len(report["load"]) == 2


def test_a_graph_of_others_is_timed_as_it_is(graphs: Path, tmp_path: Path) -> None:
    other = _other_graph(tmp_path / "other.onnx", TensorProto.FLOAT)
    done = run_verb(
        "bench", "--compare", other, "--compare", graphs / "quarters.onnx", "--frames", 2, "--repeats", 1, "--json"
    )
    assert done.exit_code == 0, done.stderr
    first, second = json.loads(done.stdout)["rivals"]
    assert (first["name"], first["backend"]) == (str(other), "onnxruntime, as it is")
    assert second["backend"].startswith("onnxruntime (")
    assert first["median_ms"] > 0


def test_a_graph_that_takes_no_images_is_refused(graphs: Path, tmp_path: Path) -> None:
    other = _other_graph(tmp_path / "other.onnx", TensorProto.INT64)
    done = run_verb("bench", "--compare", other, "--compare", graphs / "quarters.onnx")
    assert done.exit_code == 2
    assert "expected an input of float32, float16 or uint8, got x of tensor(int64)" in done.stderr


def _other_graph(path: Path, dtype: int) -> Path:
    """Write a graph that only adds its input, of open size, to itself."""
    values = [helper.make_tensor_value_info(name, dtype, ["N", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "other", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    return path


def test_a_busy_machine_is_said(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 1.0, 1.0))
    graph = graphs / "quarters.onnx"
    done = run_verb("bench", "--compare", graph, "--compare", graph, "--frames", 1, "--repeats", 1)
    assert done.exit_code == 0, done.stderr
    assert "load 9.0 before" in done.stdout
    assert "The machine was busy" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--compare", "a.onnx"], "--compare: expected at least 2 graphs, got 1", id="one"),
        pytest.param(["x.onnx", "--compare", "a.onnx"], "--compare: expected no MODEL", id="a model beside it"),
        pytest.param(["--tails", "--backend", "openvino"], "--tails: expected no --backend", id="tails elsewhere"),
        pytest.param(["--compare", "a.onnx@x", "--compare", "b.onnx"], "behind the @, got 'x'", id="unknown runner"),
    ],
)
def test_what_cannot_be_compared_is_one_line(arguments: list[str], message: str) -> None:
    done = run_verb("bench", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_tail_and_k_is_timed(small_detector: Path) -> None:
    frames = [np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)]
    done: list[int] = []
    heads = [generated_heads(), heads_of_graph(small_detector, frames)]
    found = measure_tails(heads[1:], repeats=2, threads=1, on_round=done.append)
    assert [(item.tail, item.candidates) for item in found] == [(t, k) for t in TAILS for k in CANDIDATES]
    assert {(item.heads, item.boxes, item.classes) for item in found} == {(small_detector.name, 256, 2)}
    assert all(0 < item.least_ms <= item.median_ms for item in found)
    assert done == [1, 2]
    assert heads[0].frames[0].class_logits.shape == (8732, 21)


def test_heads_that_are_not_named_are_not_timed(graphs: Path) -> None:
    with pytest.raises(InputError, match=r"quarters\.onnx: expected a detector that names its heads"):
        heads_of_graph(graphs / "quarters.onnx", [])


def test_tails_are_a_table(small_detector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singleshot.tools.benchmarks.tail_latency.BOXES", 300)
    monkeypatch.setattr("singleshot.tools.benchmarks.tail_latency.CANDIDATES", (20,))
    monkeypatch.setattr("singleshot.tools.benchmarks.bench_tables._TAIL_ROUNDS", 1)
    done = run_verb("bench", small_detector, "--tails", "--repeats", 1, "--video", CLIP)
    assert done.exit_code == 0, done.stderr
    for words in ("300 x 20", "256 x 2", "cluster", "median ms"):
        assert words in done.stdout

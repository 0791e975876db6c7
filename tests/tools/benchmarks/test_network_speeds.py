"""Networks timed here: each by everyone who can compute it, quantized as `quantize` would."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from singleshot.calib.int8.quantized_graph import quantized_convolutions
from singleshot.runtime.backends import Installed
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tools.benchmarks import network_speeds
from singleshot.tools.benchmarks.network_speeds import measure_networks


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_speeds, "_FRAMES", 2)
    monkeypatch.setattr(network_speeds, "_REPEATS", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_each_is_timed_by_each() -> None:
    pytest.importorskip("openvino")
    done = run_verb("models", "ssd7", "--measure", "--json")
    assert done.exit_code == 0, done.stderr
    for item in json.loads(done.stdout):
        assert list(item["ms"])[:2] == ["onnxruntime (CPU)", "openvino fp32 (CPU)"]
        assert "openvino int8 + fp32 (CPU)" in item["ms"]
        assert all(ms > 0 for ms in item["ms"].values())
    assert "1 repetitions of 2 calls" in done.stderr
    assert "not one detection" not in done.stderr
    assert "as asked for" not in done.stderr


@pytest.mark.usefixtures("briefly")
def test_without_openvino_its_columns_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_speeds, "find_spec", lambda _name: None)
    told: list[str] = []
    speeds = measure_networks(["ssd7_classifier"], class_count=2, tell=told.append)
    assert list(speeds.ms["ssd7_classifier"]) == ["onnxruntime (CPU)"]
    assert told[0] == "openvino is not installed: pip install 'singleshot[openvino]' brings its columns"


def test_without_bfloat16_its_column_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Installed(has_cuda=False, has_openvino=True, has_bf16=lambda: False, processor="")
    monkeypatch.setattr(network_speeds, "find_spec", lambda _name: object())
    monkeypatch.setattr(network_speeds, "this_machine", lambda: here)
    told: list[str] = []
    assert ("openvino:bf16" in dict(network_speeds._contenders(told.append)).values()) is False
    assert told == ["no column for bf16, which this processor does not compute"]


def test_what_is_timed_in_int8_is_quantized(tmp_path: Path) -> None:
    network_speeds._save_graphs(tmp_path, "ssd7", 3)
    quantized = onnx.load(str(tmp_path / "ssd7.int8.onnx"))
    count = sum(node.op_type == "Conv" for node in quantized.graph.node)
    assert len(quantized_convolutions(quantized)) == count - 4  # the predictors of classes stay float

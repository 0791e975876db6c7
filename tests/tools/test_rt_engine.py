"""`rt-detect` with an engine, on a GPU that is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.runtime.engines.fake_cuda import FakeGpu
from singleshot.tests.runtime.engines.fake_engine import install_fakes, write_engine
from singleshot.tests.runtime.engines.fake_tensorrt_runtime import TensorRtState

WriteVideo = Callable[..., Path]


def test_an_engine_runs(monkeypatch: pytest.MonkeyPatch, write_video: WriteVideo, tmp_path: Path) -> None:
    state = TensorRtState(gpu=FakeGpu())
    install_fakes(monkeypatch, state)
    video = write_video(times_s=[0.0, 0.1, 0.2])
    lines = tmp_path / "found.jsonl"
    result = run_verb(
        "rt-detect", "--video", video, "--model", write_engine(tmp_path), "--trust", "--json", lines, "--score", "0.05"
    )
    assert result.exit_code == 0, result.output
    backend = "TensorRT 10.3.0 (Fake RTX, cuda-python"
    assert f"backend: {backend}" in result.stderr
    assert backend in result.stdout
    assert len(lines.read_text().splitlines()) == 3
    assert state.executions == 2 + 3  # warm-up, then each frame once
    assert state.gpu.alive == {}


def test_an_engine_of_somebody_else(monkeypatch: pytest.MonkeyPatch, write_video: WriteVideo, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    state = TensorRtState(gpu=FakeGpu())
    install_fakes(monkeypatch, state)
    result = run_verb("rt-detect", "--video", write_video(times_s=[0.0]), "--model", write_engine(tmp_path))
    assert result.exit_code == 2
    assert "if you know where it comes from, give --trust" in result.stderr
    assert state.calls == []


def test_trust_is_for_engines(write_video: WriteVideo, graphs: Path) -> None:
    result = run_verb(
        "rt-detect", "--video", write_video(times_s=[0.0]), "--model", graphs / "quarters.onnx", "--trust"
    )
    assert result.exit_code == 2
    assert result.stderr.endswith("trust: expected with an engine alone, whose file can run code, got quarters.onnx.\n")

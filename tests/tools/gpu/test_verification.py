"""What is tried on a GPU, with the GPU and the compiler stood in for: steps, figures, failures that do not end it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from singleshot.runtime.engines import open_cuda
from singleshot.runtime.engines.cuda import CudaDevice
from singleshot.runtime.errors import CheckError, InputError, NoDeviceError
from singleshot.runtime.runners.onnxruntime_runner import OnnxRuntimeRunner
from singleshot.tests.runtime.engines.fake_cuda import FakeGpu, cudart_of
from singleshot.tools.gpu import verification
from singleshot.tools.gpu.report import gpu_report
from singleshot.tools.gpu.verification import GpuVerification, Step, time_copies, verify_on_gpu


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    gpu = FakeGpu()
    monkeypatch.setattr(open_cuda, "installed_layers", lambda: ("cuda-python",))
    monkeypatch.setattr(verification, "installed_layers", lambda: ("cuda-python",))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cudart_of(gpu))
    return gpu


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of two images with something bright in each quarter."""
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2):
        picture = np.zeros((32, 32, 3), np.uint8)
        picture[:16, :16], picture[16:, 16:] = 200, 60 * number
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder


def stand_in(monkeypatch: pytest.MonkeyPatch, graph: Path) -> list[str]:
    """Install TensorRT alone: its compiler writes nothing, ONNX Runtime runs a graph for it. Gives what was built."""
    built: list[str] = []

    def build_engine(source: Path, out: Path, *, precision: str, backend: str, settings: Any) -> SimpleNamespace:
        built.append(f"{source.name} {backend} {precision} {settings.batch.as_tuple()}")
        if precision == "fp32":
            raise InputError(f"{source}: expected a graph\nthat can be built.")
        return SimpleNamespace(build_s=2.0, size=3_000_000, notes=("a note",))

    def runner(_path: Path, *, captures: bool = True) -> OnnxRuntimeRunner:
        runner = OnnxRuntimeRunner(graph, on_cpu=True)
        runner.name = f"TensorRT ({'CUDA graph' if captures else 'no CUDA graph'})"
        return runner

    monkeypatch.setattr(verification, "build_engine", build_engine)
    monkeypatch.setattr(verification, "TensorRtRunner", runner)
    monkeypatch.setattr(verification, "find_spec", lambda module: module if module == "tensorrt" else None)
    return built


def test_every_step_is_tried(
    monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu, graphs: Path, frames: Path, tmp_path: Path
) -> None:
    graph = graphs / "quarters.onnx"
    built = stand_in(monkeypatch, graph)
    told: list[str] = []
    found = verify_on_gpu(graph, frames=str(frames), count=2, folder=tmp_path, int8_graph=graph, on_step=told.append)
    batches = ("(1, 1, 1)", "(1, 4, 8)")
    assert built == [f"quarters.onnx tensorrt {kind} {batch}" for kind in ("fp32", "fp16", "int8") for batch in batches]
    assert [step.name for step in found.steps] == told
    assert told[0] == "copies by cuda-python"
    assert told[-1] == "engine tensorrt int8 batch 1:4:8"
    outcome = {step.name: step.holds for step in found.steps}
    assert [name for name, holds in outcome.items() if not holds] == [
        "engine tensorrt fp32 batch 1",
        "engine tensorrt fp32 batch 1:4:8",
    ]
    with pytest.raises(CheckError, match="got trouble with engine tensorrt fp32 batch 1; engine"):
        found.check()
    assert gpu.alive == {}
    report = gpu_report(found)
    assert "## Fake RTX, compute capability 8.6" in report
    assert "| engine tensorrt fp16 batch 1 | works |" in report
    assert "| engine tensorrt fp32 batch 1 | fails |" in report
    assert "expected a graph that can be built." in report
    assert "**engine tensorrt fp16 batch 1**; TensorRT (CUDA graph); a note" in report
    assert "- one frame, call by call, ms: " in report
    assert "- page-locked memory to the GPU, ms: 1.000" in report
    written = json.loads(json.dumps(found.to_dict()))
    assert written["steps"][-1]["parity"]["matched"] > 0


def test_an_engine_that_says_something_else_is_told(
    monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu, graphs: Path, frames: Path, tmp_path: Path
) -> None:
    blind = onnx.load(str(graphs / "quarters.onnx"))
    factor = next(item for item in blind.graph.initializer if item.name == "factor")
    factor.CopyFrom(onnx.numpy_helper.from_array(np.zeros_like(onnx.numpy_helper.to_array(factor)), "factor"))
    onnx.save(blind, str(tmp_path / "blind.onnx"))
    stand_in(monkeypatch, tmp_path / "blind.onnx")
    found = verify_on_gpu(graphs / "quarters.onnx", frames=str(frames), count=2, folder=tmp_path)
    step = next(step for step in found.steps if step.name == "engine tensorrt fp16 batch 1")
    assert step.parity is not None
    assert step.parity.unmatched
    assert "| engine tensorrt fp16 batch 1 | differs |" in gpu_report(found)


def test_no_gpu(gpu: FakeGpu, graphs: Path, frames: Path, tmp_path: Path) -> None:
    gpu.devices = 0
    with pytest.raises(NoDeviceError):
        verify_on_gpu(graphs / "quarters.onnx", frames=str(frames), count=2, folder=tmp_path)


def test_copies_that_come_back_changed(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> None:
    monkeypatch.setattr(gpu, "memory", lambda _address, size: memoryview(bytearray(size)))
    with pytest.raises(CheckError, match="expected the bytes that were sent to the GPU, got others back"):
        time_copies("copies", "cuda-python", 64)
    assert gpu.alive == {}


def test_nothing_executed_is_no_success() -> None:
    device = CudaDevice(name="Fake RTX", compute_capability="8.6")
    found = GpuVerification(
        device=device, driver=(), packages={}, graph="a.onnx", frames="none", steps=(Step(name="copies"),)
    )
    with pytest.raises(CheckError, match="got neither TensorRT nor TensorRT-RTX installed"):
        found.check()

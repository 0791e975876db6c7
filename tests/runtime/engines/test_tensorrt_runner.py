"""An engine's session: what is allocated, in which order it is worked and freed, and what happens when things fail."""

from __future__ import annotations

import gc
import re
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.runtime.engines.open_cuda import LayerName
from singleshot.runtime.engines.tensorrt_runner import TensorRtRunner
from singleshot.runtime.errors import DeviceError, InputError, MissingDependencyError
from singleshot.runtime.session import open_session

from .fake_cuda import FakeGpu
from .fake_engine import SIDE, detector_tensors, install_fakes, write_engine
from .fake_tensorrt_runtime import TensorRtState

LAYERS = get_args(LayerName)
BATCHES = st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=4), max_size=8)
"""The brightness of each frame, run after run."""


@pytest.fixture
def state() -> TensorRtState:
    return TensorRtState(gpu=FakeGpu())


def grey(*brightness: int) -> np.ndarray:
    """[N, 8, 8, 3] frames, each of one grey."""
    return np.array(brightness, np.uint8).repeat(SIDE * SIDE * 3).reshape(-1, SIDE, SIDE, 3)


def scores(session: object, frames: np.ndarray) -> list[float]:
    """The score of the first detection of each frame, on the scale of the brightness."""
    return [round(255 * float(found.scores[0])) for found in session.run(frames)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_rtx", [False, True], ids=["TensorRT", "RTX"])
@pytest.mark.parametrize("layer", ["cuda-python", "pycuda"])
def test_frames_go_in_and_detections_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: LayerName, is_rtx: bool
) -> None:
    state = TensorRtState(gpu=FakeGpu(), is_rtx=is_rtx)
    install_fakes(monkeypatch, state, layer=layer)
    path = write_engine(tmp_path, compiler="tensorrt_rtx" if is_rtx else "tensorrt")
    told: list[str] = []
    with open_session(path, trust=True, tell=told.append) as session:
        for brightness in (10, 200, 60):
            assert scores(session, grey(brightness)) == [brightness]
        title = "TensorRT-RTX 10.3.0" if is_rtx else "TensorRT 10.3.0"
        assert session.backend.startswith(f"{title} (Fake RTX, {layer}")
        assert session.backend.endswith("CUDA graph)" if layer == "cuda-python" else "pycuda cannot record one)")
        assert told == [f"backend: {session.backend}"]
        assert not state.runtimes[0].engine_host_code_allowed
    gc.collect()
    assert state.gpu.alive == {}


def test_a_result_is_the_callers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    install_fakes(monkeypatch, state)
    with open_session(write_engine(tmp_path), trust=True) as session:
        (first,) = session.run(grey(10))
        session.run(grey(250))
        assert round(255 * float(first.scores[0])) == 10


def test_memory_is_allocated_once_and_the_graph_launched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState
) -> None:
    install_fakes(monkeypatch, state)
    with open_session(write_engine(tmp_path), trust=True) as session:
        assert state.executions == 2  # the warm-up: call by call, then as a graph
        state.gpu.calls.clear()
        for brightness in range(5):
            assert scores(session, grey(brightness)) == [brightness]
        assert state.gpu.calls == ["cudaGraphLaunch", "cudaEventRecord", "cudaEventSynchronize"] * 5


def test_freed_in_the_reverse_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    install_fakes(monkeypatch, state)
    runner = TensorRtRunner(write_engine(tmp_path), trust=True)
    state.gpu.calls.clear()
    state.calls.clear()
    runner.close()
    kept = ["cudaFree", "cudaFreeHost", "cudaStreamDestroy", "cudaGraphExecDestroy", "cudaStreamSynchronize"]
    order = [name for name in state.gpu.calls if name in kept]
    assert order == [
        "cudaStreamSynchronize",
        "cudaGraphExecDestroy",
        "cudaFree",  # scratch memory, once the context is gone
        *["cudaFreeHost", "cudaFree"] * 6,
        "cudaStreamDestroy",
    ]
    assert state.calls == ["context freed", "engine freed"]
    assert state.gpu.alive == {}
    runner.close()  # a second time does nothing


def test_batches_within_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path, profiles=((1, 2, 4),))
    with open_session(path, trust=True) as session:
        for frames in ((1,), (1, 2, 3, 4), (7,), (5, 6), (8, 9), (1, 0), (3, 4)):
            assert scores(session, grey(*frames)) == list(frames)
        assert [call for call in state.calls if call.startswith("shape")] == [
            "shape 1",
            "shape 4",
            "shape 1",
            "shape 2",  # four runs in a row: the first by calls, the second records
        ]
        assert state.gpu.calls.count("cudaStreamBeginCapture") == 2
        with pytest.raises(InputError) as caught:
            session.run(grey(1, 2, 3, 4, 5))
        assert scores(session, grey(9)) == [9]
    assert str(caught.value) == (
        f"frames: expected 1 to 4 at once, as {path} was built for, got 5. "
        f"`singleshot build {tmp_path / 'small.onnx'} --batch 1:5:5` builds one that takes them."
    )
    assert state.gpu.alive == {}


@settings(max_examples=50)
@given(
    batches=st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=4), max_size=8), layer=st.sampled_from(LAYERS)
)
def test_whatever_comes_before_each_frame_has_its_own_answer(batches: list[list[int]], layer: LayerName) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, TemporaryDirectory() as folder:
        state = TensorRtState(gpu=FakeGpu())
        install_fakes(monkeypatch, state, layer=layer)
        with open_session(write_engine(Path(folder), profiles=((1, 2, 4),)), trust=True) as session:
            assert [scores(session, grey(*batch)) for batch in batches] == batches
        assert state.gpu.alive == {}


def test_the_profile_that_takes_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState
) -> None:
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path, tensors=detector_tensors(-1), profiles=((1, 1, 1), (3, 4, 4)))
    with open_session(path, trust=True) as session:
        assert scores(session, grey(1, 2, 3)) == [1, 2, 3]
        assert scores(session, grey(1, 2, 3, 4)) == [1, 2, 3, 4]
        assert scores(session, grey(5)) == [5]
        with pytest.raises(InputError, match="expected 1 or 3 to 4 at once"):
            session.run(grey(1, 2))
    assert [call for call in state.calls if call.startswith("profile")] == ["profile 1", "profile 0"]


def test_a_fixed_batch_is_held_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    install_fakes(monkeypatch, state)
    with open_session(write_engine(tmp_path, profiles=((2, 2, 2),)), trust=True) as session:
        assert scores(session, grey(1, 2)) == [1, 2]
        assert scores(session, grey(7)) == [7], "one is filled up"
        with pytest.raises(InputError, match=r"expected uint8 \[2, 8, 8, 3\], got uint8 \[3, 8, 8, 3\]"):
            session.run(grey(1, 2, 3))


def test_without_a_graph_the_calls_are_made_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState
) -> None:
    state.gpu.uncapturable = True
    install_fakes(monkeypatch, state)
    with open_session(write_engine(tmp_path), trust=True) as session:
        assert re.search(r"no CUDA graph: cuda-python.*: cudaStreamEndCapture failed: .*capture\)$", session.backend)
        state.gpu.calls.clear()
        assert [scores(session, grey(brightness)) for brightness in (3, 4, 5)] == [[3], [4], [5]]
        assert "cudaStreamBeginCapture" not in state.gpu.calls
        assert state.gpu.calls.count("cudaMemcpyAsync") == 3 * 6
        assert state.gpu.take_last_error()[0] == 0  # nothing is left for TensorRT to find
    assert state.gpu.alive == {}


def test_rtx_says_what_cannot_be_captured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = TensorRtState(gpu=FakeGpu(), is_rtx=True, capturable=False)
    install_fakes(monkeypatch, state)
    with open_session(write_engine(tmp_path, compiler="tensorrt_rtx"), trust=True) as session:
        assert "no CUDA graph: TensorRT-RTX says that" in session.backend
        assert scores(session, grey(77)) == [77]
    assert "cudaStreamBeginCapture" not in state.gpu.calls


def test_what_rtx_compiled_is_kept_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_folders: Path
) -> None:
    state = TensorRtState(gpu=FakeGpu(), is_rtx=True)
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path, compiler="tensorrt_rtx")
    for times_read in (0, 1):
        TensorRtRunner(path, trust=True).close()
        assert state.calls.count("cache read") == times_read
    (kept,) = (own_folders / "cache" / "singleshot" / "tensorrt-rtx").iterdir()
    kept.write_bytes(b"of another driver")
    TensorRtRunner(path, trust=True).close()
    assert state.calls.count("cache refused") == 1
    assert kept.read_bytes() == b"kernels"


def test_a_graph_is_not_used_where_it_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState
) -> None:
    install_fakes(monkeypatch, state)
    runner = TensorRtRunner(write_engine(tmp_path), trust=True, captures=False)
    assert runner.name.endswith("no CUDA graph: not asked for)")
    assert round(255 * float(runner.infer(grey(9))["det_scores"][0, 0])) == 9
    runner.close()
    assert "cudaStreamBeginCapture" not in state.gpu.calls


@pytest.mark.parametrize("succeeding", range(7))
@pytest.mark.parametrize("function", ["cudaMalloc", "cudaHostAlloc", "cudaEventRecord", "cudaMemcpyAsync"])
def test_an_error_while_opening_frees_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState, function: str, succeeding: int
) -> None:
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path)
    state.gpu.fails[function] = succeeding
    with suppress(DeviceError):  # a session that makes fewer calls comes to be
        TensorRtRunner(path, trust=True).close()
    gc.collect()
    assert state.gpu.alive == {}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        pytest.param("create_execution_context", "could not make an execution context", id="context"),
        pytest.param("set_tensor_address", "could not take the address of frames", id="address"),
        pytest.param("set_input_shape", r"could not take 1 frames", id="shape"),
        pytest.param("execute_async_v3", r"TensorRT 10\.3\.0 could not execute", id="execution"),
    ],
)
def test_what_tensorrt_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState, method: str, message: str
) -> None:
    install_fakes(monkeypatch, state)
    state.fails.add(method)
    with pytest.raises(DeviceError, match=message) as caught:
        open_session(write_engine(tmp_path), trust=True)
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()
    assert state.gpu.alive == {}


def test_a_shape_that_tensorrt_infers_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState
) -> None:
    install_fakes(monkeypatch, state)
    state.tensor_shape_of_outputs = (1, 3)
    with pytest.raises(DeviceError, match=r"could not give det_boxes as \[1, 5, 4\], its shape is \[1, 3\]"):
        open_session(write_engine(tmp_path), trust=True)


def test_a_run_that_fails_leaves_the_session_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState
) -> None:
    install_fakes(monkeypatch, state, layer="pycuda")
    with open_session(write_engine(tmp_path), trust=True) as session:
        state.fails.add("execute_async_v3")
        with pytest.raises(DeviceError, match="could not execute"):
            session.run(grey(1))
        state.fails.clear()
        assert scores(session, grey(2)) == [2]
        state.fails.add("execute_async_v3")
        with pytest.raises(DeviceError, match="could not execute"):
            session.run(grey(1))
    gc.collect()
    assert state.gpu.alive == {}


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        pytest.param(
            "num_dets", ("OUTPUT", "INT64", (1, 1)), r"expected num_dets int32 \[N, 1\], got int64 \[1, 1\]", id="type"
        ),
        pytest.param(
            "det_boxes",
            ("OUTPUT", "FLOAT", (1, 7, 4)),
            r"expected det_boxes float32 \[N, 5, 4\], got float32 \[1, 7, 4\]",
            id="shape",
        ),
        pytest.param(
            "det_scores", ("OUTPUT", "HALF", (1, 5)), "expected det_scores float32 .* got float16", id="half precision"
        ),
        pytest.param("extra", ("OUTPUT", "FLOAT", (1, 1)), "expected the outputs num_dets, .* extra", id="name"),
    ],
)
def test_engine_outside_the_contract(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: TensorRtState,
    name: str,
    tensor: tuple[str, str, tuple[int, ...]],
    message: str,
) -> None:
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path, tensors={**detector_tensors(), name: tensor})
    with pytest.raises(InputError, match=message) as caught:
        open_session(path, trust=True)
    assert f"`singleshot build --rebuild-stale {path}` builds it again" in str(caught.value)
    del caught
    gc.collect()
    assert state.gpu.alive == {}


def test_no_runtime_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    state.gpu.devices = 0
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path)
    with pytest.raises(InputError, match=r"The graph that it was built from, small\.onnx, runs without one"):
        open_session(path, trust=True)
    (tmp_path / "small.onnx").touch()
    with pytest.raises(InputError) as caught:
        open_session(path, trust=True)
    text = str(caught.value)
    assert text.startswith(f"{path}: expected an NVIDIA GPU to run an engine on, got none (cuda-python")
    assert text.endswith(
        "cudaGetDeviceCount failed: CUDA driver version is insufficient for CUDA runtime version). "
        f"The graph runs here: rt-detect --model {tmp_path / 'small.onnx'}"
    )
    assert state.calls == []


def test_checks_come_before_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path)
    with pytest.raises(InputError, match=r"is not in your list of builds.*--trust"):
        open_session(path)
    path.write_bytes(b"another plan")
    with pytest.raises(InputError, match="expected the plan of its card"):
        open_session(path, trust=True)
    install_fakes(monkeypatch, state, version="11.1.0")
    with pytest.raises(InputError, match=r"expected TensorRT 10\.3\.0, which it was built by, got TensorRT 11\.1\.0"):
        open_session(write_engine(tmp_path), trust=True)
    assert state.calls == []
    assert state.gpu.alive == {}


def test_a_plan_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    install_fakes(monkeypatch, state)
    path = write_engine(tmp_path, plan=b"no plan")
    with pytest.raises(
        InputError,
        match=r"expected a plan that TensorRT 10\.3\.0 can load, got an error \(magic tag does not match\)\. `singles",
    ):
        open_session(path, trust=True)


def test_tensorrt_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: TensorRtState) -> None:
    install_fakes(monkeypatch, state)
    monkeypatch.setattr("importlib.import_module", _without("tensorrt"))
    with pytest.raises(MissingDependencyError, match=r"needs the package 'tensorrt'.*singleshot\[tensorrt\]"):
        open_session(write_engine(tmp_path), trust=True)


@pytest.mark.parametrize(
    ("option", "choice"), [("backend", "openvino"), ("precision", "bf16"), ("threads", 2)], ids=str
)
def test_options_of_graphs_are_refused(tmp_path: Path, option: str, choice: object) -> None:
    with pytest.raises(InputError, match=f"{option}: expected none with an engine, .* got {choice}"):
        open_session(write_engine(tmp_path), **{option: choice})  # type: ignore[arg-type]


def _without(missing: str) -> object:
    import importlib

    real = importlib.import_module

    def import_module(name: str) -> object:
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name)

    return import_module

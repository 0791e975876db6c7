"""The CUDA layers: each is the same small protocol; each is held against the names of its package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

import numpy as np
import pytest

from singleshot.runtime.engines import open_cuda as cuda_opening
from singleshot.runtime.engines.cuda import CudaLayer
from singleshot.runtime.engines.open_cuda import LayerName, installed_layers, open_cuda
from singleshot.runtime.errors import DeviceError, InputError, MissingDependencyError, NoDeviceError

from .fake_cuda import FakeGpu, Status, cudart_of
from .fake_pycuda import pycuda_of


def open_layer(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu, layer: LayerName) -> CudaLayer:
    monkeypatch.setattr(cuda_opening, "installed_layers", lambda: ("cuda-python", "pycuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cudart_of(gpu))
    monkeypatch.setitem(sys.modules, "pycuda.driver", pycuda_of(gpu))
    return open_cuda(layer)


@pytest.mark.parametrize("layer", ["cuda-python", "pycuda"])
def test_what_goes_to_the_gpu_comes_back(monkeypatch: pytest.MonkeyPatch, layer: LayerName) -> None:
    gpu = FakeGpu()
    cuda = open_layer(monkeypatch, gpu, layer)
    assert (cuda.device.name, cuda.device.compute_capability) == ("Fake RTX", "8.6")
    assert cuda.name.startswith(layer)
    address, there, back = cuda.allocate_device(16), cuda.allocate_pinned(16), cuda.allocate_pinned(16)
    stream, start, end = cuda.create_stream(), cuda.create_event(), cuda.create_event()
    there[:] = np.arange(16)
    back[:] = 0
    cuda.record_event(start, stream)
    cuda.copy_to_device(address, there, stream)
    cuda.copy_to_host(back, address, stream)
    cuda.record_event(end, stream)
    assert back.tolist() == [0] * 16  # nothing is done before somebody waits
    cuda.wait_for_event(end)
    assert back.tolist() == list(range(16))
    assert cuda.elapsed_ms(start, end) == 1.5
    cuda.copy_to_device(address, back[:4], stream)  # part of a buffer
    cuda.wait_for_stream(stream)
    for event in (start, end):
        cuda.destroy_event(event)
    cuda.destroy_stream(stream)
    for memory in (there, back):
        cuda.free_pinned(memory)
    cuda.free_device(address)
    cuda.close()
    assert gpu.alive == {}


def test_a_recorded_graph_replays_with_what_the_memory_holds_then(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu()
    cuda = open_layer(monkeypatch, gpu, "cuda-python")
    assert cuda.capture is not None
    address, there, back, stream = _parts(cuda)

    def work() -> None:
        cuda.copy_to_device(address, there, stream)
        cuda.copy_to_host(back, address, stream)

    graph = cuda.capture.record(stream, work)
    for value in (7, 9):
        there[:] = value
        cuda.capture.launch(graph, stream)
        cuda.wait_for_stream(stream)
        assert set(back.tolist()) == {value}
    cuda.capture.destroy(graph)
    assert len(gpu.alive) == 4


@pytest.mark.parametrize("failing", ["cudaGraphInstantiate", "cudaMemcpyAsync", "cudaStreamEndCapture"])
def test_a_recording_that_fails_leaves_the_stream_usable(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    gpu = FakeGpu(uncapturable=failing == "cudaStreamEndCapture")
    cuda = open_layer(monkeypatch, gpu, "cuda-python")
    assert cuda.capture is not None
    address, there, back, stream = _parts(cuda)
    gpu.fails = {} if gpu.uncapturable else {failing: 0}
    with pytest.raises(DeviceError, match=f"{failing} failed: "):
        cuda.capture.record(stream, lambda: cuda.copy_to_device(address, there, stream))
    gpu.fails = {}
    assert gpu.take_last_error()[0] == 0  # or TensorRT's next look would find it
    assert len(gpu.alive) == 4
    there[:] = 3
    cuda.copy_to_device(address, there, stream)
    cuda.copy_to_host(back, address, stream)
    cuda.wait_for_stream(stream)
    assert set(back.tolist()) == {3}


def test_pycuda_records_no_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_layer(monkeypatch, FakeGpu(), "pycuda").capture is None


@pytest.mark.parametrize(
    ("layer", "act", "message"),
    [
        pytest.param("cuda-python", "cudaMalloc", r"cuda-python.*: cudaMalloc failed: out of memory\.", id="cuda"),
        pytest.param("pycuda", "mem_alloc", r"pycuda.*: mem_alloc failed: out of memory\.", id="pycuda"),
    ],
)
def test_what_the_gpu_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, layer: LayerName, act: str, message: str
) -> None:
    gpu = FakeGpu()
    cuda = open_layer(monkeypatch, gpu, layer)
    gpu.fails[act] = 0
    with pytest.raises(DeviceError, match=message):
        cuda.allocate_device(16)


@pytest.mark.parametrize("layer", ["cuda-python", "pycuda"])
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, layer: LayerName) -> None:
    with pytest.raises(NoDeviceError, match=r"CUDA: expected an NVIDIA GPU .* got none: .*\. Look at `nvidia-smi`\."):
        open_layer(monkeypatch, FakeGpu(devices=0), layer)


def test_pycuda_that_cannot_be_imported_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_opening, "installed_layers", lambda: ("pycuda",))
    monkeypatch.setattr("importlib.import_module", _raising(ImportError("libcuda.so.1: cannot open")))
    with pytest.raises(NoDeviceError, match=r"pycuda cannot be imported: libcuda\.so\.1: cannot open"):
        open_cuda()


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_opening, "installed_layers", tuple)
    with pytest.raises(MissingDependencyError, match=r"'cuda-python' or 'pycuda', and neither is installed.*\[rtx\]"):
        open_cuda()
    with pytest.raises(InputError, match=r"expected one that is installed \(none\), got pycuda"):
        open_cuda("pycuda")


def test_cuda_python_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"cuda.bindings": object(), "pycuda": object()}
    monkeypatch.setattr(cuda_opening, "find_spec", found.get)
    assert installed_layers() == ("cuda-python", "pycuda")
    del found["cuda.bindings"]
    assert installed_layers() == ("pycuda",)


def test_the_fake_has_the_names_of_cuda_python() -> None:
    real = pytest.importorskip("cuda.bindings.runtime")
    fake = cudart_of(FakeGpu())
    names = [name for name in vars(fake) if name.startswith("cuda")]
    assert len(names) > 20
    assert [name for name in names if not hasattr(real, name)] == []
    for enumeration in ("cudaMemcpyKind", "cudaStreamCaptureMode"):
        members = vars(getattr(fake, enumeration))
        assert [name for name in members if not hasattr(getattr(real, enumeration), name)] == []
    for constant in ("cudaHostAllocDefault", "cudaStreamNonBlocking", "cudaEventBlockingSync"):
        assert getattr(fake, constant) == getattr(real, constant)


def test_the_real_cuda_python_speaks_of_a_gpu_or_of_none() -> None:
    """It imports without a driver; then the first call says so."""
    pytest.importorskip("cuda.bindings.runtime")
    try:
        cuda = open_cuda("cuda-python")
    except NoDeviceError as error:
        assert "cudaGetDeviceCount" in error.reason or "shows no GPU" in error.reason  # noqa: PT017 - either will do
    else:
        assert cuda.device.compute_capability


def _parts(cuda: CudaLayer) -> tuple[int, np.ndarray, np.ndarray, int]:
    return cuda.allocate_device(4), cuda.allocate_pinned(4), cuda.allocate_pinned(4), cuda.create_stream()


def _raising(error: Exception) -> Callable[[str], object]:
    real = importlib.import_module

    def import_module(name: str) -> object:
        if name.startswith("pycuda"):
            raise error
        return real(name)

    return import_module


@pytest.mark.parametrize("layer", ["cuda-python", "pycuda"])
def test_a_driver_that_counts_no_gpu(monkeypatch: pytest.MonkeyPatch, layer: LayerName) -> None:
    """Most drivers refuse to begin instead."""
    gpu = FakeGpu(devices=0)
    cudart, pycuda = cudart_of(gpu), pycuda_of(gpu)
    monkeypatch.setattr(cudart, "cudaGetDeviceCount", lambda: (Status.cudaSuccess, 0))
    monkeypatch.setattr(pycuda, "init", lambda: None)
    monkeypatch.setattr(cuda_opening, "installed_layers", lambda: ("cuda-python", "pycuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cudart)
    monkeypatch.setitem(sys.modules, "pycuda.driver", pycuda)
    with pytest.raises(NoDeviceError, match=r"got none: the driver shows no GPU\. Look at `nvidia-smi`\."):
        open_cuda(layer)

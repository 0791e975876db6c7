"""CUDA through cuda-python, which installs without CUDA and imports without a driver."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError, NoDeviceError
from ..machine import version_of
from ..require import require
from .cuda import CudaDevice

_DEVICE = 0


class CudaPython:
    """The first GPU through CUDA's runtime interface.

    Raises:
        NoDeviceError: there is no GPU or no driver.
        MissingDependencyError: cuda-python is not installed.
    """

    def __init__(self) -> None:
        self._cuda = require("cuda.bindings.runtime", extra="rtx", why="running on a GPU")
        self.name = f"cuda-python {version_of('cuda-python') or version_of('cuda-bindings') or ''}".strip()
        try:
            if not self._call("cudaGetDeviceCount"):
                raise NoDeviceError("the driver shows no GPU")
        except DeviceError as error:
            raise NoDeviceError(str(error).rstrip(".")) from error
        self._call("cudaSetDevice", _DEVICE)
        self.device = self._describe()
        self.capture = _CudaPythonCapture(self._call, self._cuda)

    def allocate_device(self, size: int) -> int:
        return int(self._call("cudaMalloc", size))

    def free_device(self, address: int) -> None:
        self._call("cudaFree", address)

    def allocate_pinned(self, size: int) -> NDArray[np.uint8]:
        address = int(self._call("cudaHostAlloc", size, self._cuda.cudaHostAllocDefault))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def free_pinned(self, memory: NDArray[np.uint8]) -> None:
        self._call("cudaFreeHost", memory.ctypes.data)

    def create_stream(self) -> int:
        return int(self._call("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking))

    def wait_for_stream(self, stream: int) -> None:
        self._call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: int) -> None:
        self._call("cudaStreamDestroy", stream)

    def create_event(self) -> int:
        return int(self._call("cudaEventCreateWithFlags", self._cuda.cudaEventBlockingSync))

    def record_event(self, event: int, stream: int) -> None:
        self._call("cudaEventRecord", event, stream)

    def wait_for_event(self, event: int) -> None:
        self._call("cudaEventSynchronize", event)

    def elapsed_ms(self, start: int, end: int) -> float:
        return float(self._call("cudaEventElapsedTime", start, end))

    def destroy_event(self, event: int) -> None:
        self._call("cudaEventDestroy", event)

    def copy_to_device(self, address: int, memory: NDArray[np.uint8], stream: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, memory.ctypes.data, memory.nbytes, kind, stream)

    def copy_to_host(self, memory: NDArray[np.uint8], address: int, stream: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", memory.ctypes.data, address, memory.nbytes, kind, stream)

    def close(self) -> None:
        """Do nothing: the runtime interface holds the GPU until the process ends."""

    def _describe(self) -> CudaDevice:
        properties = self._call("cudaGetDeviceProperties", _DEVICE)
        name = properties.name
        return CudaDevice(
            name=name.decode() if isinstance(name, bytes) else str(name),
            compute_capability=f"{properties.major}.{properties.minor}",
        )

    def _call(self, function: str, *arguments: Any) -> Any:
        """Call a function of CUDA, which gives its status before anything else."""
        status, *results = getattr(self._cuda, function)(*arguments)
        if int(status):
            text = self._cuda.cudaGetErrorString(status)[1]
            raise DeviceError(f"{self.name}: {function} failed: {text.decode() if isinstance(text, bytes) else text}.")
        return results[0] if results else None


class _CudaPythonCapture:
    """CUDA graphs; see `GraphCapture`."""

    def __init__(self, call: Callable[..., Any], cuda: Any) -> None:
        self._call = call
        self._cuda = cuda

    def record(self, stream: int, work: Callable[[], None]) -> int:
        # Thread-local: what other threads do with CUDA meanwhile is neither recorded nor an error.
        self._call("cudaStreamBeginCapture", stream, self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            work()
        except BaseException:
            self._abandon(stream)
            raise
        try:
            recorded = self._call("cudaStreamEndCapture", stream)
        except DeviceError:
            self._cuda.cudaGetLastError()
            raise
        try:
            return int(self._call("cudaGraphInstantiate", recorded, 0))
        except DeviceError:
            self._cuda.cudaGetLastError()
            raise
        finally:
            self._call("cudaGraphDestroy", recorded)

    def launch(self, graph: int, stream: int) -> None:
        self._call("cudaGraphLaunch", graph, stream)

    def destroy(self, graph: int) -> None:
        self._call("cudaGraphExecDestroy", graph)

    def _abandon(self, stream: int) -> None:
        """End a recording that went wrong: until then the stream takes nothing else."""
        with suppress(DeviceError):  # says once more that it went wrong
            self._call("cudaGraphDestroy", self._call("cudaStreamEndCapture", stream))
        self._cuda.cudaGetLastError()  # or TensorRT's next look at it would find this one

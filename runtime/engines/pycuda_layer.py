"""CUDA through pycuda, for machines where that is what is installed. It has no calls for CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError, NoDeviceError
from ..machine import version_of
from ..require import require
from .cuda import CudaDevice

_DEVICE = 0
_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING, which pycuda has no name for."""

_Result = TypeVar("_Result")


class PyCuda:
    """The first GPU through pycuda's driver interface, in the context that TensorRT uses too.

    pycuda wants its context to be current in the thread that calls; every method here makes it so while it runs.

    Raises:
        NoDeviceError: there is no GPU or no driver.
        MissingDependencyError: pycuda is not installed.
    """

    capture: None = None

    def __init__(self) -> None:
        self.name = f"pycuda {version_of('pycuda') or ''}".strip()
        try:
            self._cuda = require("pycuda.driver", extra="pycuda", why="running on a GPU")
        except ImportError as error:  # it links the driver's library
            raise NoDeviceError(f"pycuda cannot be imported: {error}") from error
        try:
            self._cuda.init()
            if not self._cuda.Device.count():
                raise NoDeviceError("the driver shows no GPU")
        except self._cuda.Error as error:
            raise NoDeviceError(f"{self.name}: {error}") from error
        device = self._cuda.Device(_DEVICE)
        major, minor = device.compute_capability()
        self.device = CudaDevice(name=str(device.name()), compute_capability=f"{major}.{minor}")
        self._context = self._call(device.retain_primary_context)
        self._memory: dict[int, Any] = {}
        self._streams: dict[int, Any] = {}
        self._events: dict[int, Any] = {}

    def allocate_device(self, size: int) -> int:
        with self._current():
            memory = self._call(self._cuda.mem_alloc, size)
        self._memory[int(memory)] = memory
        return int(memory)

    def free_device(self, address: int) -> None:
        with self._current():
            self._call(self._memory.pop(address).free)

    def allocate_pinned(self, size: int) -> NDArray[np.uint8]:
        with self._current():
            memory: NDArray[np.uint8] = self._call(self._cuda.pagelocked_empty, size, np.uint8)
        return memory

    def free_pinned(self, memory: NDArray[np.uint8]) -> None:
        base: Any = memory.base  # pycuda's owner of the memory
        with self._current():
            self._call(base.free)

    def create_stream(self) -> int:
        with self._current():
            stream = self._call(self._cuda.Stream, _NON_BLOCKING)
        self._streams[int(stream.handle)] = stream
        return int(stream.handle)

    def wait_for_stream(self, stream: int) -> None:
        with self._current():
            self._call(self._streams[stream].synchronize)

    def destroy_stream(self, stream: int) -> None:
        with self._current():
            del self._streams[stream]

    def create_event(self) -> int:
        with self._current():
            event = self._call(self._cuda.Event, self._cuda.event_flags.BLOCKING_SYNC)
        self._events[id(event)] = event
        return id(event)

    def record_event(self, event: int, stream: int) -> None:
        with self._current():
            self._call(self._events[event].record, self._streams[stream])

    def wait_for_event(self, event: int) -> None:
        with self._current():
            self._call(self._events[event].synchronize)

    def elapsed_ms(self, start: int, end: int) -> float:
        with self._current():
            return float(self._call(self._events[end].time_since, self._events[start]))

    def destroy_event(self, event: int) -> None:
        with self._current():
            del self._events[event]

    def copy_to_device(self, address: int, memory: NDArray[np.uint8], stream: int) -> None:
        with self._current():
            self._call(self._cuda.memcpy_htod_async, address, memory, self._streams[stream])

    def copy_to_host(self, memory: NDArray[np.uint8], address: int, stream: int) -> None:
        with self._current():
            self._call(self._cuda.memcpy_dtoh_async, memory, address, self._streams[stream])

    def close(self) -> None:
        """Let go of the context."""
        self._call(self._context.detach)

    @contextmanager
    def _current(self) -> Iterator[None]:
        self._call(self._context.push)
        try:
            yield
        finally:
            self._context.pop()

    def _call(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        try:
            return function(*arguments)
        except self._cuda.Error as error:
            raise DeviceError(f"{self.name}: {error}.") from error

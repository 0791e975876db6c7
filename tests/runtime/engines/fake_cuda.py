"""A GPU that is not there: memory, streams that work only when somebody waits, events, graphs. Misuse is an error.

`cudart_of` gives it the face of cuda-python, with its names and the tuples that it returns. What is put on a stream is
done when the stream or a later event is waited for, and not a moment earlier: whoever reads an answer too early reads
the one before.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

Work = Callable[[], None]


class Status(IntEnum):
    """Some of cudaError_t."""

    cudaSuccess = 0  # noqa: N815 - CUDA's names
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorInsufficientDriver = 35  # noqa: N815
    cudaErrorNoDevice = 100  # noqa: N815
    cudaErrorStreamCaptureInvalidated = 901  # noqa: N815


TEXTS = {
    Status.cudaErrorMemoryAllocation: b"out of memory",
    Status.cudaErrorInsufficientDriver: b"CUDA driver version is insufficient for CUDA runtime version",
    Status.cudaErrorNoDevice: b"no CUDA-capable device is detected",
    Status.cudaErrorStreamCaptureInvalidated: b"operation failed due to a previous error during capture",
}


class FakeError(Exception):
    """A call that fails with a status."""

    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(TEXTS[status].decode())


@dataclass
class Stream:
    """What was put on it and is not done; `recorded` while it is being captured."""

    pending: list[Work] = field(default_factory=list)
    recorded: list[Work] | None = None


@dataclass
class Event:
    """The stream that it was recorded on, and when it was passed."""

    stream: int = 0
    ms: float = 0.0


class FakeGpu:
    """One GPU.

    Args:
        devices: how many there are.
        uncapturable: whether something in a recording spoils it.
    """

    def __init__(self, *, devices: int = 1, uncapturable: bool = False) -> None:
        self.devices = devices
        self.uncapturable = uncapturable
        self.alive: dict[int, Any] = {}
        """All that was made and not freed, by handle: bytearray, ctypes array, Stream, Event, graph, "context"."""
        self.calls: list[str] = []
        self.fails: dict[str, int] = {}
        """Function and how many of its calls still succeed."""
        self.last_error = Status.cudaSuccess
        self.clock_ms = 0.0
        self._next = 0x7000

    def call(self, name: str) -> None:
        """Note a call, or fail as told."""
        self.calls.append(name)
        if name in self.fails:
            if self.fails[name] == 0:
                raise self._failed(Status.cudaErrorMemoryAllocation)
            self.fails[name] -= 1

    def new(self, thing: Any, handle: int | None = None) -> int:
        self._next += 0x100
        self.alive[handle or self._next] = thing
        return handle or self._next

    def free(self, handle: int) -> None:
        """Free something; twice, or while work is under way, is a mistake of the code under test."""
        assert not any(stream.pending for stream in self.streams()), "freed while work is under way"
        del self.alive[handle]

    def streams(self) -> list[Stream]:
        return [thing for thing in self.alive.values() if isinstance(thing, Stream)]

    def allocate_pinned(self, size: int) -> int:
        memory = (ctypes.c_uint8 * size)()
        return self.new(memory, ctypes.addressof(memory))

    def memory(self, address: int, size: int) -> memoryview:
        """Look at bytes of the GPU, of which so many have to be allocated there."""
        block = self.alive[address]
        assert isinstance(block, bytearray)
        assert size <= len(block), "outside of the allocated memory"
        return memoryview(block)[:size]

    def put(self, stream: int, work: Work) -> None:
        target = self.alive[stream]
        (target.pending if target.recorded is None else target.recorded).append(work)

    def copy(self, host: int, device: int, size: int, stream: int, *, to_device: bool) -> None:
        self.memory(device, size)  # has to be there when it is asked for, not only when it is done

        def work() -> None:
            there = self.memory(device, size)
            here = (ctypes.c_uint8 * size).from_address(host)
            if to_device:
                there[:] = bytes(here)
            else:
                ctypes.memmove(here, bytes(there), size)

        self.put(stream, work)

    def record(self, event: int, stream: int) -> None:
        target: Event = self.alive[event]
        target.stream = stream

        def work() -> None:
            target.ms = self.clock_ms

        self.put(stream, work)

    def finish(self, stream: int) -> None:
        """Do all that is on a stream."""
        target = self.alive[stream]
        assert target.recorded is None, "waited for a stream that is being recorded"
        while target.pending:
            target.pending.pop(0)()
            self.clock_ms += 0.5

    def begin_capture(self, stream: int) -> None:
        assert not self.alive[stream].pending
        self.alive[stream].recorded = []

    def end_capture(self, stream: int) -> int:
        target = self.alive[stream]
        recorded, target.recorded = target.recorded, None
        assert recorded is not None
        if self.uncapturable:
            raise self._failed(Status.cudaErrorStreamCaptureInvalidated)
        return self.new(recorded)

    def take_last_error(self) -> tuple[Status]:
        found, self.last_error = self.last_error, Status.cudaSuccess
        return (found,)

    def _failed(self, status: Status) -> FakeError:
        self.last_error = status
        return FakeError(status)


def cudart_of(gpu: FakeGpu) -> ModuleType:
    """Give the GPU the face of `cuda.bindings.runtime`: statuses before results."""
    module = ModuleType("cuda.bindings.runtime")

    def with_status(name: str, function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            try:
                gpu.call(name)
                result = function(*arguments)
            except FakeError as error:
                return (error.status, None)
            return (Status.cudaSuccess,) if result is None else (Status.cudaSuccess, result)

        return call

    for name, function in {**_of_device(gpu), **_of_streams(gpu), **_of_graphs(gpu)}.items():
        setattr(module, name, with_status(name, function))
    for name, value in {
        "cudaGetErrorString": lambda status: (Status.cudaSuccess, TEXTS[status]),
        "cudaGetLastError": gpu.take_last_error,
        "cudaHostAllocDefault": 0,
        "cudaStreamNonBlocking": 1,
        "cudaEventBlockingSync": 1,
        "cudaMemcpyKind": SimpleNamespace(cudaMemcpyHostToDevice="to device", cudaMemcpyDeviceToHost="to host"),
        "cudaStreamCaptureMode": SimpleNamespace(cudaStreamCaptureModeThreadLocal="thread"),
    }.items():
        setattr(module, name, value)
    return module


def _of_device(gpu: FakeGpu) -> dict[str, Callable[..., Any]]:
    def count() -> int:
        if not gpu.devices:
            raise FakeError(Status.cudaErrorInsufficientDriver)
        return gpu.devices

    return {
        "cudaGetDeviceCount": count,
        "cudaSetDevice": lambda _device: None,
        "cudaGetDeviceProperties": lambda _device: SimpleNamespace(name=b"Fake RTX", major=8, minor=6),
        "cudaMalloc": lambda size: gpu.new(bytearray(size)),
        "cudaFree": gpu.free,
        "cudaHostAlloc": lambda size, _flags: gpu.allocate_pinned(size),
        "cudaFreeHost": gpu.free,
    }


def _of_streams(gpu: FakeGpu) -> dict[str, Callable[..., Any]]:
    def copy(to: int, source: int, size: int, kind: str, stream: int) -> None:
        host, device = (source, to) if kind == "to device" else (to, source)
        gpu.copy(host, device, size, stream, to_device=kind == "to device")

    return {
        "cudaStreamCreateWithFlags": lambda _flags: gpu.new(Stream()),
        "cudaStreamSynchronize": gpu.finish,
        "cudaStreamDestroy": gpu.free,
        "cudaEventCreateWithFlags": lambda _flags: gpu.new(Event()),
        "cudaEventRecord": gpu.record,
        "cudaEventSynchronize": lambda event: gpu.finish(gpu.alive[event].stream),
        "cudaEventElapsedTime": lambda start, end: gpu.alive[end].ms - gpu.alive[start].ms,
        "cudaEventDestroy": gpu.free,
        "cudaMemcpyAsync": copy,
    }


def _of_graphs(gpu: FakeGpu) -> dict[str, Callable[..., Any]]:
    def launch(graph: int, stream: int) -> None:
        for work in gpu.alive[graph]:
            gpu.put(stream, work)

    return {
        "cudaStreamBeginCapture": lambda stream, _mode: gpu.begin_capture(stream),
        "cudaStreamEndCapture": gpu.end_capture,
        "cudaGraphInstantiate": lambda graph, _flags: gpu.new(list(gpu.alive[graph])),
        "cudaGraphLaunch": launch,
        "cudaGraphDestroy": gpu.free,
        "cudaGraphExecDestroy": gpu.free,
    }

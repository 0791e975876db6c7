"""The face of pycuda for the GPU that is not there."""

from __future__ import annotations

from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .fake_cuda import Event, FakeError, FakeGpu, Stream


def pycuda_of(gpu: FakeGpu) -> ModuleType:
    """Give the GPU the face of `pycuda.driver`: objects, exceptions, and a context that has to be current."""
    module = ModuleType("pycuda.driver")
    driver = Driver(gpu)
    for name, value in {
        "Error": PyCudaError,
        "init": driver.init,
        "Device": _device_class(driver),
        "Stream": partial(PyCudaStream, driver),
        "Event": partial(PyCudaEvent, driver),
        "event_flags": SimpleNamespace(BLOCKING_SYNC=1),
        "mem_alloc": lambda size: Owned(driver, "mem_alloc", bytearray(size)),
        "pagelocked_empty": driver.pagelocked_empty,
        "memcpy_htod_async": partial(driver.copy, "memcpy_htod_async"),
        "memcpy_dtoh_async": partial(driver.copy, "memcpy_dtoh_async"),
    }.items():
        setattr(module, name, value)
    return module


def _device_class(driver: Driver) -> type:
    """Give `Device`, whose `count` is static."""

    class Device(PyCudaDevice):
        def __init__(self, number: int) -> None:
            assert number == 0
            self._driver = driver

        @staticmethod
        def count() -> int:
            return driver.gpu.devices

    return Device


class PyCudaError(Exception):
    """pycuda.driver.Error."""


class Driver:
    """pycuda's module-wide state: the contexts that are current."""

    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu
        self.current: list[int] = []

    def init(self) -> None:
        if not self.gpu.devices:
            raise PyCudaError("cuInit failed: no CUDA-capable device is detected")

    def call(self, name: str) -> None:
        assert self.current, f"{name} without a current context"
        try:
            self.gpu.call(name)
        except FakeError as error:
            raise PyCudaError(f"{name} failed: {error}") from error

    def pagelocked_empty(self, size: int, dtype: type) -> np.ndarray:
        self.call("pagelocked_empty")
        assert dtype is np.uint8
        return np.asarray(Pinned(self, size))

    def copy(self, name: str, to: Any, source: Any, stream: PyCudaStream) -> None:
        self.call(name)
        to_device = name == "memcpy_htod_async"
        host, device = (source, to) if to_device else (to, source)
        self.gpu.copy(host.ctypes.data, device, host.nbytes, stream.handle, to_device=to_device)


class PyCudaDevice:
    _driver: Driver

    def name(self) -> str:
        return "Fake RTX"

    def compute_capability(self) -> tuple[int, int]:
        return (8, 6)

    def retain_primary_context(self) -> PyCudaContext:
        return PyCudaContext(self._driver)


class PyCudaContext:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.handle = driver.gpu.new("context")

    def push(self) -> None:
        self._driver.current.append(self.handle)

    def pop(self) -> None:
        self._driver.current.pop()

    def detach(self) -> None:
        assert not self._driver.current
        self._driver.gpu.free(self.handle)


class Owned:
    """Something with a handle; DeviceAllocation as it is."""

    def __init__(self, driver: Driver, kind: str, thing: Any) -> None:
        driver.call(kind)
        self.driver = driver
        self.handle = driver.gpu.new(thing)

    def __int__(self) -> int:
        return self.handle

    def free(self) -> None:
        self.driver.call("free")
        self.driver.gpu.free(self.handle)


class PyCudaStream(Owned):
    """Is destroyed with the object."""

    def __init__(self, driver: Driver, flags: int) -> None:
        assert flags == 1
        super().__init__(driver, "Stream", Stream())

    def synchronize(self) -> None:
        self.driver.call("synchronize")
        self.driver.gpu.finish(self.handle)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.free()


class PyCudaEvent(Owned):
    """Is destroyed with the object."""

    def __init__(self, driver: Driver, flags: int) -> None:
        assert flags == 1
        super().__init__(driver, "Event", Event())

    def record(self, stream: PyCudaStream) -> None:
        self.driver.call("record")
        self.driver.gpu.record(self.handle, stream.handle)

    def synchronize(self) -> None:
        self.driver.call("event synchronize")
        self.driver.gpu.finish(self.driver.gpu.alive[self.handle].stream)

    def time_since(self, start: PyCudaEvent) -> float:
        alive = self.driver.gpu.alive
        return float(alive[self.handle].ms - alive[start.handle].ms)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.free()


class Pinned:
    """What pycuda makes the base of its pinned arrays."""

    def __init__(self, driver: Driver, size: int) -> None:
        self._driver = driver
        self._address = driver.gpu.allocate_pinned(size)
        data = (self._address, False)
        self.__array_interface__ = {"shape": (size,), "typestr": "|u1", "data": data, "version": 3}

    def free(self) -> None:
        self._driver.call("free pinned")
        self._driver.gpu.free(self._address)

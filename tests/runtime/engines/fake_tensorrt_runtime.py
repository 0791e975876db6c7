"""A TensorRT that executes "engines" on the fake GPU, with the names of NVIDIA's bindings and no others.

A plan is a line of JSON that says what tensors the engine has; executing it writes a pattern into the outputs which
depends on the frames: detection 0 has the brightness of each frame as its score. TensorRT has the plan's device memory
given to it, so nothing works before `set_device_memory`; RTX takes an IRuntimeConfig, TensorRT a strategy.
"""

# ruff: noqa: ARG002 - the arguments' names are NVIDIA's

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from .fake_cuda import FakeGpu

DataType = Enum("DataType", ["FLOAT", "HALF", "INT32", "INT64", "UINT8"])
TensorIOMode = Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
LayerInformationFormat = Enum("LayerInformationFormat", ["ONELINE", "JSON"])
Strategy = Enum("Strategy", ["STATIC", "USER_MANAGED"])
Specialization = Enum("Specialization", ["LAZY", "EAGER", "NONE"])
NUMPY = {"FLOAT": np.float32, "HALF": np.float16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8}


class Severity(IntEnum):
    """ILogger.Severity."""

    ERROR = 1
    WARNING = 2


class ILogger:
    Severity = Severity

    def log(self, severity: IntEnum, message: str) -> None:
        """Overridden by whoever wants to know."""


@dataclass
class TensorRtState:
    """What is watched, and what shall go wrong."""

    gpu: FakeGpu
    is_rtx: bool = False
    calls: list[str] = field(default_factory=list)
    executions: int = 0
    """Runs of an engine that were done, not only asked for."""
    runtimes: list[Any] = field(default_factory=list)
    caches: list[Any] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    """Names of methods that return False or None."""
    capturable: bool = True
    tensor_shape_of_outputs: tuple[int, ...] | None = None
    """Instead of the right one."""


def plan_of(
    tensors: dict[str, tuple[str, str, Sequence[int]]], profiles: Sequence[tuple[int, int, int]] = ((1, 1, 1),)
) -> bytes:
    """Write a plan.

    Args:
        tensors: mode, type and shape by name; -1 is a free batch.
        profiles: batch at least, at best, at most.
    """
    return json.dumps({"tensors": tensors, "profiles": list(profiles)}).encode()


def fake_tensorrt(state: TensorRtState, version: str = "10.3.0") -> ModuleType:
    """Make a module `tensorrt` or `tensorrt_rtx` of that version."""
    module = ModuleType("tensorrt_rtx" if state.is_rtx else "tensorrt")
    for name, value in {
        "__version__": version,
        "ILogger": ILogger,
        "Runtime": partial(Runtime, state),
        "ExecutionContextAllocationStrategy": Strategy,
        "LayerInformationFormat": LayerInformationFormat,
    }.items():
        setattr(module, name, value)
    if state.is_rtx:
        module.DynamicShapesKernelSpecializationStrategy = Specialization  # type: ignore[attr-defined]
    return module


class Runtime:
    __slots__ = ("_log", "_state", "engine_host_code_allowed")

    def __init__(self, state: TensorRtState, log: Any) -> None:
        assert state.gpu.devices, "a Runtime without a GPU may crash"
        assert isinstance(log, ILogger)
        state.calls.append("Runtime")
        state.runtimes.append(self)
        self._state, self._log = state, log
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        try:
            plan = json.loads(serialized_engine)
        except ValueError:
            self._log.log(Severity.WARNING, "odd")
            self._log.log(Severity.ERROR, "magic tag\ndoes not match")
            return None
        return Engine(self._state, plan)


class RuntimeCache:
    """Holds the word `kernels` once something was executed with it."""

    def __init__(self, state: TensorRtState) -> None:
        self._state = state
        self._state.caches.append(self)
        self._was_read = False

    def deserialize(self, blob: bytes) -> bool:
        self._was_read = blob == b"kernels"
        self._state.calls.append("cache read" if self._was_read else "cache refused")
        return self._was_read

    def serialize(self) -> memoryview:
        return memoryview(b"kernels" if self._state.executions or self._was_read else b"")


class RuntimeConfig:
    __slots__ = ("_state", "cache", "dynamic_shapes_kernel_specialization_strategy", "strategy")

    def __init__(self, state: TensorRtState) -> None:
        self._state = state
        self.cache: RuntimeCache | None = None
        self.strategy = Strategy.STATIC
        self.dynamic_shapes_kernel_specialization_strategy = Specialization.LAZY

    def set_execution_context_allocation_strategy(self, strategy: Strategy) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache(self._state)

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True


class Engine:
    device_memory_size_v2 = 512

    def __init__(self, state: TensorRtState, plan: dict[str, Any]) -> None:
        self.state, self.plan = state, plan
        self.handle = state.gpu.new("engine")

    def __del__(self) -> None:
        self.state.calls.append("engine freed")
        self.state.gpu.free(self.handle)

    @property
    def num_io_tensors(self) -> int:
        return len(self.plan["tensors"])

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.plan["profiles"])

    def get_tensor_name(self, index: int) -> str:
        return str(list(self.plan["tensors"])[index])

    def get_tensor_mode(self, name: str) -> Enum:
        return TensorIOMode[self.plan["tensors"][name][0]]

    def get_tensor_dtype(self, name: str) -> Enum:
        return DataType[self.plan["tensors"][name][1]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.plan["tensors"][name][2])

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        rest = self.get_tensor_shape(name)[1:]
        return [(batch, *rest) for batch in self.plan["profiles"][profile_index]]

    def create_engine_inspector(self) -> Inspector:
        return Inspector(self)

    def create_runtime_config(self) -> RuntimeConfig:
        assert self.state.is_rtx
        return RuntimeConfig(self.state)

    def create_execution_context(self, settings: Any) -> Context | None:
        if self.state.is_rtx:
            assert settings.dynamic_shapes_kernel_specialization_strategy is Specialization.EAGER
            assert settings.cache is self.state.caches[-1]
            settings = settings.strategy
        assert settings is Strategy.USER_MANAGED
        return None if "create_execution_context" in self.state.fails else Context(self)


class Inspector:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get_engine_information(self, format: Enum) -> str:  # noqa: A002
        assert format is LayerInformationFormat.JSON
        return json.dumps({"Layers": self._engine.plan.get("layers", []), "Bindings": []})


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._state = engine, engine.state
        self.handle = self._state.gpu.new("context of TensorRT")
        self._scratch = 0
        self._profile, self._batch = 0, 0
        self._addresses: dict[str, int] = {}

    def __del__(self) -> None:
        self._state.calls.append("context freed")
        self._state.gpu.free(self.handle)

    def set_device_memory(self, memory: int, size: int) -> None:
        self._state.gpu.memory(memory, size)
        assert size >= Engine.device_memory_size_v2
        self._scratch = memory

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._state.calls.append(f"profile {profile_index}")
        self._profile, self._batch = profile_index, 0
        self._state.gpu.put(stream_handle, lambda: None)  # it copies on the stream
        return "set_optimization_profile_async" not in self._state.fails

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._state.calls.append(f"shape {shape[0]}")
        assert not any(stream.pending for stream in self._state.gpu.streams()), "before the profile was switched"
        least, _best, most = self._engine.plan["profiles"][self._profile]
        assert shape[1:] == self._engine.get_tensor_shape(name)[1:]
        self._batch = shape[0]
        return least <= shape[0] <= most and "set_input_shape" not in self._state.fails

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._state.tensor_shape_of_outputs or (self._batch, *self._engine.get_tensor_shape(name)[1:])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return "set_tensor_address" not in self._state.fails

    def is_stream_capturable(self, stream: int) -> bool:
        assert self._state.is_rtx
        return self._state.capturable

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self._batch
        assert self._scratch
        if "execute_async_v3" in self._state.fails:
            return False
        batch = self._batch
        self._state.gpu.put(stream_handle, lambda: self._execute(batch))
        return True

    def _execute(self, batch: int) -> None:
        self._state.executions += 1
        brightness = self._bytes("frames", batch).reshape(batch, -1).mean(axis=1)
        for name in self._addresses:
            if name != "frames":
                kind, shape = self._engine.plan["tensors"][name][1:]
                rows = self._bytes(name, batch).view(NUMPY[kind]).reshape(batch, *shape[1:])
                rows[:] = 0
                if name in ("num_dets", "exact"):
                    rows[:] = 1
                elif name == "det_boxes":
                    rows[:, 0] = (0.25, 0.25, 0.75, 0.75)
                elif name in ("det_scores", "top_scores"):
                    rows[:, 0] = brightness / 255

    def _bytes(self, name: str, batch: int) -> np.ndarray:
        kind, shape = self._engine.plan["tensors"][name][1:]
        size = batch * math.prod(shape[1:]) * np.dtype(NUMPY[kind]).itemsize
        return np.frombuffer(self._state.gpu.memory(self._addresses[name], size), np.uint8)

"""A TensorRT that writes down what is called, with the names that versions 10.0 to 11 share.

Names are those of NVIDIA's bindings: whatever else is asked for fails, as it would there. TensorRT 11 lacks what
10 still had for precision (flags, calibrators), so the fake has none of it either.
"""

# ruff: noqa: ARG002, ARG005 - the arguments' names are NVIDIA's

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from types import ModuleType
from typing import Any


class Recorder:
    """What was called, in order, and how the compiler shall behave."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.plan: bytes | None = b"plan"
        self.accepts_cache = True
        self.accepts_profile = True
        self.convolution_reads = "frames"
        """Tensor that the network's one convolution reads: `dequantized` makes it an int8 one."""


def fake_tensorrt(version: str, recorder: Recorder) -> ModuleType:
    """Make a module `tensorrt` of that version."""
    module = ModuleType("tensorrt")

    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    class ILogger:
        pass

    ILogger.Severity = Severity  # type: ignore[attr-defined]

    class IProgressMonitor:
        pass

    enums = {
        "NetworkDefinitionCreationFlag": IntEnum("NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1}),
        "MemoryPoolType": Enum("MemoryPoolType", ["WORKSPACE"]),
        "HardwareCompatibilityLevel": Enum("HardwareCompatibilityLevel", ["NONE", "AMPERE_PLUS"]),
        "BuilderFlag": Enum("BuilderFlag", ["VERSION_COMPATIBLE", "TF32"]),
        "LayerType": Enum("LayerType", ["CONVOLUTION", "DECONVOLUTION", "SHUFFLE", "DEQUANTIZE"]),
        "DataType": Enum("DataType", ["FLOAT", "HALF"]),
    }
    for name, value in {
        "__version__": version,
        "ILogger": ILogger,
        "IProgressMonitor": IProgressMonitor,
        "Builder": lambda log: _Builder(recorder, log, enums),
        "OnnxParser": lambda network, log: _Parser(recorder),
        **enums,
    }.items():
        setattr(module, name, value)
    return module


class _Tensor:
    def __init__(self, name: str, shape: Sequence[int], dtype: object) -> None:
        self.name, self.shape, self.dtype = name, shape, dtype


class _Layer:
    num_outputs = 1

    def __init__(self, kind: object, name: str, source: str, dtype: object) -> None:
        self.type, self._name, self._source, self._dtype = kind, name, source, dtype

    def get_input(self, index: int) -> _Tensor:
        return _Tensor(self._source, (1,), self._dtype)

    def get_output(self, index: int) -> _Tensor:
        return _Tensor(self._name, (1,), self._dtype)


class _Network:
    """A dequantization, a convolution that reads `recorder.convolution_reads`, and its shuffled result."""

    num_layers = 3

    def __init__(self, recorder: Recorder, enums: dict[str, Any]) -> None:
        self._recorder, self._enums = recorder, enums

    def get_input(self, index: int) -> _Tensor:
        return _Tensor("frames", (-1, 64, 64, 3), None)

    def get_layer(self, index: int) -> _Layer:
        kinds, half = self._enums["LayerType"], self._enums["DataType"].HALF
        layers = (
            (kinds.DEQUANTIZE, "dequantized", "frames"),
            (kinds.CONVOLUTION, "convolved", self._recorder.convolution_reads),
            (kinds.SHUFFLE, "shuffled", "convolved"),
        )
        return _Layer(*layers[index], half)


class _Parser:
    num_errors = 0

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def parse(self, model: bytes) -> bool:
        self._recorder.calls.append(("parse", len(model) > 0))
        return True


class _Cache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return b"timings"


class _Config:
    __slots__ = ("_cache", "_recorder", "hardware_compatibility_level", "progress_monitor")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.progress_monitor: Any = None
        self.hardware_compatibility_level: object = None

    def set_memory_pool_limit(self, pool: object, pool_size: int) -> None:
        self._recorder.calls.append(("memory", str(pool), pool_size))

    def set_flag(self, flag: object) -> None:
        self._recorder.calls.append(("flag", str(flag)))

    def clear_flag(self, flag: object) -> None:
        self._recorder.calls.append(("no flag", str(flag)))

    def add_optimization_profile(self, profile: object) -> int:
        self._recorder.calls.append(("profile",))
        return 0 if self._recorder.accepts_profile else -1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> _Cache:
        return _Cache(serialized_timing_cache)

    def set_timing_cache(self, cache: _Cache, ignore_mismatch: bool) -> bool:
        accepted = self._recorder.accepts_cache or not cache.data
        self._recorder.calls.append(("cache", cache.data, ignore_mismatch, accepted))
        return accepted

    def get_timing_cache(self) -> _Cache:
        return _Cache(b"")


class _Profile:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:  # noqa: A002
        self._recorder.calls.append(("shape", input, tuple(min), tuple(opt), tuple(max)))


class _Builder:
    def __init__(self, recorder: Recorder, log: Any, enums: dict[str, Any]) -> None:
        self._recorder, self._log, self._enums = recorder, log, enums

    def create_network(self, flags: int) -> _Network:
        self._recorder.calls.append(("network", flags))
        return _Network(self._recorder, self._enums)

    def create_builder_config(self) -> _Config:
        return _Config(self._recorder)

    def create_optimization_profile(self) -> _Profile:
        return _Profile(self._recorder)

    def build_serialized_network(self, network: _Network, config: _Config) -> bytes | None:
        level = str(config.hardware_compatibility_level)
        self._recorder.calls.append(("build", level))
        config.progress_monitor.phase_start("Building", None, 2)
        config.progress_monitor.step_complete("Building", 0)
        config.progress_monitor.phase_finish("Building")
        if self._recorder.plan is None:
            self._log.log(1, "no kernel\nfound")
        return self._recorder.plan

"""What singleshot calls of the runtime of TensorRT 10 (from 10.3 on), TensorRT 11 and TensorRT-RTX, and its log.

The modules bring no usable type stubs, so the protocols below are what our calls are checked against, and a test holds
them against the installed module. Creating a `Runtime` comes last of all: without a driver, what it loads may crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Protocol

from typing_extensions import Buffer


class NamedApi(Protocol):
    """A value of one of TensorRT's enumerations."""

    name: str


class ContextApi(Protocol):
    """IExecutionContext. `is_stream_capturable` is RTX's alone."""

    def set_device_memory(self, memory: int, size: int) -> None: ...
    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool: ...
    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...
    def is_stream_capturable(self, stream: int) -> bool: ...


class RuntimeCacheApi(Protocol):
    """IRuntimeCache, RTX's alone: kernels that it compiled on this machine."""

    def deserialize(self, blob: bytes) -> bool: ...

    def serialize(self) -> Buffer:
        """Give an IHostMemory."""


class RuntimeConfigApi(Protocol):
    """IRuntimeConfig, as RTX has it."""

    dynamic_shapes_kernel_specialization_strategy: object

    def set_execution_context_allocation_strategy(self, strategy: object) -> None: ...
    def create_runtime_cache(self) -> RuntimeCacheApi: ...
    def set_runtime_cache(self, cache: RuntimeCacheApi) -> bool: ...


class InspectorApi(Protocol):
    """EngineInspector."""

    def get_engine_information(self, format: object) -> str: ...  # noqa: A002


class EngineApi(Protocol):
    """ICudaEngine. `create_runtime_config` is called with RTX alone."""

    num_io_tensors: int
    num_optimization_profiles: int
    device_memory_size_v2: int

    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> NamedApi: ...
    def get_tensor_dtype(self, name: str) -> NamedApi: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def get_tensor_profile_shape(self, name: str, profile_index: int) -> Sequence[Sequence[int]]: ...
    def create_runtime_config(self) -> RuntimeConfigApi: ...
    def create_engine_inspector(self) -> InspectorApi: ...

    def create_execution_context(self, settings: object) -> ContextApi:
        """Take an ExecutionContextAllocationStrategy, or with RTX an IRuntimeConfig; None where it fails."""


class RuntimeApi(Protocol):
    """Runtime. `engine_host_code_allowed` is never touched: it is off."""

    engine_host_code_allowed: bool

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> EngineApi | None: ...


class CollectedLog(Protocol):
    """An ILogger with the lines that it was given, of the severity of an error or worse."""

    errors: list[str]


def logger_of(module: ModuleType) -> CollectedLog:
    """Make a logger that keeps what went wrong; TensorRT would print it to stdout."""

    class Log(module.ILogger):  # type: ignore[misc, name-defined] # the base exists where TensorRT does
        """Keeps errors."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(module.ILogger.Severity.ERROR):
                self.errors.append(" ".join(message.split()))

    log: CollectedLog = Log()
    return log

"""What singleshot calls of TensorRT 10, TensorRT 11 and TensorRT-RTX, and finding one of them.

The three share these names; the modules bring no usable type stubs, so the protocols below are what our calls are
checked against, and a test holds them against the installed module. Precision flags and calibrators are not among them:
TensorRT 11 and RTX have none, a network is strongly typed by its graph.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, Protocol

from ...runtime.engines.bindings import CollectedLog, logger_of
from ...runtime.errors import InputError, MissingDependencyError

Backend = Literal["auto", "tensorrt", "rtx"]

MODULES = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}
"""Backend and the module that it is."""


class TensorApi(Protocol):
    """ITensor."""

    name: str
    shape: Sequence[int]
    dtype: object


class LayerApi(Protocol):
    """ILayer."""

    type: object
    num_outputs: int

    def get_input(self, index: int) -> TensorApi | None: ...
    def get_output(self, index: int) -> TensorApi | None: ...


class NetworkApi(Protocol):
    """INetworkDefinition."""

    num_layers: int

    def get_input(self, index: int) -> TensorApi: ...
    def get_layer(self, index: int) -> LayerApi: ...


class ParserErrorApi(Protocol):
    """ParserError."""

    def desc(self) -> str: ...
    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...


class ParserApi(Protocol):
    """OnnxParser."""

    num_errors: int

    def parse(self, model: bytes) -> bool: ...
    def get_error(self, index: int) -> ParserErrorApi: ...


class ProfileApi(Protocol):
    """IOptimizationProfile; `set_shape` raises where the shapes do not fit."""

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None: ...  # noqa: A002


class TimingCacheApi(Protocol):
    """ITimingCache."""

    def serialize(self) -> Any:
        """Give an IHostMemory, which is a buffer."""


class ConfigApi(Protocol):
    """IBuilderConfig. The compute capabilities are RTX's alone."""

    progress_monitor: object
    hardware_compatibility_level: object
    num_compute_capabilities: int

    def add_optimization_profile(self, profile: ProfileApi) -> int: ...
    def set_memory_pool_limit(self, pool: object, pool_size: int) -> None: ...
    def set_flag(self, flag: object) -> None: ...
    def clear_flag(self, flag: object) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCacheApi: ...
    def set_timing_cache(self, cache: TimingCacheApi, ignore_mismatch: bool) -> bool: ...
    def get_timing_cache(self) -> TimingCacheApi: ...
    def set_compute_capability(self, compute_capability: object, index: int) -> bool: ...


class BuilderApi(Protocol):
    """Builder."""

    def create_network(self, flags: int) -> NetworkApi: ...
    def create_builder_config(self) -> ConfigApi: ...
    def create_optimization_profile(self) -> ProfileApi: ...

    def build_serialized_network(self, network: NetworkApi, config: ConfigApi) -> Any:
        """Give an IHostMemory, which is a buffer, or None where the build failed or was cancelled."""


@dataclass(frozen=True, kw_only=True)
class TensorRt:
    """One installed TensorRT."""

    module: ModuleType

    @property
    def is_rtx(self) -> bool:
        """Whether it is TensorRT-RTX, which compiles without a GPU and for several."""
        return self.module.__name__ == MODULES["rtx"]

    @property
    def version(self) -> str:
        """For example `1.7.1.116`."""
        return str(self.module.__version__)

    @property
    def title(self) -> str:
        """Name and version, for reports."""
        return f"{'TensorRT-RTX' if self.is_rtx else 'TensorRT'} {self.version}"

    def compute_capabilities(self) -> tuple[int, ...]:
        """Those that it can be told to compile for, as in `--sm`; none for TensorRT, which takes the GPU at hand."""
        if not self.is_rtx:
            return ()
        names = self.module.ComputeCapability.__members__
        return tuple(int(name[2:]) for name in names if name.startswith("SM"))

    def logger(self) -> CollectedLog:
        """Make a logger that keeps what went wrong instead of printing it."""
        return logger_of(self.module)

    def builder(self, log: CollectedLog) -> BuilderApi:
        builder: BuilderApi = self.module.Builder(log)
        return builder

    def strongly_typed_network(self, builder: BuilderApi) -> NetworkApi:
        """Make an empty network whose types are those of the graph."""
        return builder.create_network(1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))

    def parser(self, network: NetworkApi, log: CollectedLog) -> ParserApi:
        parser: ParserApi = self.module.OnnxParser(network, log)
        return parser


def find_tensorrt(backend: Backend, *, has_gpu: bool, graph: str) -> TensorRt:
    """Import the TensorRT that shall build.

    Args:
        backend: `auto` takes TensorRT where it is installed and there is a GPU, else RTX.
        has_gpu: whether this machine has an NVIDIA GPU; TensorRT cannot build without.
        graph: name of the graph, for the error.

    Raises:
        MissingDependencyError: it is not installed.
        InputError: TensorRT was asked for and there is no GPU.
    """
    if backend == "tensorrt" and not has_gpu:
        raise InputError(
            "--backend tensorrt: expected an NVIDIA GPU, as TensorRT builds on the GPU that runs the engine, got none. "
            "--backend rtx builds without one."
        )
    wanted = {"auto": ("tensorrt", "rtx") if has_gpu else ("rtx",)}.get(backend, (backend,))
    for name in wanted:
        if importlib.util.find_spec(MODULES[name]) is not None:
            return TensorRt(module=importlib.import_module(MODULES[name]))
    raise MissingDependencyError(
        f"an engine needs {' or '.join(MODULES[name] for name in wanted)}, which is not installed. "
        + ("pip install 'singleshot[rtx]' brings TensorRT-RTX. " if "rtx" in wanted else "")
        + ("TensorRT itself comes from NVIDIA: pip install tensorrt. " if "tensorrt" in wanted else "")
        + f"Until then {graph} runs here as it is: rt-detect --model {graph}"
    )

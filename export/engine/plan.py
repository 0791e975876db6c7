"""From a typed graph to a plan: the one path through TensorRT 10, TensorRT 11 and TensorRT-RTX."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx

from ...runtime.engines.bindings import CollectedLog
from ...runtime.errors import InputError
from ...runtime.files import StrPath, whole_file
from ...runtime.progress import Progress
from ...runtime.runners.contract import FRAMES
from .build_progress import BuildProgress, progress_monitor, run_cancellable
from .tensorrt_api import BuilderApi, ConfigApi, NetworkApi, TensorRt

_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BatchProfile:
    """How many frames one run takes: at least, at best, at most."""

    least: int = 1
    best: int = 1
    most: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.best <= self.most:
            raise InputError(
                f"--batch: expected 1 <= least <= best <= most, got {self.least}:{self.best}:{self.most}. "
                f"For example 1:4:8, or 4 for always four."
            )

    @property
    def is_fixed(self) -> bool:
        """Whether there is but one N."""
        return self.least == self.most

    def as_tuple(self) -> tuple[int, int, int]:
        """Give (least, best, most)."""
        return self.least, self.best, self.most


@dataclass(frozen=True, kw_only=True)
class CompilerSettings:
    """What the compiler is told besides the graph."""

    batch: BatchProfile = BatchProfile()
    workspace_mib: int | None = None
    """Scratch memory that kernels may take; none leaves it to the compiler."""
    compute_capabilities: tuple[int, ...] = ()
    """GPUs to compile for, RTX alone: 86 means 8.6. None given leaves it to the compiler."""
    is_hardware_compatible: bool = False
    """TensorRT alone: the engine also runs on other GPUs from Ampere on, more slowly."""
    is_version_compatible: bool = False
    """TensorRT alone: the engine also runs with later versions of the same major version."""
    timing_cache: StrPath | None = None
    """TensorRT alone: file that keeps the timings of kernels from one build to the next."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A compiled graph."""

    data: bytes
    network_convolutions: dict[str, int]
    """How many convolutions of the parsed network compute in which type: `{"half": 111}`."""


@dataclass(frozen=True, kw_only=True)
class ParserProblem:
    """One node that the compiler's parser does not take."""

    node: str
    operator: str
    reason: str


class UnsupportedGraphError(InputError):
    """The compiler's parser refused the graph; `problems` says what of it."""

    def __init__(self, graph: str, title: str, problems: tuple[ParserProblem, ...]) -> None:
        self.problems = problems
        first = problems[0]
        super().__init__(
            f"{graph}: expected operators that {title} builds, got {len(problems)} problems, the first: "
            f"{first.operator or 'graph'} {first.node!r}: {first.reason}"
        )


def compile_plan(
    model: onnx.ModelProto,
    tensorrt: TensorRt,
    settings: CompilerSettings,
    *,
    name: str,
    on_progress: Progress,
) -> Plan:
    """Compile a graph.

    Args:
        model: with input `frames` [N, H, W, 3], N symbolic or fixed as the settings say; its types are the engine's.
        tensorrt: that compiles.
        settings: for the compiler.
        name: of the graph, for errors.
        on_progress: told the phase at work and how far it is, from another thread.

    Raises:
        InputError: the parser refuses the graph, or the compiler cannot build it as asked.
        KeyboardInterrupt: after a clean stop.
    """
    log = tensorrt.logger()
    builder = tensorrt.builder(log)
    network = tensorrt.strongly_typed_network(builder)
    _parse(model, tensorrt, network, log, name)
    config = builder.create_builder_config()
    _configure(config, builder, network, tensorrt, settings)
    timing_cache = None if settings.timing_cache is None else Path(settings.timing_cache)
    has_cache = _attach_timing_cache(config, timing_cache)
    progress = BuildProgress(on_progress)
    config.progress_monitor = progress_monitor(tensorrt.module, progress)
    memory = run_cancellable(lambda: builder.build_serialized_network(network, config), progress)
    if memory is None:
        reason = log.errors[-1] if log.errors else "it gave no reason"
        raise InputError(f"{name}: expected a graph that {tensorrt.title} can build, but it failed: {reason}")
    if timing_cache is not None and has_cache:
        with whole_file(timing_cache) as temporary:
            temporary.write_bytes(bytes(config.get_timing_cache().serialize()))
    return Plan(data=bytes(memory), network_convolutions=_convolutions_of(network, tensorrt))


def _parse(model: onnx.ModelProto, tensorrt: TensorRt, network: NetworkApi, log: CollectedLog, name: str) -> None:
    parser = tensorrt.parser(network, log)
    if parser.parse(model.SerializeToString()):
        return
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    problems = tuple(
        ParserProblem(node=error.node_name(), operator=error.node_operator(), reason=" ".join(error.desc().split()))
        for error in errors
    )
    raise UnsupportedGraphError(
        name, tensorrt.title, problems or (ParserProblem(node="", operator="", reason="; ".join(log.errors)),)
    )


def _configure(
    config: ConfigApi, builder: BuilderApi, network: NetworkApi, tensorrt: TensorRt, settings: CompilerSettings
) -> None:
    module = tensorrt.module
    if settings.workspace_mib is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, settings.workspace_mib * _MIB)
    if settings.is_hardware_compatible:
        config.hardware_compatibility_level = module.HardwareCompatibilityLevel.AMPERE_PLUS
    if settings.is_version_compatible:
        config.set_flag(module.BuilderFlag.VERSION_COMPATIBLE)
    config.clear_flag(module.BuilderFlag.TF32)  # on by default, and float32 with the bits of float16
    if tensorrt.is_rtx:
        config.set_flag(module.BuilderFlag.REQUIRE_USER_ALLOCATION)  # or a CUDA graph may not be recorded
    if settings.compute_capabilities:
        config.num_compute_capabilities = len(settings.compute_capabilities)
        for index, capability in enumerate(settings.compute_capabilities):
            config.set_compute_capability(getattr(module.ComputeCapability, f"SM{capability}"), index)
    if not settings.batch.is_fixed:
        frame_shape = tuple(network.get_input(0).shape)[1:]
        profile = builder.create_optimization_profile()
        profile.set_shape(FRAMES, *((count, *frame_shape) for count in settings.batch.as_tuple()))
        if config.add_optimization_profile(profile) < 0:
            raise _refused(f"the batch profile {settings.batch.as_tuple()}", tensorrt)


def _attach_timing_cache(config: ConfigApi, path: Path | None) -> bool:
    """Load the cache; one of another GPU or version is refused by TensorRT, and the build starts with an empty one."""
    if path is None:
        return False
    old = path.read_bytes() if path.is_file() else b""
    return any(config.set_timing_cache(config.create_timing_cache(data), False) for data in dict.fromkeys((old, b"")))


def _refused(what: str, tensorrt: TensorRt) -> InputError:
    return InputError(f"{tensorrt.title}: refused {what}.")


def _convolutions_of(network: NetworkApi, tensorrt: TensorRt) -> dict[str, int]:
    """Count the convolutions, transposed ones too, by the type that they compute in: int8 behind a dequantization."""
    kinds = tensorrt.module.LayerType
    dequantized: set[str] = set()
    counts: Counter[str] = Counter()
    for index in range(network.num_layers):  # in topological order
        layer = network.get_layer(index)
        result = layer.get_output(0) if layer.num_outputs else None
        if result is None:
            continue
        if layer.type == kinds.DEQUANTIZE:
            dequantized.add(result.name)
        elif layer.type in (kinds.CONVOLUTION, kinds.DECONVOLUTION):
            source = layer.get_input(0)
            is_int8 = source is not None and source.name in dequantized
            counts["int8" if is_int8 else _type_name(result.dtype)] += 1
    return dict(counts)


def _type_name(dtype: object) -> str:
    """Turn `DataType.HALF` into `half`."""
    return str(getattr(dtype, "name", dtype)).lower()

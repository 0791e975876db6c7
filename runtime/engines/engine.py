"""A deserialised engine: what it takes and gives, and contexts that execute it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..errors import DeviceError, InputError
from ..files import whole_file
from ..runners.contract import TensorSpec
from .bindings import CollectedLog, ContextApi, EngineApi, RuntimeApi, RuntimeCacheApi, RuntimeConfigApi, logger_of

_DTYPES = {"FLOAT": "float32", "HALF": "float16"}
"""TensorRT's words for types where numpy's are others; the rest differs in case alone."""


@dataclass(frozen=True, kw_only=True)
class ProfileBatch:
    """How many frames one run under an optimization profile takes."""

    least: int
    most: int


class TensorRtEngine:
    """An engine in the GPU's memory. Only to be made where a GPU was found.

    Args:
        path: of the engine, for errors.
        plan: its bytes, already checked.
        module: `tensorrt` or `tensorrt_rtx`.
        batch_of: name of the input whose first dimension is the batch.
        mend: what to do about an engine that cannot be loaded.
        compiled: file in which RTX's compiled kernels are kept for the next start; none for what is not executed.

    Raises:
        InputError: TensorRT cannot load the plan.
    """

    def __init__(
        self, path: Path, plan: bytes, module: ModuleType, *, batch_of: str, mend: str, compiled: Path | None = None
    ) -> None:
        self._path = path
        self._compiled = compiled
        self._cache: RuntimeCacheApi | None = None
        self._module = module
        self._batch_of = batch_of
        self._log: CollectedLog | None = logger_of(module)
        self._runtime: RuntimeApi | None = module.Runtime(self._log)
        self._engine: EngineApi | None = None
        if self._runtime is not None:
            self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            reason = self.last_error
            self.close()
            raise InputError(f"{path}: expected a plan that {self.title} can load, got an error ({reason}). {mend}")

    @property
    def title(self) -> str:
        """Name and version: `TensorRT 10.3.0`."""
        return f"{'TensorRT-RTX' if self.is_rtx else 'TensorRT'} {self._module.__version__}"

    @property
    def is_rtx(self) -> bool:
        """Whether it is TensorRT-RTX, which compiles the last step while it loads."""
        return str(self._module.__name__) == "tensorrt_rtx"

    @property
    def last_error(self) -> str:
        """What TensorRT said last of what went wrong."""
        return self._log.errors[-1] if self._log is not None and self._log.errors else "it gave no reason"

    @property
    def scratch_size(self) -> int:
        """Bytes of GPU memory that one context needs while it executes, whatever the batch."""
        return int(self._opened.device_memory_size_v2)

    def tensors(self, mode: str) -> dict[str, TensorSpec]:
        """List inputs or outputs.

        Args:
            mode: `INPUT` or `OUTPUT`.
        """
        engine = self._opened
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return {
            name: TensorSpec(
                dtype=_dtype(engine.get_tensor_dtype(name).name),
                shape=tuple(size if size >= 0 else None for size in engine.get_tensor_shape(name)),
            )
            for name in names
            if engine.get_tensor_mode(name).name == mode
        }

    def batches(self) -> tuple[ProfileBatch, ...]:
        """Tell the batch of each optimization profile; a fixed one has but one."""
        engine, name = self._opened, self._batch_of
        fixed = engine.get_tensor_shape(name)[0]
        if fixed >= 0:
            return (ProfileBatch(least=fixed, most=fixed),)
        shapes = (engine.get_tensor_profile_shape(name, index) for index in range(engine.num_optimization_profiles))
        return tuple(ProfileBatch(least=least[0], most=most[0]) for least, _best, most in shapes)

    def layers(self) -> str:
        """Let TensorRT describe its layers, as JSON: of an engine that was built without details, their names."""
        inspector = self._opened.create_engine_inspector()
        return str(inspector.get_engine_information(self._module.LayerInformationFormat.JSON))

    def create_context(self) -> ContextApi:
        """Make a context that executes in memory which the caller gives it.

        Raises:
            DeviceError: TensorRT cannot, for want of memory as a rule.
        """
        strategy = self._module.ExecutionContextAllocationStrategy.USER_MANAGED
        settings: object = self._rtx_settings(strategy) if self.is_rtx else strategy
        context: ContextApi | None = self._opened.create_execution_context(settings)
        if context is None:
            raise DeviceError(f"{self._path}: {self.title} could not make an execution context ({self.last_error}).")
        return context

    def keep_compiled(self) -> None:
        """Write what RTX has compiled so far; a folder that cannot be written to costs the next start its time."""
        if self._cache is not None and self._compiled is not None:
            with suppress(InputError), whole_file(self._compiled) as temporary:
                temporary.write_bytes(self._cache.serialize())

    def close(self) -> None:
        """Free cache, engine, runtime and log in this order; contexts are to be gone by then."""
        self._cache = None
        self._engine = None
        self._runtime = None
        self._log = None

    @property
    def _opened(self) -> EngineApi:
        if self._engine is None:
            raise RuntimeError(f"{self._path}: the engine is closed")
        return self._engine

    def _rtx_settings(self, strategy: object) -> RuntimeConfigApi:
        settings = self._opened.create_runtime_config()
        settings.set_execution_context_allocation_strategy(strategy)
        # Kernels for the shape at hand are compiled when it is set: compiled behind the scenes, as is the default, a
        # CUDA graph could catch the slow ones that stand in for them.
        strategies = self._module.DynamicShapesKernelSpecializationStrategy
        settings.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        if self._compiled is not None:
            self._cache = settings.create_runtime_cache()
            with suppress(OSError):  # one of another driver or GPU is refused, and stays empty
                self._cache.deserialize(self._compiled.read_bytes())
            settings.set_runtime_cache(self._cache)
        return settings


def _dtype(word: str) -> str:
    return _DTYPES.get(word, word.lower())

"""Building an engine again that does not fit any more, by what its card says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...runtime.card import Engine
from ...runtime.engines.engine_checks import EngineDevice, engine_of, graph_of, load_engine_card, stale_reason
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from .build import Built, build_engine
from .compile import Gpu, find_gpu
from .plan import BatchProfile, CompilerSettings
from .stage import Checks
from .tensorrt_api import Backend, TensorRt, find_tensorrt


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What came of looking at an engine.

    Args:
        reason: what did not fit; None where all did, and nothing was done.
        built: the new engine.
    """

    reason: str | None
    built: Built | None


def rebuild_stale(
    path: StrPath,
    *,
    timing_cache: StrPath | None = None,
    checks: Checks | None = None,
    on_progress: Progress = no_progress,
) -> Rebuilt:
    """Build an engine again if it does not fit its card, its graph, the installed compiler or the GPU of this machine.

    All settings are those of its card. An engine for other GPUs than the one at hand is built for the one at hand.

    Args:
        path: the engine, its card beside it.
        timing_cache: for TensorRT.
        checks: what the new engine is held against.
        on_progress: told the phase at work and how far it is, from another thread.

    Raises:
        InputError: the card or the graph is missing, or the graph cannot be built any more.
        MissingDependencyError: the compiler of the engine is not installed.
        CheckError: as `build_engine`.
    """
    path = Path(path)
    card = load_engine_card(path)
    record = engine_of(card, source=str(path))
    graph = graph_of(path, record)
    backend: Backend = "rtx" if record.compiler == "tensorrt_rtx" else "tensorrt"
    gpu = find_gpu()
    tensorrt = find_tensorrt(backend, has_gpu=gpu is not None, graph=str(graph))
    reason = stale_reason(path, card, _device(record, tensorrt, gpu))
    if reason is None:
        return Rebuilt(reason=None, built=None)
    if not graph.is_file():
        raise InputError(
            f"{path}: {reason}. Expected the graph that it was built from at {graph}, got no such file. Put it there."
        )
    least, best, most = record.batch
    settings = CompilerSettings(
        batch=BatchProfile(least=least, best=best, most=most),
        workspace_mib=record.workspace_mib,
        compute_capabilities=_capabilities(record, gpu) if tensorrt.is_rtx else (),
        is_hardware_compatible=record.hardware_compatible,
        is_version_compatible=record.version_compatible,
        timing_cache=timing_cache,
    )
    built = build_engine(
        graph,
        path,
        precision=record.precision,
        backend=backend,
        settings=settings,
        checks=checks,
        on_progress=on_progress,
    )
    return Rebuilt(reason=reason, built=built)


def _device(record: Engine, tensorrt: TensorRt, gpu: Gpu | None) -> EngineDevice:
    return EngineDevice(
        compiler=record.compiler,
        version=tensorrt.version,
        gpu=None if gpu is None else gpu.name,
        compute_capability=None if gpu is None else gpu.compute_capability,
    )


def _capabilities(record: Engine, gpu: Gpu | None) -> tuple[int, ...]:
    """Give those of the card; none, which is the GPU at hand, where that is not among them."""
    if gpu is not None and gpu.compute_capability not in record.compute_capabilities:
        return ()
    return tuple(int(item.replace(".", "")) for item in record.compute_capabilities)

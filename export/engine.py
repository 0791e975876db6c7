"""From a graph to an engine with its card beside it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx

from ..runtime.card import Card, Engine, Measurement, Origin, sha256_of_file
from ..runtime.errors import CheckError, InputError
from ..runtime.machine import installed_of, nvidia_gpus
from ..runtime.session import open_session
from ..runtime.whole_files import whole_file
from .cluster_tail import with_cluster_tail
from .engine_plan import CompilerSettings, Plan, compile_plan
from .fixed_batch import with_batch
from .fp16 import with_fp16_network
from .plan_program import PlanProgram, read_plan_program
from .tail_agreement import TailAgreement, check_tails_agree
from .tensorrt_api import Backend, TensorRt, find_tensorrt

Precision = Literal["fp32", "fp16"]
_TYPE_OF: dict[Precision, str] = {"fp32": "float", "fp16": "half"}
"""What a convolution of that precision gives, in TensorRT's words."""
_PACKAGES = ("onnx", "onnxruntime", "tensorrt-rtx", "tensorrt")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The NVIDIA GPU of this machine."""

    name: str
    driver: str
    compute_capability: str
    """For example `8.6`."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A written engine, and what was found out about it."""

    path: Path
    card_path: Path
    card: Card
    size: int
    """Bytes."""
    build_s: float


def find_gpu() -> Gpu | None:
    """Ask the driver for the first GPU."""
    for line in nvidia_gpus():
        name, driver, _, capability = (part.strip() for part in line.rsplit(",", 3))
        return Gpu(name=name, driver=driver, compute_capability=capability)
    return None


def engine_path(graph: Path, precision: Precision) -> Path:
    """Name the engine beside its graph: `ssd.onnx` gives `ssd.fp16.engine`."""
    return graph.with_name(f"{graph.name.removesuffix('.onnx')}.{precision}.engine")


def card_path_of(engine: Path) -> Path:
    """Name the card beside an engine: `ssd.fp16.engine.json`."""
    return engine.with_name(f"{engine.name}.json")


def build_engine(
    graph_path: Path,
    out: Path | None = None,
    *,
    precision: Precision = "fp16",
    backend: Backend = "auto",
    settings: CompilerSettings | None = None,
    on_progress: Callable[[str, float], None] = lambda _phase, _fraction: None,
) -> Built:
    """Compile a graph for NVIDIA GPUs and write the engine with its card beside it.

    A graph that carries the `onnx` tail is given the `cluster` tail, after both gave the same rows. Not promised: that
    the engine runs. Nothing here executes it, and the card says so.

    Args:
        graph_path: follows the graph contract.
        out: the engine; beside the graph where not given.
        precision: of the convolutions; post-processing is float32 always.
        backend: `auto` is TensorRT where it is installed and there is a GPU, else TensorRT-RTX.
        settings: for the compiler.
        on_progress: told the phase at work and the fraction done, from another thread.

    Raises:
        InputError: the graph or the settings cannot be used, or the compiler refuses them.
        MissingDependencyError: no TensorRT is installed.
        CheckError: the tails differ, or the plan's precision is another than was asked for.
    """
    settings = settings or CompilerSettings()
    out = out or engine_path(graph_path, precision)
    if out.suffix != ".engine":
        raise InputError(f"{out}: expected a name that ends in .engine, got {out.suffix or 'none'}.")
    with open_session(graph_path) as session:  # holds the graph against the contract
        parent = session.card
    gpu = find_gpu()
    tensorrt = find_tensorrt(backend, has_gpu=gpu is not None, graph=str(graph_path))
    settings = _settled(settings, tensorrt, gpu)
    model = with_batch(onnx.load(str(graph_path)), settings.batch, name=str(graph_path))
    model, agreement = _with_static_tail(model, parent, graph_path)
    if precision == "fp16":
        model = with_fp16_network(model)
    started = time.perf_counter()
    plan = compile_plan(model, tensorrt, settings, name=str(graph_path), on_progress=on_progress)
    build_s = time.perf_counter() - started
    program = read_plan_program(plan.data) if tensorrt.is_rtx else None
    check_precision(str(out), precision, plan.network_convolutions, program)
    record = _record(plan, program, tensorrt, gpu, settings, precision)
    card = _card(parent, record, graph_path, settings, agreement, build_s)
    card_path = card_path_of(out)
    with whole_file(card_path) as card_file, whole_file(out) as engine_file:
        engine_file.write_bytes(plan.data)
        card_file.write_text(card.to_json() + "\n", encoding="utf-8")
    return Built(path=out, card_path=card_path, card=card, size=len(plan.data), build_s=build_s)


def check_precision(
    engine: str, precision: Precision, network_convolutions: dict[str, int], program: PlanProgram | None
) -> None:
    """Refuse a plan that does not compute as asked: a build that falls back silently looks like one that worked.

    Raises:
        CheckError: a convolution of the network or of the plan gives another type, or there is none to judge by.
    """
    wanted = _TYPE_OF[precision]
    sides = {"network": network_convolutions}
    if program is not None:
        sides["plan"] = program.convolutions
    for side, counts in sides.items():
        if set(counts) != {wanted}:
            found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"
            raise CheckError(
                f"{engine}: expected {precision}, all convolutions of the {side} in {wanted}, got {found}. "
                f"Nothing was written."
            )


def _settled(settings: CompilerSettings, tensorrt: TensorRt, gpu: Gpu | None) -> CompilerSettings:
    """Check that the settings are this compiler's, and compile for the GPU at hand where none was named."""
    if not tensorrt.is_rtx:
        if settings.compute_capabilities:
            raise InputError(
                f"--sm: expected none with {tensorrt.title}, which compiles for the GPU of this machine, got "
                f"{','.join(map(str, settings.compute_capabilities))}. --backend rtx compiles for others."
            )
        return settings
    foreign = {
        "--timing-cache": settings.timing_cache is not None,
        "--hardware-compatible": settings.is_hardware_compatible,
        "--version-compatible": settings.is_version_compatible,
    }
    for option, is_given in foreign.items():
        if is_given:
            raise InputError(f"{option}: expected with --backend tensorrt alone; {tensorrt.title} has no such setting.")
    known = tensorrt.compute_capabilities()
    unknown = [str(capability) for capability in settings.compute_capabilities if capability not in known]
    if unknown:
        raise InputError(
            f"--sm: expected some of {', '.join(map(str, known))}, as {tensorrt.title} compiles for these, "
            f"got {', '.join(unknown)}."
        )
    at_hand = int(gpu.compute_capability.replace(".", "")) if gpu is not None else 0
    if not settings.compute_capabilities and at_hand in known:
        return replace(settings, compute_capabilities=(at_hand,))
    return settings


def _with_static_tail(
    model: onnx.ModelProto, card: Card, graph_path: Path
) -> tuple[onnx.ModelProto, TailAgreement | None]:
    if card.postprocess.tail == "cluster":
        return model, None
    try:
        clustered = with_cluster_tail(model, card.postprocess)
    except ValueError as error:
        raise InputError(f"{graph_path}: {error}. Export it again with `singleshot export`.") from error
    return clustered, check_tails_agree(model, clustered, card.postprocess, class_count=len(card.class_names))


def _record(
    plan: Plan,
    program: PlanProgram | None,
    tensorrt: TensorRt,
    gpu: Gpu | None,
    settings: CompilerSettings,
    precision: Precision,
) -> Engine:
    capabilities = tuple(f"{number // 10}.{number % 10}" for number in settings.compute_capabilities)
    if not tensorrt.is_rtx and gpu is not None:
        capabilities = (gpu.compute_capability,)
    return Engine(
        compiler="tensorrt_rtx" if tensorrt.is_rtx else "tensorrt",
        version=tensorrt.version,
        compute_capabilities=capabilities,
        gpu=gpu.name if gpu is not None else None,
        driver=gpu.driver if gpu is not None else None,
        precision=precision,
        batch=settings.batch.as_tuple(),
        plan_sha256=hashlib.sha256(plan.data).hexdigest(),
        network_convolutions=plan.network_convolutions,
        plan_convolutions=program.convolutions if program is not None else None,
        kernel_launches=program.launches if program is not None else None,
        deserialised=False,
        executed=False,
    )


def _card(
    parent: Card,
    record: Engine,
    graph_path: Path,
    settings: CompilerSettings,
    agreement: TailAgreement | None,
    build_s: float,
) -> Card:
    measured = [Measurement(metric="build, seconds", value=round(build_s, 2), data="this machine")]
    if agreement is not None:
        measured.append(
            Measurement(
                metric="rows that the onnx and the cluster tail both gave, equal in every bit",
                value=agreement.rows,
                data=f"{agreement.scenes} generated scenes, ONNX Runtime",
                note=f"{agreement.inexact} scenes finished on the host",
            )
        )
    inherited = (
        item.model_copy(update={"note": f"{item.note}, of the graph".removeprefix(", ")})
        for item in parent.measurements
    )
    return parent.model_copy(
        update={
            "kind": "engine",
            "engine": record,
            "postprocess": parent.postprocess.model_copy(update={"tail": "cluster"}),
            "origin": Origin(
                parent_sha256=sha256_of_file(graph_path),
                data=parent.origin.data,
                data_sha256=parent.origin.data_sha256,
                split_seed=parent.origin.split_seed,
                settings={
                    "workspace_mib": settings.workspace_mib,
                    "hardware_compatible": settings.is_hardware_compatible,
                    "version_compatible": settings.is_version_compatible,
                },
                packages=installed_of(_PACKAGES),
            ),
            "measurements": (*inherited, *measured),
        }
    )

"""One graph in one precision: its types, the compiler, what the plan turned out to be, and the card that says so."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from ...runtime.card import Card, Engine, Measurement, derived_origin
from ...runtime.errors import CheckError, InputError
from ...runtime.files import cache_folder, sha256_of_file
from ...runtime.machine import installed_of, nvidia_gpus
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ...runtime.session import open_session
from ...runtime.uncertified import uncertified_sha256
from ..graphs.cluster_tail import with_cluster_tail
from ..graphs.fp16 import with_fp16_network
from ..graphs.graph_file import precision_of_graph
from ..graphs.product_convolutions import with_convolutions_for_products
from ..inspection.plan_program import UNKNOWN, PlanProgram, read_plan_program
from .fixed_batch import with_batch
from .plan import CompilerSettings, Plan, compile_plan
from .tail_agreement import TailAgreement, check_tails_agree
from .tensorrt_api import TensorRt

TYPE_OF = {Precision.FP32: "float", Precision.FP16: "half", Precision.INT8: "int8"}
"""What engines can be built in, and what their convolutions then compute in, in TensorRT's words."""
_PACKAGES = ("onnx", "onnxruntime", "tensorrt-rtx", "tensorrt")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The NVIDIA GPU of this machine."""

    name: str
    driver: str
    compute_capability: str
    """For example `8.6`."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What compiles, and on which machine.

    Args:
        tensorrt: the compiler.
        gpu: of this machine.
        settings: for the compiler, settled for it.
    """

    tensorrt: TensorRt
    gpu: Gpu | None
    settings: CompilerSettings

    @property
    def can_execute(self) -> bool:
        """Whether the GPU at hand is one that it compiles for; that its runtime opens here does not follow."""
        if self.gpu is None or not self.tensorrt.is_rtx:
            return self.gpu is not None
        wanted = self.settings.compute_capabilities or self.tensorrt.compute_capabilities()
        return _number(self.gpu) in wanted


@dataclass(frozen=True, kw_only=True, eq=False)
class Compiled:
    """A plan in memory, with its card.

    Args:
        plan: the engine's bytes.
        card: the engine's, to be written beside it.
        typed: the graph in the engine's types, N as the given graph has it; ONNX Runtime can run it.
        is_retyped: whether it differs from the given graph.
        build_s: what the compiler took.
    """

    plan: bytes
    card: Card
    typed: onnx.ModelProto
    is_retyped: bool
    build_s: float


def find_gpu() -> Gpu | None:
    """Ask the driver for the first GPU."""
    for line in nvidia_gpus():
        name, driver, _, capability = (part.strip() for part in line.rsplit(",", 3))
        return Gpu(name=name, driver=driver, compute_capability=capability)
    return None


def target_for(tensorrt: TensorRt, gpu: Gpu | None, settings: CompilerSettings) -> Target:
    """Check that the settings are this compiler's, and compile for the GPU at hand where none was named.

    Raises:
        InputError: a setting is the other compiler's, or it cannot compile for a GPU that was named.
    """
    if not tensorrt.is_rtx:
        if settings.compute_capabilities:
            raise InputError(
                f"--sm: expected none with {tensorrt.title}, which compiles for the GPU of this machine, got "
                f"{','.join(map(str, settings.compute_capabilities))}. --backend rtx compiles for others."
            )
        if settings.timing_cache is None and gpu is not None:
            settings = replace(settings, timing_cache=timing_cache_path(tensorrt, gpu))
        return Target(tensorrt=tensorrt, gpu=gpu, settings=settings)
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
    if not settings.compute_capabilities and gpu is not None and _number(gpu) in known:
        settings = replace(settings, compute_capabilities=(_number(gpu),))
    return Target(tensorrt=tensorrt, gpu=gpu, settings=settings)


def timing_cache_path(tensorrt: TensorRt, gpu: Gpu) -> Path:
    """Name the cache of kernel timings of one TensorRT on one kind of GPU, in the user's cache folder."""
    device = "".join(letter if letter.isalnum() else "-" for letter in gpu.name)
    return cache_folder("timings") / f"tensorrt-{tensorrt.version}-sm{_number(gpu)}-{device}.cache"


def compile_engine(
    graph_path: Path,
    target: Target,
    *,
    precision: Precision,
    out: Path,
    named: Path | None = None,
    on_progress: Progress = no_progress,
) -> Compiled:
    """Compile a graph and read back what the plan computes in. Nothing is written.

    Args:
        graph_path: follows the graph contract.
        target: compiler, GPU and settings.
        precision: of the convolutions; an int8 graph gives int8 alone.
        out: where the engine will be, for its card and errors.
        named: where the graph will be, where that is another place than where it is read from.
        on_progress: told the phase at work and how far it is, from another thread.

    Raises:
        InputError: the graph cannot be used so, or the compiler refuses it.
        CheckError: the tails differ, or the plan computes in another precision than was asked for.
    """
    with open_session(graph_path) as session:  # holds the graph against the contract
        parent = session.card
    model = onnx.load(str(graph_path))
    typed = typed_graph(with_convolutions_for_products(model), precision, name=str(graph_path))
    fixed = with_batch(typed, target.settings.batch, name=str(graph_path))
    static, agreement = _with_static_tail(fixed, parent, graph_path)
    started = time.perf_counter()
    plan = compile_plan(static, target.tensorrt, target.settings, name=str(graph_path), on_progress=on_progress)
    build_s = time.perf_counter() - started
    program = read_plan_program(plan.data) if target.tensorrt.is_rtx else None
    check_precision(str(out), precision, plan.network_convolutions, program)
    relative = Path(os.path.relpath(named or graph_path, out.parent)).as_posix()
    record = _record(plan, program, target, precision, relative)
    return Compiled(
        plan=plan.data,
        card=_card(parent, record, graph_path, agreement, build_s),
        typed=typed,
        is_retyped=typed is not model,
        build_s=build_s,
    )


def typed_graph(model: onnx.ModelProto, precision: Precision, *, name: str) -> onnx.ModelProto:
    """Give a graph the types that an engine of a precision is built from; the graph itself where it has them already.

    Raises:
        InputError: that cannot be had from this graph.
    """
    has = precision_of_graph(model)
    if has == precision:
        return model
    if has != Precision.FP32:
        raise InputError(
            f"--precision: expected {has}, as {name} is an {has} graph, got {precision}. "
            f"Build the float32 graph that it was made from."
        )
    try:
        return with_fp16_network(model)
    except ValueError as error:
        raise InputError(f"{name}: {error}. Build it with --precision fp32.") from error


def check_precision(
    engine: str, precision: Precision, network_convolutions: dict[str, int], program: PlanProgram | None
) -> None:
    """Refuse a plan that does not compute as asked: a build that falls back silently looks like one that worked.

    In an int8 engine, some convolutions may have been left in float on purpose: the plan may not have more of them than
    the graph. A plan may have fewer convolutions than its network, as the compiler turns some into other kernels. Those
    of unknown type count for nothing: neither for the precision nor against it.

    Raises:
        CheckError: a convolution of the network or of the plan computes in another type, or there is none to judge by.
    """
    wanted = TYPE_OF[precision]
    has_int8 = precision == Precision.INT8 and "int8" in network_convolutions
    allowed = _others(network_convolutions, wanted) if has_int8 else 0
    sides = {"network": network_convolutions} | ({} if program is None else {"plan": program.convolutions})
    for side, counts in sides.items():
        if not counts.get(wanted) or _others(counts, wanted) > allowed:
            found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"
            but = f" but {allowed}" if allowed else ""
            raise CheckError(
                f"{engine}: expected {precision}, all{but} convolutions of the {side} in {wanted}, got {found}. "
                f"Nothing was written."
            )


def _others(counts: dict[str, int], wanted: str) -> int:
    return sum(count for kind, count in counts.items() if kind not in (wanted, UNKNOWN))


def _with_static_tail(
    model: onnx.ModelProto, card: Card, graph_path: Path
) -> tuple[onnx.ModelProto, TailAgreement | None]:
    if card.task == "classifier" or card.postprocess.tail == "cluster":
        return model, None
    try:
        clustered = with_cluster_tail(model, card.postprocess)
    except ValueError as error:
        raise InputError(f"{graph_path}: {error}. Export it again with `singleshot export`.") from error
    return clustered, check_tails_agree(model, clustered, card.postprocess, class_count=len(card.class_names))


def _record(plan: Plan, program: PlanProgram | None, target: Target, precision: Precision, graph: str) -> Engine:
    settings, gpu, tensorrt = target.settings, target.gpu, target.tensorrt
    capabilities = tuple(f"{number // 10}.{number % 10}" for number in settings.compute_capabilities)
    if not tensorrt.is_rtx and gpu is not None:
        capabilities = (gpu.compute_capability,)
    return Engine(
        graph=graph,
        compiler="tensorrt_rtx" if tensorrt.is_rtx else "tensorrt",
        version=tensorrt.version,
        compute_capabilities=capabilities,
        gpu=gpu.name if gpu is not None else None,
        driver=gpu.driver if gpu is not None else None,
        precision=precision,
        batch=settings.batch.as_tuple(),
        workspace_mib=settings.workspace_mib,
        hardware_compatible=settings.is_hardware_compatible,
        version_compatible=settings.is_version_compatible,
        plan_sha256=hashlib.sha256(plan.data).hexdigest(),
        network_convolutions=plan.network_convolutions,
        plan_convolutions=program.convolutions if program is not None else None,
        kernel_launches=program.launches if program is not None else None,
        deserialised=False,
        executed=False,
    )


def _card(parent: Card, record: Engine, graph_path: Path, agreement: TailAgreement | None, build_s: float) -> Card:
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
    inherited = (item.noted("of the graph") for item in parent.measurements)
    changes: dict[str, object] = {
        "kind": "engine",
        "engine": record,
        "origin": derived_origin(
            parent.origin,
            sha256_of_file(graph_path),
            uncertified_sha256=uncertified_sha256(graph_path),
            settings={},
            packages=installed_of(_PACKAGES),
        ),
        "measurements": (*inherited, *measured),
        "backend_parity": (),
    }
    if parent.task == "detector":
        changes["postprocess"] = parent.postprocess.model_copy(update={"tail": "cluster"})
    return parent.model_copy(update=changes)


def _number(gpu: Gpu) -> int:
    return int(gpu.compute_capability.replace(".", ""))

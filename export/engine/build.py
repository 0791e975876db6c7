"""From a graph to an engine with its card beside it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ...calib.int8.image_pool import ImagePool
from ...runtime.card import Card, Measurement
from ...runtime.engines.engine_checks import card_path_of
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath, check_can_write, whole_file
from ...runtime.precision import Precision, precision_named
from ...runtime.progress import Progress, no_progress
from ..gate.result import GateResult
from ..graphs.graph_file import load_graph, precision_of_graph
from ..quantize.calibrated import QuantizationSettings, blocks_kept, open_parent
from ..quantize.gated import gate_int8
from ..quantize.quantize import Quantized, quantize
from .compile import TYPE_OF, Target, find_gpu, target_for
from .plan import CompilerSettings
from .prove import why_not_executed
from .stage import Checks, Source, Staged, candidate_name, check_gate_takes, judge, stage
from .tensorrt_api import Backend, find_tensorrt

Choice = Literal["best"] | Precision


@dataclass(frozen=True, kw_only=True)
class Built:
    """A written engine, and what was found out about it.

    Args:
        path: the engine.
        card_path: beside it.
        card: what it says.
        size: of the engine, bytes.
        build_s: what the compiler took.
        measured: parity and latency.
        written: the calibrated graph and what goes with it, where one was made.
        notes: what was decided or could not be done, a sentence each.
        gate: figures of the accuracy gate; None where there was none.
    """

    path: Path
    card_path: Path
    card: Card
    size: int
    build_s: float
    measured: tuple[Measurement, ...] = ()
    written: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    gate: GateResult | None = None


def engine_path(graph: Path, precision: Precision) -> Path:
    """Name the engine beside its graph: `ssd.onnx` gives `ssd.fp16.engine`, and so does `ssd.fp16.onnx`."""
    stem = graph.name.removesuffix(".onnx").removesuffix(f".{precision}")
    return graph.with_name(f"{stem}.{precision}.engine")


def build_engine(
    graph_path: StrPath,
    out: StrPath | None = None,
    *,
    precision: str | None = None,
    backend: Backend = "auto",
    settings: CompilerSettings | None = None,
    calib_images: StrPath | None = None,
    keep_float: str | None = None,
    checks: Checks | None = None,
    on_progress: Progress = no_progress,
) -> Built:
    """Compile a graph for NVIDIA GPUs and write the engine with its card beside it.

    A graph that carries the `onnx` tail is given the `cluster` tail, after both gave the same rows. Where a GPU can run
    the engine, it is compared with the graph and timed; where none can, the card says that it was not executed.

    Args:
        graph_path: follows the graph contract.
        out: the engine; beside the graph where not given.
        precision: of the convolutions: fp32, fp16, int8 or best; post-processing is float32 always. Not given: FP16,
            or what the graph already is. `best` builds FP16 and INT8 and keeps the faster one that passes the gate;
            where nothing can be timed it is FP16.
        backend: `auto` is TensorRT where it is installed and there is a GPU, else TensorRT-RTX.
        settings: for the compiler.
        calib_images: folder or video to make an int8 graph with, which is kept beside the engine.
        keep_float: regular expression; blocks with this in their name are not made int8.
        checks: what the engine is held against.
        on_progress: told the phase at work and how far it is, from another thread.

    Raises:
        InputError: the graph or the settings cannot be used, or the compiler refuses them.
        MissingDependencyError: no TensorRT is installed.
        CheckError: the tails differ, the plan's precision is another than was asked for, the engine or its typed graph
            says something else than the graph, or accuracy falls by more than allowed. Nothing is written.
    """
    graph_path = Path(graph_path)
    out = None if out is None else Path(out)
    calib_images = None if calib_images is None else Path(calib_images)
    if out is not None and out.suffix != ".engine":
        raise InputError(f"{out}: expected a name that ends in .engine, got {out.suffix or 'none'}.")
    check_can_write(out or graph_path.with_suffix(".engine"))
    has = precision_of_graph(load_graph(graph_path))
    gpu = find_gpu()
    tensorrt = find_tensorrt(backend, has_gpu=gpu is not None, graph=str(graph_path))
    order = _Order(
        graph=graph_path,
        out=out,
        has=has,
        choice=_choice(precision, has),
        calib_images=calib_images,
        keep_float=keep_float,
        checks=checks or Checks(),
        target=target_for(tensorrt, gpu, settings or CompilerSettings()),
        on_progress=on_progress,
    )
    return _built(order)


def _choice(precision: str | None, has: Precision) -> Choice:
    if precision is None:
        return Precision.FP16 if has == Precision.FP32 else has
    return "best" if precision == "best" else precision_named(precision, TYPE_OF)


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What is asked of a build, settled for this machine; `has` is the precision of the graph."""

    graph: Path
    out: Path | None
    has: Precision
    choice: Choice
    calib_images: Path | None
    keep_float: str | None
    checks: Checks
    target: Target
    on_progress: Progress


def _built(order: _Order) -> Built:
    check_gate_takes(order.graph, order.checks)
    obstacle = why_not_executed(order.target)
    wanted, notes = _wanted(order, obstacle)
    _check_calibration(order, wanted)
    with TemporaryDirectory(prefix="singleshot-build-") as name:
        folder = Path(name)
        sources = [_source(order, precision, folder) for precision in wanted]
        staged, failures = _staged(order, sources, folder, runs=obstacle is None)
        notes += failures
        if len(wanted) > 1:
            notes.append(_speeds(staged))
        chosen, gated = _chosen(order, staged)
        if obstacle is not None:
            notes.append(f"not executed: {obstacle}")
        return _written(chosen, gated, [*notes, *([chosen.proof.note] if chosen.proof.note else [])])


def _wanted(order: _Order, obstacle: str | None) -> tuple[list[Precision], list[str]]:
    """Say which precisions to build, and why."""
    if order.choice != "best":
        return [order.choice], []
    if order.has != Precision.FP32:
        raise InputError(
            f"--precision best: expected a float32 graph, to make FP16 and INT8 of, got an {order.has} graph. "
            f"Give the graph that it was made from."
        )
    if obstacle is None:
        return [Precision.FP16, Precision.INT8], []
    why = "; TensorRT-RTX fuses nothing into INT8 convolutions" if order.target.tensorrt.is_rtx else ""
    return [Precision.FP16], [f"best is FP16 where engines cannot be timed{why}"]


def _check_calibration(order: _Order, wanted: Sequence[Precision]) -> None:
    """Ask for images where they are needed, and refuse them where they would do nothing."""
    calibrates = Precision.INT8 in wanted and order.has == Precision.FP32
    if calibrates and order.calib_images is None:
        raise InputError(
            f"--calib-images: expected images to make INT8 of {order.graph} with --precision {order.choice}, got none. "
            f"Name a folder of what the network will see, or build the graph that `singleshot quantize` makes."
        )
    if order.calib_images is not None and not calibrates and order.choice != "best":
        raise InputError(
            f"--calib-images: expected with INT8 of a float32 graph, got it with {order.choice} of an {order.has} "
            f"graph. Leave it out."
        )
    if order.keep_float is not None and not calibrates:
        raise InputError(
            f"--keep-float: expected with INT8 that is made now of a float32 graph, got it with {order.choice} of an "
            f"{order.has} graph. It keeps blocks from becoming int8; leave it out."
        )
    if calibrates and order.calib_images is not None:
        blocks_kept(open_parent(order.graph), _int8_settings(order))
        ImagePool(order.calib_images)


def _int8_settings(order: _Order) -> QuantizationSettings:
    return QuantizationSettings(fp16=True, keep_float=order.keep_float)


def _source(order: _Order, precision: Precision, folder: Path) -> Source:
    """Give the graph to compile: for INT8 with images, one that is calibrated now."""
    graph, out = order.graph, order.out or engine_path(order.graph, precision)
    if precision != Precision.INT8 or order.calib_images is None:
        return Source(graph=graph, kept=graph, precision=precision, out=out)
    kept = out.with_name(f"{graph.name.removesuffix('.onnx')}.int8.onnx")
    if kept.exists():
        raise InputError(
            f"{kept}: expected no such file, as the calibrated graph is kept there, got one. "
            f"Build from it with `singleshot build {kept}`, or remove it."
        )
    try:
        made, gated = _calibrated(order, folder / kept.name, order.calib_images)
    except CheckError as error:  # speaks of the temporary file
        raise CheckError(str(error).replace(str(folder / kept.name), str(kept))) from error
    return Source(
        graph=made.path, kept=kept, precision=precision, out=out, made=(made.path, *made.written), gated=gated
    )


def _calibrated(order: _Order, out: Path, images: Path) -> tuple[Quantized, GateResult | None]:
    """Make the int8 graph: with labelled images the cheapest one that the gate accepts."""
    settings, checks = _int8_settings(order), order.checks
    if checks.data is None:
        return quantize(order.graph, out, images=images, settings=settings, on_progress=order.on_progress), None
    found = gate_int8(
        order.graph,
        images=images,
        data=checks.data,
        settings=settings,
        gate_settings=checks.gate,
        on_progress=order.on_progress,
    )
    return found.save(out), found.result


def _staged(order: _Order, sources: Sequence[Source], folder: Path, *, runs: bool) -> tuple[list[Staged], list[str]]:
    """Compile all, the fastest first; of several, one that cannot be had is left out and said so."""

    def attempt(source: Source) -> Staged | CheckError:
        try:
            return stage(source, order.target, order.checks, folder, runs=runs, on_progress=order.on_progress)
        except CheckError as error:
            return error

    attempts = [attempt(source) for source in sources]
    staged = [item for item in attempts if isinstance(item, Staged)]
    failures = [item for item in attempts if isinstance(item, CheckError)]
    if not staged:
        raise failures[0]
    return sorted(staged, key=lambda item: item.proof.latency_ms or 0.0), [str(item) for item in failures]


def _speeds(staged: Sequence[Staged]) -> str:
    return "best of " + ", ".join(f"{item.source.precision} {item.proof.latency_ms or 0.0:.2f} ms" for item in staged)


def _chosen(order: _Order, staged: Sequence[Staged]) -> tuple[Staged, GateResult | None]:
    """Keep the first that passes the gate; the first of all where there is none."""
    gated = staged[0].source.gated
    if gated is not None and not staged[0].is_executed:
        return staged[0], gated  # the graph was judged when it was chosen, and its card has the figures
    result = judge(order.graph, staged, order.checks, order.on_progress)
    if result is None:
        return staged[0], None
    accepted = result.check(staged[0].source.out).candidate.name
    chosen = next(item for item in staged if candidate_name(item) == accepted)
    card = chosen.compiled.card
    subject = "the engine" if chosen.is_executed else "the graph in the engine's types, not the plan"
    measured = tuple(
        item.model_copy(update={"note": f"{subject}; {item.note}"})
        for item in result.measurements()
        if not item.metric.startswith("latency")  # of graphs on this machine's processor
    )
    judged = card.model_copy(update={"measurements": (*card.measurements, *measured)})
    return replace(chosen, compiled=replace(chosen.compiled, card=judged)), result


def _written(chosen: Staged, gated: GateResult | None, notes: Sequence[str]) -> Built:
    """Write everything or nothing."""
    source, card = chosen.source, chosen.card
    out, card_path = source.out, card_path_of(chosen.source.out)
    kept = tuple(source.kept.with_name(made.name) for made in source.made)
    with ExitStack() as files:
        for made, path in zip(source.made, kept, strict=True):
            shutil.copyfile(made, files.enter_context(whole_file(path)))
        files.enter_context(whole_file(card_path)).write_text(card.to_json() + "\n", encoding="utf-8")
        files.enter_context(whole_file(out)).write_bytes(chosen.compiled.plan)
    return Built(
        path=out,
        card_path=card_path,
        card=card,
        size=len(chosen.compiled.plan),
        build_s=chosen.compiled.build_s,
        measured=chosen.proof.measurements,
        written=kept,
        notes=tuple(notes),
        gate=gated,
    )

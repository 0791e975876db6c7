"""`singleshot build`, also `export-engine`: from a graph to a TensorRT engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from ...runtime.errors import InputError
from ..terminal.data_options import AnywayFlag, BackgroundFlag
from ..terminal.stage_progress import stage_progress
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...export.engine.build import Built
    from ...export.engine.plan import BatchProfile, ParserProblem
    from ...export.engine.stage import Checks

_WITH_REBUILDING = {
    *("graph", "rebuild_stale", "data", "split", "max_drop", "missing_is_background", "anyway"),
    *("strict", "frames", "timing_cache", "as_json"),
}
"""Options that are not of the card."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What `build` is told."""

    ctx: typer.Context
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="Of `singleshot export`, `quantize` or `adapt`.")]
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT.engine", help="The engine.", show_default="beside the graph"),
    ] = None
    precision: Annotated[
        Literal["best", "fp32", "fp16", "int8"] | None,
        typer.Option(
            help="Of the convolutions; best times FP16 and INT8 on the GPU and keeps the faster that passes the gate.",
            show_default="fp16, or what the graph is",
        ),
    ] = None
    calib_images: Annotated[
        Path | None, typer.Option(metavar="DIR|VIDEO", help="Make INT8 of a float32 graph with these images.")
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Labelled images: more than --max-drop lost, and nothing is written."),
    ] = None
    split: Annotated[str, typer.Option(help="Of --data.")] = "val"
    max_drop: Annotated[
        float | None,
        typer.Option(
            help="Points of AP50:95 (of a classifier: top-1) that may be lost on --data.",
            show_default="0.5",
        ),
    ] = None
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse, too, where the labelled images cannot tell --max-drop apart.")
    ] = False
    keep_float: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Blocks with this in their name are not made int8.")
    ] = None
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|VIDEO", help="Real frames that parity is measured on.", show_default="what it was validated on"
        ),
    ] = None
    backend: Annotated[
        Literal["auto", "tensorrt", "rtx"],
        typer.Option(help="auto: TensorRT where it is installed and there is a GPU, else TensorRT-RTX."),
    ] = "auto"
    batch: Annotated[
        str, typer.Option(metavar="N | LEAST:BEST:MOST", help="Frames that one run takes, for example 1:4:8.")
    ] = "1"
    sm: Annotated[
        str | None,
        typer.Option(
            metavar="86,89,120",
            help="Compute capabilities to compile for (RTX).",
            show_default="the GPU at hand; without one 8.0 and later",
        ),
    ] = None
    workspace_mib: Annotated[
        int | None, typer.Option(min=1, help="Scratch memory for kernels.", show_default="the compiler's choice")
    ] = None
    timing_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keeps kernel timings between builds (TensorRT).",
            show_default="one for each GPU and version in the user's cache",
        ),
    ] = None
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="Also run on other GPUs from Ampere on (TensorRT).")
    ] = False
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Also run with later versions (TensorRT).")
    ] = False
    rebuild_stale: Annotated[
        bool,
        typer.Option(
            "--rebuild-stale",
            help="The argument is an engine: build it again by its card, if it does not fit any more.",
        ),
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False


@verb
def build(options: BuildOptions) -> None:
    """Compile a graph for NVIDIA GPUs; the engine's card lies beside it as OUT.engine.json. Also `export-engine`.

    TensorRT-RTX compiles on a machine without a GPU. The engine is executed, compared with its graph and timed where a
    GPU can run it; elsewhere its card says that it was not.

    Examples:
      singleshot build animals.onnx

      singleshot build animals.onnx --precision fp32 --batch 1:4:8 --sm 75,86,120 -o animals.engine

      singleshot build animals.onnx --precision int8 --calib-images photos/ --data VOC2012 --max-drop 0.5

      singleshot build --rebuild-stale animals.fp16.engine
    """
    from ...runtime.require import require

    require("onnx", extra="rtx", why="a build")
    checks = _checks(options)
    if options.rebuild_stale:
        _refuse_settings(options.ctx)
        _rebuild(options, checks)
        return
    from ...export.engine.build import build_engine
    from ...export.engine.plan import CompilerSettings

    settings = CompilerSettings(
        batch=batch_from_option(options.batch),
        workspace_mib=options.workspace_mib,
        compute_capabilities=capabilities_from_option(options.sm),
        is_hardware_compatible=options.hardware_compatible,
        is_version_compatible=options.version_compatible,
        timing_cache=options.timing_cache,
    )
    with _problems_as_table(), stage_progress() as on_progress:
        built = build_engine(
            options.graph,
            options.out,
            precision=options.precision,
            backend=options.backend,
            settings=settings,
            calib_images=options.calib_images,
            keep_float=options.keep_float,
            checks=checks,
            on_progress=on_progress,
        )
    _print_built(built, as_json=options.as_json)


def _checks(options: BuildOptions) -> Checks:
    from ...export.engine.stage import Checks
    from ...export.gate.judge import GateSettings

    data, split, max_drop = options.data, options.split, options.max_drop
    if data is None and max_drop is not None:
        raise InputError(f"--max-drop: expected --data DIR with it, to measure the drop on, got {max_drop:g} alone.")
    flags = ("strict", "missing_is_background", "anyway")
    if data is None and (given := [f"--{name.replace('_', '-')}" for name in flags if getattr(options, name)]):
        raise InputError(
            f"{', '.join(given)}: expected --data DIR with it, got none. Without labelled images nothing is judged."
        )
    gate = GateSettings(
        split=split,
        missing_is_background=options.missing_is_background,
        anyway=options.anyway,
        is_strict=options.strict,
    )
    if max_drop is not None:
        gate = replace(gate, max_drop=max_drop)
    return Checks(frames=options.frames, data=data, gate=gate)


def _refuse_settings(ctx: typer.Context) -> None:
    """Refuse what the card of an engine that is built again says already."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in _WITH_REBUILDING and source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"--rebuild-stale: expected no {option} with it, as the engine's card has the settings.")


def _rebuild(options: BuildOptions, checks: Checks) -> None:
    """Build an engine again, by the settings of its card and no others."""
    from ...export.engine.rebuild import rebuild_stale

    engine, as_json = options.graph, options.as_json
    if engine.suffix != ".engine":
        raise InputError(f"{engine}: expected an engine with --rebuild-stale, got {engine.suffix or 'no suffix'}.")
    with _problems_as_table(), stage_progress() as on_progress:
        found = rebuild_stale(engine, timing_cache=options.timing_cache, checks=checks, on_progress=on_progress)
    if found.built is None:
        print(f"{engine}: fits its card, its graph and this machine; nothing was done", file=_out(as_json))
        if as_json:
            from ...runtime.engines.engine_checks import load_engine_card

            print(load_engine_card(engine).to_json())
        return
    print(f"{engine}: {found.reason}; built again", file=_out(as_json))
    _print_built(found.built, as_json=as_json)


def _out(as_json: bool) -> TextIO:
    return sys.stderr if as_json else sys.stdout


def _print_built(built: Built, *, as_json: bool) -> None:
    print(built.card.to_json() if as_json else "\n".join(lines_of(built)))


def batch_from_option(text: str) -> BatchProfile:
    """Read `4` or `1:4:8`.

    Raises:
        InputError: it is neither.
    """
    from ...export.engine.plan import BatchProfile

    parts = text.split(":")
    if len(parts) not in (1, 3) or not all(part.isdecimal() for part in parts):
        raise InputError(f"--batch: expected a number, or three as in 1:4:8, got {text}.")
    least, best, most = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
    return BatchProfile(least=least, best=best, most=most)


def capabilities_from_option(text: str | None) -> tuple[int, ...]:
    """Read `86,89,120`.

    Raises:
        InputError: it is no list of numbers.
    """
    if text is None:
        return ()
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"--sm: expected compute capabilities as in 86,89,120, got {text}.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def lines_of(built: Built) -> list[str]:
    """Say what was built, for which GPUs, and what nobody has seen yet."""
    record = built.card.engine
    if record is None:
        raise RuntimeError(f"{built.path}: the card has no engine")
    if record.compute_capabilities:
        targets = f"for compute capability {', '.join(record.compute_capabilities)}"
    else:
        targets = "for all GPUs of compute capability 8.0 and later that TensorRT-RTX supports (--sm 75 adds Turing)"
    counted = record.plan_convolutions or record.network_convolutions
    kinds = ", ".join(f"{count} {kind}" for kind, count in counted.items())
    where = "plan" if record.plan_convolutions else "network"
    launches = f", {record.kernel_launches} kernel launches" if record.kernel_launches else ""
    least, best, most = record.batch
    frames = f"{least}" if least == most else f"{least} to {most}, best {best}"
    state = "executed and compared with its graph" if record.executed else "not deserialised, not executed"
    return [
        f"{built.path}: {built.size / 1e6:.1f} MB, {record.precision}, {record.compiler} {record.version}, "
        f"{targets}; {frames} frames a run; built in {built.build_s:.1f} s",
        f"convolutions of the {where}: {kinds}{launches}; {state}",
        *_measured_lines(built),
        *built.notes,
        *_gate_lines(built),
        f"{built.card_path}: its card",
        *(f"{path}: made for it" for path in built.written),
    ]


def _gate_lines(built: Built) -> list[str]:
    gate = built.gate
    if gate is None or gate.accepted is None:
        return []
    return [
        f"{gate.metric} on {gate.data.text}, allowed drop {gate.settings.max_drop:g} points: "
        f"{gate.accepted.summary}: {gate.accepted.deltas[0].verdict}"
    ]


def _measured_lines(built: Built) -> list[str]:
    """One line for what was measured on the same data."""
    by_data: dict[str, list[str]] = {}
    for item in built.measured:
        by_data.setdefault(item.data, []).append(f"{item.metric.removeprefix('parity: ')} {item.value:.4g}")
    return [f"{data}: {'; '.join(figures)}" for data, figures in by_data.items()]


@contextmanager
def _problems_as_table() -> Iterator[None]:
    """Show what the compiler's parser refused as a table, before the one line of the error."""
    try:
        yield
    except InputError as error:
        problems: tuple[ParserProblem, ...] = getattr(error, "problems", ())
        if problems:
            _print_problems(problems)
        raise


def _print_problems(problems: tuple[ParserProblem, ...]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("node", "operator", "reason")
    for problem in problems:
        table.add_row(*map(escape, (problem.node, problem.operator, problem.reason)))
    Console(stderr=True).print(table)

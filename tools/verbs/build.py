"""`singleshot build`, also `export-engine`: from a graph to a TensorRT engine."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from ...runtime.errors import InputError
from ...runtime.shipped import CLIP
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from rich.console import Console

    from ...export.engine.build import Built
    from ...export.engine.plan import BatchProfile, ParserProblem
    from ...export.engine.stage import Checks
    from ...runtime.progress import Progress

"""Real frames where none are named; a wheel does not bring it."""
_WITH_REBUILDING = {"graph", "rebuild_stale", "data", "split", "max_drop", "frames", "timing_cache", "as_json"}
"""Options that are not of the card."""

OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="OUT.engine", help="The engine.", show_default="beside the graph"),
]
PrecisionOption = Annotated[
    Literal["best", "fp32", "fp16", "int8"] | None,
    typer.Option(
        help="Of the convolutions; best times FP16 and INT8 on the GPU and keeps the faster that passes the gate.",
        show_default="fp16, or what the graph is",
    ),
]
CalibrationOption = Annotated[
    Path | None, typer.Option(metavar="DIR|VIDEO", help="Make INT8 of a float32 graph with these images.")
]
DataOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Labelled images: more than --max-drop lost, and nothing is written.")
]
SplitOption = Annotated[str, typer.Option(help="Of --data.")]
MaxDropOption = Annotated[
    float | None,
    typer.Option(
        help="Points of AP50:95 (of a classifier: top-1) that may be lost on --data.",
        show_default="0.5",
    ),
]
FramesOption = Annotated[
    str | None,
    typer.Option(metavar="DIR|VIDEO", help="Real frames that parity is measured on.", show_default="the shipped clip"),
]
RebuildOption = Annotated[
    bool,
    typer.Option(
        "--rebuild-stale",
        help="The argument is an engine: build it again by its card, if it does not fit any more.",
    ),
]
BackendOption = Annotated[
    Literal["auto", "tensorrt", "rtx"],
    typer.Option(help="auto: TensorRT where it is installed and there is a GPU, else TensorRT-RTX."),
]
BatchOption = Annotated[
    str, typer.Option(metavar="N | LEAST:BEST:MOST", help="Frames that one run takes, for example 1:4:8.")
]
SmOption = Annotated[
    str | None,
    typer.Option(
        metavar="86,89,120",
        help="Compute capabilities to compile for (RTX).",
        show_default="the GPU at hand; without one 8.0 and later",
    ),
]
WorkspaceOption = Annotated[
    int | None, typer.Option(min=1, help="Scratch memory for kernels.", show_default="the compiler's choice")
]
TimingCacheOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keeps kernel timings between builds (TensorRT).",
        show_default="one for each GPU and version in the user's cache",
    ),
]
HardwareOption = Annotated[
    bool, typer.Option("--hardware-compatible", help="Also run on other GPUs from Ampere on (TensorRT).")
]
VersionOption = Annotated[bool, typer.Option("--version-compatible", help="Also run with later versions (TensorRT).")]


def build(
    ctx: typer.Context,
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="Of `singleshot export`, `quantize` or `adapt`.")],
    out: OutOption = None,
    precision: PrecisionOption = None,
    calib_images: CalibrationOption = None,
    data: DataOption = None,
    split: SplitOption = "val",
    max_drop: MaxDropOption = None,
    frames: FramesOption = None,
    backend: BackendOption = "auto",
    batch: BatchOption = "1",
    sm: SmOption = None,
    workspace_mib: WorkspaceOption = None,
    timing_cache: TimingCacheOption = None,
    hardware_compatible: HardwareOption = False,
    version_compatible: VersionOption = False,
    rebuild_stale: RebuildOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Compile a graph for NVIDIA GPUs; the engine's card lies beside it as OUT.engine.json. Also `export-engine`.

    TensorRT-RTX compiles on a machine without a GPU. The engine is executed, compared with its graph and timed where a
    GPU can run it; elsewhere its card says that it was not.

    Examples:
      singleshot build animals.onnx

      singleshot build animals.onnx --precision fp32 --batch 1:4:8 --sm 75,86,120 -o animals.engine

      singleshot build animals.onnx --precision int8 --calib-images photos/ --data VOC2012 --max-drop 0.5

      singleshot build --rebuild-stale animals.fp16.engine
    """
    talk = _talk()
    with exit_codes(), _problems_as_table(talk):
        from ...runtime.require import require

        require("onnx", extra="rtx", why="a build")
        checks = _checks(frames, data, split, max_drop)
        if rebuild_stale:
            _refuse_settings(ctx)
            _rebuild(graph, checks, timing_cache, talk, as_json=as_json)
            return
        from ...export.engine.build import build_engine
        from ...export.engine.plan import CompilerSettings

        settings = CompilerSettings(
            batch=batch_from_option(batch),
            workspace_mib=workspace_mib,
            compute_capabilities=capabilities_from_option(sm),
            is_hardware_compatible=hardware_compatible,
            is_version_compatible=version_compatible,
            timing_cache=timing_cache,
        )
        build_it = partial(build_engine, graph, out, precision=precision, backend=backend, settings=settings)
        with _progress(talk, graph.name) as on_progress:
            built = build_it(calib_images=calib_images, checks=checks, on_progress=on_progress)
        _print_built(built, as_json=as_json)


def _talk() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _checks(frames: str | None, data: Path | None, split: str, max_drop: float | None) -> Checks:
    from ...export.engine.stage import Checks
    from ...export.gate.judge import GateSettings

    if data is None and max_drop is not None:
        raise InputError(f"--max-drop: expected --data DIR with it, to measure the drop on, got {max_drop:g} alone.")
    gate = GateSettings(split=split) if max_drop is None else GateSettings(split=split, max_drop=max_drop)
    clip = str(CLIP) if CLIP.is_file() else None
    return Checks(frames=frames or clip, data=data, gate=gate)


def _refuse_settings(ctx: typer.Context) -> None:
    """Refuse what the card of an engine that is built again says already."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in _WITH_REBUILDING and source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"--rebuild-stale: expected no {option} with it, as the engine's card has the settings.")


def _rebuild(engine: Path, checks: Checks, timing_cache: Path | None, talk: Console, *, as_json: bool) -> None:
    """Build an engine again, by the settings of its card and no others."""
    from ...export.engine.rebuild import rebuild_stale

    if engine.suffix != ".engine":
        raise InputError(f"{engine}: expected an engine with --rebuild-stale, got {engine.suffix or 'no suffix'}.")
    with _progress(talk, engine.name) as on_progress:
        found = rebuild_stale(engine, timing_cache=timing_cache, checks=checks, on_progress=on_progress)
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


def _progress(talk: Console, name: str) -> AbstractContextManager[Progress]:
    from contextlib import contextmanager

    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    @contextmanager
    def bar() -> Iterator[Progress]:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
            task = progress.add_task(f"{name}: reading", total=None)
            yield lambda phase, done, total: progress.update(
                task, description=f"{name}: {phase}", completed=done, total=total
            )

    return bar()


def _problems_as_table(talk: Console) -> AbstractContextManager[None]:
    """Show what the compiler's parser refused as a table, before the one line of the error."""
    from contextlib import contextmanager

    @contextmanager
    def shown() -> Iterator[None]:
        try:
            yield
        except InputError as error:
            problems: tuple[ParserProblem, ...] = getattr(error, "problems", ())
            if problems:
                _print_problems(talk, problems)
            raise

    return shown()


def _print_problems(talk: Console, problems: tuple[ParserProblem, ...]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("node", "operator", "reason")
    for problem in problems:
        table.add_row(*map(escape, (problem.node, problem.operator, problem.reason)))
    talk.print(table)

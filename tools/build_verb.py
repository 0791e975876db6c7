"""`singleshot build`, also `export-engine`: from a graph to a TensorRT engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..runtime.errors import InputError
from .exits import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from rich.console import Console

    from ..export.engine import Built
    from ..export.engine_plan import BatchProfile, ParserProblem


OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="OUT.engine", help="The engine.", show_default="beside the graph"),
]
PrecisionOption = Annotated[Literal["fp16", "fp32"], typer.Option(help="Of the convolutions.")]
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
    Path | None, typer.Option(metavar="FILE", help="Keeps kernel timings between builds (TensorRT).")
]
HardwareOption = Annotated[
    bool, typer.Option("--hardware-compatible", help="Also run on other GPUs from Ampere on (TensorRT).")
]
VersionOption = Annotated[bool, typer.Option("--version-compatible", help="Also run with later versions (TensorRT).")]


def build(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="Of `singleshot export`.")],
    out: OutOption = None,
    precision: PrecisionOption = "fp16",
    backend: BackendOption = "auto",
    batch: BatchOption = "1",
    sm: SmOption = None,
    workspace_mib: WorkspaceOption = None,
    timing_cache: TimingCacheOption = None,
    hardware_compatible: HardwareOption = False,
    version_compatible: VersionOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Compile a graph for NVIDIA GPUs; the engine's card lies beside it as OUT.engine.json.

    TensorRT-RTX compiles on a machine without a GPU. The engine is not executed here: its card says so.

    Examples:
      singleshot build animals.onnx

      singleshot build animals.onnx --precision fp32 --batch 1:4:8 --sm 75,86,120 -o animals.engine

      export-engine animals.onnx
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes(), _problems_as_table(talk):
        from ..runtime.require import require

        require("onnx", extra="rtx", why="a build")
        from ..export.engine import build_engine
        from ..export.engine_plan import CompilerSettings

        settings = CompilerSettings(
            batch=batch_from_option(batch),
            workspace_mib=workspace_mib,
            compute_capabilities=capabilities_from_option(sm),
            is_hardware_compatible=hardware_compatible,
            is_version_compatible=version_compatible,
            timing_cache=timing_cache,
        )
        with _progress(talk, graph.name) as on_progress:
            built = build_engine(
                graph, out, precision=precision, backend=backend, settings=settings, on_progress=on_progress
            )
        if as_json:
            print(built.card.to_json())
        else:
            for line in lines_of(built):
                print(line)


def batch_from_option(text: str) -> BatchProfile:
    """Read `4` or `1:4:8`.

    Raises:
        InputError: it is neither.
    """
    from ..export.engine_plan import BatchProfile

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
    return [
        f"{built.path}: {built.size / 1e6:.1f} MB, {record.precision}, {record.compiler} {record.version}, "
        f"{targets}; {frames} frames a run; built in {built.build_s:.1f} s",
        f"convolutions of the {where}: {kinds}{launches}; not deserialised, not executed",
        f"{built.card_path}: its card",
    ]


def _progress(talk: Console, name: str) -> AbstractContextManager[Callable[[str, float], None]]:
    from contextlib import contextmanager

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    @contextmanager
    def bar() -> Iterator[Callable[[str, float], None]]:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
            task = progress.add_task(f"{name}: reading", total=1.0)
            yield lambda phase, fraction: progress.update(task, description=f"{name}: {phase}", completed=fraction)

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

"""`singleshot bench`: what a graph and the loop around it cost on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..runtime.errors import InputError
from .check_opencv import check_opencv
from .demo import CLIP
from .exits import exit_codes

if TYPE_CHECKING:
    from rich.table import Table

    from .latency import Figure, LatencyReport


def bench(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A graph (.onnx); the shipped detector if not given.")
    ] = None,
    video: Annotated[Path | None, typer.Option(metavar="CLIP", help="A video; the demo's if not given.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames per stage and repeat.")] = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds in which the stages take turns.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute a frame; the backend chooses if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure latency stage by stage, and what the whole loop keeps of the network's rate.

    Network alone, loop, and loop with recording take turns, so their ratio holds on a busy machine; milliseconds hold
    on a quiet one.

    Example: singleshot bench ssd.onnx --video street.mp4 --frames 300
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        check_opencv()
        from ..runtime.shipped import shipped_detector
        from .latency import measure_latency

        clip = _clip(video)
        with talk.status("measuring") as status:
            report = measure_latency(
                model or shipped_detector(),
                clip,
                frames=frames,
                repeats=repeats,
                threads=threads,
                on_round=lambda done: status.update(f"measuring, round {done} of {repeats} done"),
            )
        if as_json:
            print(json.dumps(report.to_dict(), indent=1))
        else:
            _print_report(report)


def _clip(video: Path | None) -> Path:
    if video is not None:
        return video
    if not CLIP.is_file():
        raise InputError("--video: expected a clip, as the demo's is not part of this installation. Give --video CLIP.")
    return CLIP


def _print_report(report: LatencyReport) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for heading in ("median", "least", "most"):
        table.add_column(heading, justify="right")
    _add(table, "resize, ms", report.resize_ms)
    _add(table, "network with post-processing, ms", report.network_ms)
    if report.postprocess_ms is not None:
        table.add_row("  of it post-processing, ms", f"{report.postprocess_ms:.2f}", "", "")
    _add(table, "loop, frames/s", report.loop_frames_per_s)
    _add(table, "loop with recording, frames/s", report.recording_frames_per_s)
    _add(table, "loop / network alone", report.loop_to_network)
    _add(table, "loop with recording / network alone", report.recording_to_network)
    out = Console()
    height, width = report.frame_hw
    out.print(f"{report.model}, {report.backend}", markup=False, highlight=False)
    out.print(f"{report.clip}, frames of {width}x{height}", markup=False, highlight=False)
    load = "" if report.load is None else f", load {report.load:.1f}"
    out.print(f"{report.repeats} x {report.frames} frames; {report.machine}{load}", markup=False, highlight=False)
    out.print(table)


def _add(table: Table, name: str, figure: Figure) -> None:
    table.add_row(name, *(f"{value:.2f}" for value in (figure.median, figure.least, figure.most)))

"""`singleshot bench`: what a graph and the loop around it cost on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ...runtime.shipped import CLIP
from ..terminal.backend_option import BackendFlag
from ..terminal.check_opencv import check_opencv
from ..terminal.verb import verb

if TYPE_CHECKING:
    from rich.table import Table

    from ..benchmarks.latency import Figure, LatencyReport


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What `bench` is told."""

    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]", help="A detector's or classifier's graph (.onnx); the shipped detector if not given."
        ),
    ] = None
    backend: BackendFlag = "auto"
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GRAPH[@RUNNER]",
            help="Time this graph too, in turns with the others; repeatable. The first is the measure.",
        ),
    ] = None
    tails: Annotated[bool, typer.Option("--tails", help="Time post-processing alone: both tails, several K.")] = False
    video: Annotated[Path | None, typer.Option(metavar="CLIP", help="A video; the demo's if not given.")] = None
    frames: Annotated[int, typer.Option(min=1, help="Frames per stage and repeat.")] = 200
    repeats: Annotated[int, typer.Option(min=1, help="Rounds in which the stages take turns.")] = 5
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute a frame; the backend chooses if not given.")
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False


@verb
def bench(options: BenchOptions) -> None:
    """Measure latency stage by stage, and what the whole loop keeps of the network's rate.

    Network alone, loop, and loop with recording take turns, so their ratio holds on a busy machine; milliseconds hold
    on a quiet one.

    --compare takes RUNNER onnxruntime, openvino:fp32 (or openvino), openvino:bf16 or opencv, as `verify` does, and
    engines. An ONNX graph that is not singleshot's is timed as it is, in ONNX Runtime, on generated numbers.

    Examples:
      singleshot bench ssd.onnx --video street.mp4 --frames 300

      singleshot bench --compare ssd.onnx --compare ssd.onnx@openvino:bf16 --compare ssd.int8.onnx@openvino

      singleshot bench --tails
    """
    check_opencv()
    _check_one_kind(options)
    clip, repeats, threads, as_json = _clip(options.video), options.repeats, options.threads, options.as_json
    if options.compare:
        from ..benchmarks.bench_tables import bench_rivals

        bench_rivals(options.compare, clip, frames=options.frames, repeats=repeats, threads=threads, as_json=as_json)
    elif options.tails:
        from ..benchmarks.bench_tables import bench_tails

        bench_tails(options.model, clip, repeats=repeats, threads=threads, as_json=as_json)
    else:
        report = _measured(options, clip)
        if as_json:
            print(json.dumps(report.to_dict(), indent=1))
        else:
            _print_report(report)


def _measured(options: BenchOptions, clip: Path) -> LatencyReport:
    from rich.console import Console

    from ...runtime.shipped import shipped_detector
    from ..benchmarks.latency import measure_latency

    with Console(stderr=True).status("measuring") as status:
        return measure_latency(
            options.model or shipped_detector(),
            clip,
            frames=options.frames,
            repeats=options.repeats,
            threads=options.threads,
            backend=options.backend,
            on_round=lambda done: status.update(f"measuring, round {done} of {options.repeats} done"),
        )


def _check_one_kind(options: BenchOptions) -> None:
    compare, backend, tails = options.compare, options.backend, options.tails
    if compare and (options.model is not None or backend != "auto" or tails):
        raise InputError(
            "--compare: expected no MODEL, --backend or --tails beside it, got one. Name every graph by --compare."
        )
    if compare is not None and len(compare) < 2:
        raise InputError(f"--compare: expected at least 2 graphs, got {len(compare)}. Give it once for each.")
    if tails and backend != "auto":
        raise InputError(f"--tails: expected no --backend beside it, got {backend}. ONNX Runtime computes the tails.")


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

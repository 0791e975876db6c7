"""Runs a detector over a source for the command line: opens everything, shows progress, prints the summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ...runtime.sources.source_names import SOURCE_FORMS, Policy
from .backend_option import BackendFlag, TrustFlag, open_with
from .stage_progress import tell

if TYPE_CHECKING:
    from ...runtime.loop.summary import RunSummary
    from ...runtime.sinks.frame_result import FrameResult
    from ...runtime.sinks.sink import Sink
    from ...runtime.sources.frame import Source
    from ...runtime.sources.source_events import SourceEvent


@dataclass(frozen=True, kw_only=True)
class DetectionOptions:
    """What `rt-detect` is told."""

    video: Annotated[
        str,
        typer.Option(
            metavar="SOURCE", help="; ".join(f"{form}: {meaning}" for form, meaning in SOURCE_FORMS.items()) + "."
        ),
    ]
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A graph (.onnx) or an engine (.engine).", show_default="the shipped detector"
        ),
    ] = None
    backend: BackendFlag = "auto"
    trust: TrustFlag = False
    save: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Annotated video (.mp4, .mkv); for images a folder.")
    ] = None
    segment: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Cut the video into files of 90s, 10m or 1h: OUT_20261130T120000Z.mp4 by the first frame's time of a "
            "camera or stream, OUT_0001.mp4 of a file.",
        ),
    ] = None
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="AGE|SIZE", help="Delete the oldest of these files after 7d, or above 20GiB; no others, ever."
        ),
    ] = None
    json: Annotated[Path | None, typer.Option(metavar="OUT.jsonl", help="One JSON line per frame; - means stdout.")] = (
        None
    )
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]NUMBER", help="Least score, for all classes or for one; repeatable.", show_default="0.5"
        ),
    ] = None
    show: Annotated[bool, typer.Option("--show", help="Show a window; q or Escape ends the run.")] = False
    policy: Annotated[
        Policy | None,
        typer.Option(
            help="Which frames of a camera or stream are looked at where not all can be.", show_default="latest"
        ),
    ] = None
    give_up_after: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="End the run when a stream was lost for so long.", show_default="never"
        ),
    ] = None
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute a frame.", show_default="the backend's choice")
    ] = None
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None


def run_detection(options: DetectionOptions) -> None:
    """Run to the end of the source; results go where the options say, the summary to stdout, talk to stderr.

    Where the JSON lines go to stdout, the summary goes to stderr.

    Raises:
        InputError: something that was named cannot be used.
        SystemExit: 1 where frames are missing in what was written, as a disk was full.
        KeyboardInterrupt: the run was interrupted; the files are finished.
    """
    from ...runtime.detection.thresholds import moved_line, thresholds_from_options
    from ...runtime.loop.run import run_pipeline
    from ...runtime.shipped import shipped_detector
    from ...runtime.sinks.open_sinks import open_sinks
    from ...runtime.sinks.outputs import Outputs, check_outputs
    from ...runtime.sinks.segments import segments_from_options
    from ...runtime.sinks.window import Window
    from ...runtime.sources.open_source import open_source

    out = sys.stderr if str(options.json) == "-" else sys.stdout
    segments = segments_from_options(options.segment, options.keep)
    outputs = Outputs(json_lines=options.json, save=options.save, segments=segments)
    check_outputs([(options.video, outputs)])
    model, told = options.model or shipped_detector(), list[str]()
    with open_with(model, options.backend, threads=options.threads, trust=options.trust, tell=told.append) as session:
        thresholds = thresholds_from_options(options.score or (), session.card)
        moved = moved_line(options.score or (), session.card)
        told += [] if moved is None else [moved]
        with open_source(
            options.video, policy=options.policy, give_up_after_s=options.give_up_after, on_event=_tell_of_event
        ) as source:
            window = Window() if options.show else None
            sinks = open_sinks(outputs, source=source, class_names=session.card.class_names, tell=tell)
            tell(*told)  # not before: a mistake among the options leaves its own line alone
            with _told_of_interruption(sinks), _progress(source, options.max_frames) as on_frame:
                summary = run_pipeline(
                    source,
                    session,
                    sinks,
                    thresholds=thresholds,
                    window=window,
                    max_frames=options.max_frames,
                    on_frame=on_frame,
                )
        tell(*(f"warning: {warning}" for warning in summary.warnings))
        print_summary(summary, paths=_paths(sinks), backend=session.backend, out=out)
        if any(sink.warnings for sink in sinks):
            raise SystemExit(1)  # what was written is not whole


def _tell_of_event(event: SourceEvent) -> None:
    """Say what is out of order and when it is in order again."""
    if event.state in ("stalled", "lost", "back"):
        tell(event.line)


def print_summary(summary: RunSummary, *, paths: Sequence[str], backend: str, out: TextIO) -> None:
    """Print what was written, what was found, the frame rate and the stage times."""
    for path in paths:
        print(path, file=out)
    for found in summary.found:
        share = f"in {found.frames} of {summary.frames} frames"
        print(
            f"{found.name}: "
            + (f"first {share}" if summary.task == "classifier" else f"{share}, {found.detections} boxes"),
            file=out,
        )
    if not summary.found:
        print(f"nothing found in {summary.frames} frames", file=out)
    print(
        f"{summary.frames} frames in {summary.wall_s:.2f} s = {summary.frames_per_s:.1f} frames/s, {backend}", file=out
    )
    stages = ", ".join(f"{stage.stage} {stage.median_ms:.2f}" for stage in summary.stages)
    print(f"median ms a frame: {stages}", file=out)


def _paths(sinks: Sequence[Sink]) -> list[str]:
    return [path for sink in reversed(sinks) for path in sink.paths]


@contextmanager
def _told_of_interruption(sinks: Sequence[Sink]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        paths = _paths(sinks)
        kept = f"; what was done until then is in {' and '.join(paths)}" if paths else ""
        tell(f"interrupted{kept}")
        raise


@contextmanager
def _progress(source: Source, max_frames: int | None) -> Iterator[Callable[[FrameResult], None]]:
    """Show a bar on stderr if that is a terminal, with the announced length if there is one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    talk = Console(stderr=True)
    total = source.length
    if max_frames is not None:
        total = min(max_frames, total or max_frames)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, disable=not talk.is_terminal) as progress:
        task = progress.add_task(source.name, total=total, rate="")

        def on_frame(_result: FrameResult) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, advance=1, rate=f"{speed:.0f} frames/s" if speed else "")

        yield on_frame

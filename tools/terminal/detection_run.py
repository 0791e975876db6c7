"""Runs a detector over a source for the command line: opens everything, shows progress, prints the summary."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from ...runtime.sources.source_names import SOURCE_FORMS, Decoder, Policy
from ...runtime.tracking.tracker_names import TrackerName
from .backend_option import BackendFlag, TrustFlag
from .stage_progress import tell
from .tiles_option import TilesFlag

if TYPE_CHECKING:
    from ...runtime.cameras.configuration import RunConfig
    from ...runtime.cameras.open_run import OnCameraEvent, OpenRun, Tell
    from ...runtime.card import Task
    from ...runtime.loop.summary import CameraSummary, RunSummary
    from ...runtime.rules.event import PlaceCount
    from ...runtime.sinks.frame_result import FrameResult
    from ...runtime.sources.frame import Source


@dataclass(frozen=True, kw_only=True)
class DetectionOptions:
    """What `rt-detect` is told."""

    video: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Repeatable. " + "; ".join(f"{form}: {meaning}" for form, meaning in SOURCE_FORMS.items()) + ".",
        ),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(metavar="CAMERAS.toml", help="A file of cameras, their outputs and all other options; alone."),
    ] = None
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[,FILE]",
            help="A graph (.onnx) or an engine (.engine); behind a comma lighter ones for --max-age-ms.",
            show_default="the shipped detector",
        ),
    ] = None
    backend: BackendFlag = "auto"
    trust: TrustFlag = False
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Annotated video (.mp4, .mkv); for images a folder. {camera} in it stands for the camera's name.",
        ),
    ] = None
    plain: Annotated[bool, typer.Option("--plain", help="Draw nothing into the video, as for `harvest`.")] = False
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
    csv: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="A row per object.")] = None
    coco: Annotated[
        Path | None,
        typer.Option(metavar="OUT.json", help="COCO's results; beside them OUT.images.json lists the images."),
    ] = None
    mot: Annotated[
        Path | None, typer.Option(metavar="OUT.txt", help="A row per object that is followed, as MOTChallenge has it.")
    ] = None
    crops: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Pieces of the frames, a folder for each class, and their labels."),
    ] = None
    crops_every: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Time between two crops of a class; with --track one of each object, the surest of its first seconds.",
            show_default="1",
        ),
    ] = None
    crops_most: Annotated[int | None, typer.Option(min=1, help="Crops of each class.", show_default="1000")] = None
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]NUMBER", help="Least score, for all classes or for one; repeatable.", show_default="0.5"
        ),
    ] = None
    blur: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Make objects of a class unrecognisable before anything is written or shown; repeatable.",
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
    decoder: Annotated[
        Decoder | None,
        typer.Option(
            help="Who decodes videos and streams: auto is hardware where FFmpeg reaches it.", show_default="cpu"
        ),
    ] = None
    mode: Annotated[
        Literal["latency", "throughput"] | None,
        typer.Option(
            help="One frame on all cores, or one frame more than cores at a time, a thread each.",
            show_default="latency for one camera or stream, throughput for all else",
        ),
    ] = None
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute.", show_default="the cores that may be used")
    ] = None
    max_age_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            min=1,
            help="Before results of cameras and streams get older: look at fewer frames, then by a lighter graph, then "
            "at fewer cameras a round.",
        ),
    ] = None
    tiles: TilesFlag = None
    skip_still: Annotated[
        bool,
        typer.Option(
            "--skip-still",
            help="Hold what was found, marked as held, while the scene does not move; look at least every 2 s.",
        ),
    ] = False
    track: Annotated[
        bool, typer.Option("--track", help="Give every object an id that stays, in the pictures and the lines.")
    ] = False
    tracker: Annotated[
        TrackerName | None, typer.Option(help="Who follows objects, with --track.", show_default="bytetrack")
    ] = None
    zone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=X,Y,X,Y,X,Y...",
            help="Count who is in a polygon, its corners in fractions of the picture's width and height; repeatable.",
        ),
    ] = None
    line: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=X,Y,X,Y", help="Count who crosses a line; in is to the right hand along it. Repeatable."
        ),
    ] = None
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="What is an event: 'person enters yard', 'person,dog crosses gate', 'person stays yard for 10s', "
            "'anything absent for 5m'; repeatable.",
        ),
    ] = None
    events: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep a line and pictures of each event; the file of --config has more to do."
        ),
    ] = None
    clip: Annotated[
        str | None,
        typer.Option(
            metavar="TIME+TIME",
            help="Keep a video of each event, too, from so long before until so long after: 5s+10s.",
        ),
    ] = None
    stats: Annotated[bool, typer.Option("--stats", help="Write frame rate, ages and drops into the pictures.")] = False
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames of each source.")] = None
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Answer /metrics for Prometheus and /health, which fails while a camera is lost or results are older "
            "than promised; to this machine alone where no host is named.",
        ),
    ] = None
    live: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Show pictures, figures and events on a page for browsers, where scores can be set; to this machine "
            "alone where no host is named, else to whoever has the token that is printed.",
        ),
    ] = None
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Write what is said on stderr as JSON lines; also beside --config.")
    ] = False


def run_detection(options: DetectionOptions) -> None:
    """Run to the end of the sources; results go where the options say, the summary to stdout, talk to stderr.

    Where the JSON lines go to stdout, the summary goes to stderr.

    Raises:
        InputError: something that was named cannot be used.
        SystemExit: 1 where a disk was full, so that frames are missing in what was written, or one of several cameras
            failed.
        KeyboardInterrupt: the run was interrupted; the files are finished.
    """
    if not options.log_json:
        _run(options, tell, None)
        return
    from ...runtime.errors import SingleshotError
    from .json_talk import JsonTalk

    talk = JsonTalk()
    try:
        _run(options, talk.tell, talk.on_event)
    except SingleshotError as error:
        talk.fail(str(error))
        raise SystemExit(error.exit_code) from error


def _run(options: DetectionOptions, tell: Tell, on_event: OnCameraEvent | None) -> None:
    from ...runtime.cameras.open_run import OpenRun
    from ...runtime.service.systemd import Watchdog

    config = config_of(options)
    with OpenRun(config, path=options.config, is_named=options.config is not None, tell=tell, on_event=on_event) as run:
        with (
            _told_of_interruption(run, tell),
            _reloaded(run, options.config, tell),
            _progress(run, is_shown=not options.log_json) as on_frame,
            Watchdog(run.state),
        ):

            def on_result(result: FrameResult) -> None:
                on_frame(result)
                for event in result.events:
                    tell(event.line)

            summary = run.pipeline.run(on_result)
        for camera in summary.cameras:
            name = f"{camera.name}: " if len(summary.cameras) > 1 else ""
            for warning in camera.warnings:
                tell(f"warning: {name}{warning}")
        print_summary(summary, paths=run.paths, backend=run.sessions[0].backend, out=_out(config))
        is_whole = not any(sink.warnings for sinks in run.sinks.values() for sink in sinks)
        is_whole = is_whole and not any(counts.dropped for counts in summary.deliveries)
    if not is_whole or any(camera.error is not None for camera in summary.cameras):
        raise SystemExit(1)


def config_of(options: DetectionOptions) -> RunConfig:
    """Make the run's configuration of the options, or of the file that they name.

    Raises:
        InputError: a value is not allowed, or both are given.
    """
    from ...runtime.cameras.configuration import camera_names, load_run_config, run_config
    from ...runtime.cameras.place_options import places_of_one_camera, rules_from_options
    from ...runtime.errors import InputError

    if options.config is not None:
        given = {field.name for field in fields(options) if getattr(options, field.name) != field.default}
        if others := sorted(given - {"config", "log_json"}):
            flag = others[0].replace("_", "-")
            raise InputError(f"--config: expected no other option beside it, got --{flag}. Write it into the file.")
        return load_run_config(options.config)
    if not options.video:
        raise InputError("--video: expected a source, got none. `rt-detect --help` lists what can be one.")
    places = ("save", "json", "csv", "coco", "mot", "crops", "events")
    own = ("config", "video", "model", *places, "policy", "zone", "line", "rule", "clip", "log_json")
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in own}
    values |= {key: str(path) for key in places if (path := getattr(options, key)) is not None}
    values["model"] = options.model and ([options.model] if Path(options.model).exists() else options.model.split(","))
    sources = zip(camera_names(options.video), options.video, strict=True)
    shown = places_of_one_camera(options.zone or (), options.line or (), cameras=len(options.video))
    values["cameras"] = {name: {"source": source, "policy": options.policy, **shown} for name, source in sources}
    values["rules"] = {
        name: {**rule, "clip": options.clip} for name, rule in rules_from_options(options.rule or ()).items()
    }
    if options.clip is not None and not values["rules"]:
        raise InputError("--clip: expected --rule as well, which says what an event is, got none.")
    values |= {"score": tuple(options.score or ()), "blur": tuple(options.blur or ())}
    return run_config(values)


def _out(config: RunConfig) -> TextIO:
    lines = {config.outputs_of(name).json_lines for name in config.cameras}
    return sys.stderr if "-" in lines else sys.stdout


def print_summary(summary: RunSummary, *, paths: Sequence[str], backend: str, out: TextIO) -> None:
    """Print what was written, what was found, ages and drops, the frame rate and the stage times."""
    for path in paths:
        print(path, file=out)
    for camera in summary.cameras:
        name = f"{camera.name}: " if len(summary.cameras) > 1 else ""
        for line in (*_found_lines(camera, summary.task), *map(_place_line, camera.places), *_age_lines(camera)):
            print(f"{name}{line}", file=out)
    for counts in summary.deliveries:
        lost = "".join(f", {count} lost ({cause})" for cause, count in counts.dropped.items())
        print(f"{counts.target}: {counts.sent} events{lost}", file=out)
    print(
        f"{summary.frames} frames in {summary.wall_s:.2f} s = {summary.frames_per_s:.1f} frames/s, {backend}", file=out
    )
    stages = ", ".join(f"{stage.stage} {stage.median_ms:.2f}" for stage in summary.stages)
    print(f"median ms a frame: {stages}", file=out)


def _found_lines(camera: CameraSummary, task: Task) -> Iterator[str]:
    for found in camera.found:
        share = f"in {found.frames} of {camera.frames} frames"
        yield f"{found.name}: " + (f"first {share}" if task == "classifier" else f"{share}, {found.detections} boxes")
    if not camera.found:
        hint = "" if task == "classifier" else "; a lower --score shows what it is less sure of"
        yield f"nothing found in {camera.frames} frames{hint}"


def _place_line(place: PlaceCount) -> str:
    shown = [f"{_by_class(place.came_in)} in", f"{_by_class(place.went_out)} out"]
    return f"{place.name}: " + ", ".join(
        [*shown, f"{_by_class(place.inside)} inside"][: 3 if place.kind == "zone" else 2]
    )


def _by_class(counts: Mapping[str, int]) -> str:
    """Give a sum, and what it is made of."""
    of = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()) if count)
    return f"{sum(counts.values())} ({of})" if of else "0"


def _age_lines(camera: CameraSummary) -> Iterator[str]:
    if camera.ages:
        ages = (f"{stage} {age.p50_ms:.0f} / {age.p95_ms:.0f} / {age.p99_ms:.0f}" for stage, age in camera.ages.items())
        yield f"age in ms, p50 / p95 / p99: {', '.join(ages)}"
    if camera.held:
        yield f"held: {camera.held} of {camera.frames} frames, in which the scene did not move"
    if camera.drops:
        yield f"not looked at, or not whole: {', '.join(f'{count} {cause}' for cause, count in camera.drops.items())}"


@contextmanager
def _told_of_interruption(run: OpenRun, tell: Tell) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        kept = f"; what was done until then is in {' and '.join(run.paths)}" if run.paths else ""
        tell(f"interrupted{kept}")
        # A camera's run ends so every time: what it found and how old its results were is said then, too.
        print_summary(run.pipeline.summary(), paths=(), backend=run.sessions[0].backend, out=_out(run.config))
        raise


@contextmanager
def _reloaded(run: OpenRun, path: Path | None, tell: Tell) -> Iterator[None]:
    """Read the file anew when SIGHUP comes, and go on with its models and scores; what is wrong changes nothing."""
    from ...runtime.cameras.configuration import load_run_config
    from ...runtime.errors import SingleshotError
    from ...runtime.service import systemd

    if path is None or not hasattr(signal, "SIGHUP"):  # Windows has none
        yield
        return

    turn = threading.Lock()

    def reload() -> None:
        with turn:  # a second signal waits, and reads the file as it is then
            systemd.notify_reloading()
            try:
                run.reload(load_run_config(path))
            except SingleshotError as error:
                tell(f"not reloaded, what runs goes on: {error}")
            else:
                tell(f"{path}: reloaded")
            finally:
                systemd.notify("READY=1")

    def start(_number: int, _frame: FrameType | None) -> None:  # not here: a model takes seconds to open
        threading.Thread(target=reload, name="reload", daemon=True).start()

    previous = signal.signal(signal.SIGHUP, start)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)


@contextmanager
def _progress(run: OpenRun, *, is_shown: bool) -> Iterator[Callable[[FrameResult], None]]:
    """Show a bar on stderr if that is a terminal, with the announced length if there is one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    talk = Console(stderr=True)
    sources = [camera.source for camera in run.cameras]
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, disable=not (is_shown and talk.is_terminal)) as progress:
        name = sources[0].name if len(sources) == 1 else f"{len(sources)} cameras"
        task = progress.add_task(name, total=_total(sources, run.config.max_frames), rate="")

        def on_frame(_result: FrameResult) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, advance=1, rate=f"{speed:.0f} frames/s" if speed else "")

        yield on_frame


def _total(sources: Sequence[Source], max_frames: int | None) -> int | None:
    total = 0
    for source in sources:
        length = source.length if max_frames is None else min(max_frames, source.length or max_frames)
        if length is None:
            return None
        total += length
    return total

"""Measures a graph and the loop around it, interleaved in one run, so that the ratios hold on a busy machine."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.loop.run import run_pipeline
from ...runtime.runners.contract import FRAMES
from ...runtime.runners.quiet_session import open_quietly, quiet_options
from ...runtime.session import Session
from ...runtime.sinks.sink import Sink
from ...runtime.sinks.video import VideoSink
from ...runtime.sources.open_source import open_source
from ..terminal.backend_option import open_with

_KEPT_FRAMES = 64
"""Frames of the clip held in memory for the stages that are measured alone."""

_WARM_UP_RUNS = 5
_PROFILED_RUNS = 30
_TAIL_PREFIX = "tail/"
"""How the nodes that post-process are named; see `export.tail`."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The middle and the extremes of the repeats."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, kw_only=True)
class LatencyReport:
    """What one frame costs, and what the loop keeps of the network's own rate."""

    model: str
    backend: str
    clip: str
    frame_hw: tuple[int, int]
    input_hw: tuple[int, int]
    machine: str
    load: float | None
    """Mean number of processes that wanted to run in the minute before; well above 0, milliseconds mean little."""
    frames: int
    repeats: int
    resize_ms: Figure
    network_ms: Figure
    """The graph as a whole, post-processing included, frames at hand."""
    postprocess_ms: float | None
    """The part of it that the graph's tail takes; none where the backend does not tell."""
    loop_frames_per_s: Figure
    """Decode, resize, detect."""
    recording_frames_per_s: Figure
    """The same, drawing and encoding a video beside it."""
    loop_to_network: Figure
    """Rate of the loop divided by the rate of the network alone, of the same repeat."""
    recording_to_network: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class _Round:
    resize_s: float
    network_s: float
    loop_s: float
    recording_s: float
    """All per frame."""


def measure_latency(
    model: Path,
    clip: Path,
    *,
    frames: int,
    repeats: int,
    threads: int | None = None,
    backend: str = "auto",
    on_round: Callable[[int], None] | None = None,
) -> LatencyReport:
    """Measure the stages alone and the loop with and without recording, `repeats` times in turn.

    Args:
        model: a graph, of a detector or a classifier.
        clip: a video; the loop runs over its first `frames` frames.
        frames: per stage and repeat; no more than the clip has.
        repeats: rounds of resize, network, loop, loop with recording.
        threads: that compute a frame; the backend chooses where not given.
        backend: who runs the graph.
        on_round: is called after each round with the number of rounds done.

    Raises:
        InputError: the graph or clip cannot be used, or the clip is too short.
    """
    images = first_frames(clip)
    with open_with(model, backend, threads=threads) as session, tempfile.TemporaryDirectory() as folder:
        fitted = [fit_frame(image, session.card.input)[np.newaxis] for image in images]
        _seconds_each(timed_run(session), fitted, _WARM_UP_RUNS)
        rounds = []
        for index in range(repeats):
            rounds.append(_measure_round(session, clip, images, fitted, frames=frames, folder=Path(folder)))
            if on_round is not None:
                on_round(index + 1)
        network = _figure([1e3 * r.network_s for r in rounds])
        share = _tail_share(model, fitted, threads, Path(folder)) if session.backend == "onnxruntime (CPU)" else None
        return LatencyReport(
            model=str(model),
            backend=session.backend,
            clip=str(clip),
            frame_hw=(images[0].shape[0], images[0].shape[1]),
            input_hw=(session.card.input.height, session.card.input.width),
            machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            frames=frames,
            repeats=repeats,
            resize_ms=_figure([1e3 * r.resize_s for r in rounds]),
            network_ms=network,
            postprocess_ms=None if share is None else share * network.median,
            loop_frames_per_s=_figure([1 / r.loop_s for r in rounds]),
            recording_frames_per_s=_figure([1 / r.recording_s for r in rounds]),
            loop_to_network=_figure([r.network_s / r.loop_s for r in rounds]),
            recording_to_network=_figure([r.network_s / r.recording_s for r in rounds]),
        )


def timed_run(session: Session) -> Callable[[NDArray[np.uint8]], object]:
    """Return what runs a batch of frames: a detector's `run`, a classifier's `classify`."""
    return session.classify if session.card.task == "classifier" else session.run


def first_frames(clip: Path) -> list[NDArray[np.uint8]]:
    """Decode the first frames of a video.

    Raises:
        InputError: it is none, or cannot be read.
    """
    with open_source(str(clip)) as source:
        if source.kind != "video":
            raise InputError(f"{clip}: expected a video, got {source.kind}.")
        return [frame.image for frame in islice(source, _KEPT_FRAMES)]


def _measure_round(
    session: Session,
    clip: Path,
    images: Sequence[NDArray[np.uint8]],
    fitted: Sequence[NDArray[np.uint8]],
    *,
    frames: int,
    folder: Path,
) -> _Round:
    return _Round(
        resize_s=_seconds_each(lambda image: fit_frame(image, session.card.input), images, frames),
        network_s=_seconds_each(timed_run(session), fitted, frames),
        loop_s=_loop_seconds(session, clip, [], frames),
        recording_s=_loop_seconds(session, clip, [VideoSink(folder / "recording.mp4")], frames),
    )


def _seconds_each(
    stage: Callable[[NDArray[np.uint8]], object], inputs: Sequence[NDArray[np.uint8]], count: int
) -> float:
    """Mean, not median: what a rate is made of, and what the loop's time is compared with."""
    started_s = time.perf_counter()
    for value in islice(cycle(inputs), count):
        stage(value)
    return (time.perf_counter() - started_s) / count


def _loop_seconds(session: Session, clip: Path, sinks: Sequence[Sink], frames: int) -> float:
    thresholds = np.full(len(session.card.class_names), 0.5, np.float32)
    summary = run_pipeline(open_source(str(clip)), session, sinks, thresholds=thresholds, max_frames=frames)
    if summary.frames < frames:
        raise InputError(f"--frames: expected at most the {summary.frames} frames of {clip}, got {frames}.")
    return summary.wall_s / frames


def _tail_share(model: Path, fitted: Sequence[NDArray[np.uint8]], threads: int | None, folder: Path) -> float | None:
    """Ask ONNX Runtime's profiler which part of the time the tail's nodes take; none if the graph names none."""
    options = quiet_options(threads)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = open_quietly(model, options)
    for batch in islice(cycle(fitted), _PROFILED_RUNS):
        session.run(None, {FRAMES: batch})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = [event for event in events if event.get("cat") == "Node"]
    tail = sum(event["dur"] for event in nodes if event["name"].startswith(_TAIL_PREFIX))
    return tail / sum(event["dur"] for event in nodes) if tail else None


def _figure(values: Sequence[float]) -> Figure:
    return Figure(median=float(np.median(values)), least=min(values), most=max(values))

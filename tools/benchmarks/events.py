"""What docs/events.md promises of events, measured: `python -m singleshot.tools.benchmarks.events`.

Delays are times and need a quiet machine; costs are processor time. Takes some two minutes.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import SecretStr

from ...runtime.detection.detections import Detections
from ...runtime.detection.thresholds import thresholds_from_options
from ...runtime.events.clip_length import ClipLength
from ...runtime.events.clips import ClipRecorder
from ...runtime.events.open_events import Events
from ...runtime.events.plan import EventsPlan, RuleDelivery
from ...runtime.events.settings import WebhookSettings
from ...runtime.loop.camera import Camera, Observer
from ...runtime.loop.pipeline import Pipeline
from ...runtime.loop.run_state import RunState
from ...runtime.rules.event import Event, event_id
from ...runtime.session import open_session
from ...runtime.shipped import CLIP, shipped_detector
from ...runtime.sinks.frame_result import FrameResult
from ...runtime.sinks.video import VideoSink
from ...runtime.sources.frame import Frame
from ...runtime.sources.open_source import open_source
from ..terminal.exits import exit_codes

SIZES = {"640 x 360": (360, 640), "1920 x 1080": (1080, 1920)}
_EVERY = 15
"""Frames from one event to the next."""


def events(
    seconds: Annotated[float, typer.Option(min=1, help="For each of the delays.")] = 20.0,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of the costs.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how long an event takes to a webhook, and what clips cost."""
    with exit_codes():
        found = {name: measure_delays(size, seconds=seconds) for name, size in SIZES.items()}
        for name, size in SIZES.items():
            found[name] |= measure_costs(size, repeats=repeats)
        if as_json:
            print(json.dumps(found, indent=1))
            return
        for name, figures in found.items():
            for figure, value in figures.items():
                print(f"{name}: {figure}: {value:.2f}")


class _Happening(Observer):
    """Lets something happen in one of so many frames."""

    def observe(self, result: FrameResult) -> FrameResult:
        if result.frame.index % _EVERY:
            return result
        at = result.frame.captured_at or datetime.now(timezone.utc)
        event = Event(
            id=event_id(at),
            rule="visitor",
            kind="enters",
            camera="camera",
            at=at,
            time_s=result.frame.time_s,
            label="person",
            box_xyxy=(0.3, 0.3, 0.6, 0.9),
        )
        return replace(result, events=(event,))


@contextmanager
def _receiver() -> Iterator[tuple[str, dict[str, float]]]:
    """Take webhooks; give the address, and the moment at which each event came."""
    came_s: dict[str, float] = {}

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came_s[json.loads(body)["id"]] = time.monotonic()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", came_s
        server.shutdown()


def measure_delays(size: tuple[int, int], *, seconds: float) -> dict[str, float]:
    """Run a camera at 15 frames/s that is recorded, with a snapshot, a crop and a clip of each event.

    Args:
        size: height and width in pixels.
        seconds: that it runs.

    Returns:
        Milliseconds from the frame's result, when its age is taken, until the webhook has its event.
    """
    height, width = size
    result_s: dict[str, float] = {}

    def on_frame(result: FrameResult) -> None:
        for event in result.events:
            result_s[event.id] = result.done_s or 0.0

    with tempfile.TemporaryDirectory() as folder, _receiver() as (url, came_s):
        rule = RuleDelivery(rule="visitor", kind="enters", cameras=["camera"], clip=ClipLength(before_s=5, after_s=2))
        plan = EventsPlan(
            cameras=["camera"],
            rules=[rule],
            folder=Path(folder) / "events",
            webhook=WebhookSettings(url=SecretStr(url), secret=SecretStr("s3cret")),
        )
        state = RunState(["camera"])
        name = f"synthetic://?width={width}&height={height}&fps=15&paced=1&frames={round(15 * seconds)}"
        with open_session(shipped_detector()) as session, open_source(name) as source:
            opened = Events(plan, state, tell=print)
            recorder = opened.recorder("camera")
            video = VideoSink(Path(folder) / "out.mp4", on_packet=None if recorder is None else recorder.add)
            camera = Camera(
                name="camera",
                source=source,
                thresholds=[thresholds_from_options([], session.card)],
                sinks=[video, opened.sink("camera")],
                observers=[_Happening()],
            )
            Pipeline([camera], [session], state=state).run(on_frame)
    delays_ms = [1e3 * (came_s[one] - done_s) for one, done_s in result_s.items() if one in came_s]
    p50, p95, p99 = np.percentile(delays_ms, (50, 95, 99)).tolist()
    figures = {"events": len(result_s), "events that came": len(delays_ms)}
    return {**figures, "result to webhook, p50 ms": p50, "p95 ms": p95, "p99 ms": p99}


def measure_costs(size: tuple[int, int], *, repeats: int) -> dict[str, float]:
    """Measure processor time a frame, in ms: of a recording, with a ring beside it, and of a ring alone."""
    height, width = size
    with open_source(CLIP) as source:
        images = [np.asarray(cv2.resize(frame.image, (width, height)), np.uint8) for frame in source][:100]
    times_ms: dict[str, list[float]] = {"recording": [], "with a ring": [], "a ring alone": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            times_ms["recording"].append(_record(images, VideoSink(Path(folder) / "a.mp4"), None))
            beside = ClipRecorder(5.0, lambda *_clip: None)
            video = VideoSink(Path(folder) / "b.mp4", on_packet=beside.add)
            times_ms["with a ring"].append(_record(images, video, beside))
            times_ms["a ring alone"].append(_record(images, None, ClipRecorder(5.0, lambda *_clip: None)))
    middle = {name: median(values) for name, values in times_ms.items()}
    extra_ms = median(a - b for a, b in zip(times_ms["with a ring"], times_ms["recording"], strict=True))
    return {f"CPU ms a frame, {name}": value for name, value in middle.items()} | {
        "CPU ms a frame, of a ring beside a recording": extra_ms
    }


def _record(images: Sequence[NDArray[np.uint8]], video: VideoSink | None, recorder: ClipRecorder | None) -> float:
    started_s = time.process_time()
    for index, image in enumerate(images):
        frame = Frame(image=image, index=index, time_s=index / 25, source="x", pixel_aspect=Fraction(1))
        result = FrameResult(frame=frame, found=Detections.none(), drawn=image)
        if video is not None:
            video.write(result)
        if recorder is not None:
            recorder.see(result)
    took_s = time.process_time() - started_s
    if video is not None:
        video.close()
    return 1e3 * took_s / len(images)


if __name__ == "__main__":
    typer.run(events)

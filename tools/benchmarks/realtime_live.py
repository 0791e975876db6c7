"""What cameras get: how old their results are, whether they share fairly, whether memory stays."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.closing import Closing
from ...runtime.detection.classifications import Classification
from ...runtime.detection.detections import Detections
from ...runtime.loop.camera import Camera
from ...runtime.loop.pipeline import Pipeline
from ...runtime.machine import frames_in_flight
from ...runtime.session import Session, open_session
from ...runtime.sinks.frame_result import FrameResult
from ...runtime.sinks.json_lines import JsonLinesSink
from ...runtime.sinks.video import VideoSink
from ...runtime.sources.feed import Feed, Picture
from ...runtime.sources.frame import Frame, Source
from ...runtime.sources.live import LiveSource
from ...runtime.sources.open_source import open_source

_PACE = 30
_RTSP_SERVER = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "rtsp_server.py"
_SYSTEM_PYTHON = "/usr/bin/python3"
_REPORTS_S = 8.0
"""RTCP's first report comes some 5 s after the start; frames before it have no sender's clock."""

_SETTLED = 100
"""Pictures of RTSP wait for the next one until their ends are known, which 50 in a row have to show."""

_FAULTS = "drop=0.02&stall=0.005&corrupt=0.02&resize=0.01&disconnect=0.005&jump=0.01"
_CHAOS_FRAMES = 54_000
_CAMERAS = 8


class _PacedFile(Feed):
    """A video as a camera would show it, 30 pictures a second, over and over."""

    comes_back = False

    def __init__(self, clip: Path, seconds: float) -> None:
        self._clip, self._seconds = clip, seconds

    def __iter__(self) -> Iterator[Picture]:
        started_s = time.monotonic()
        number = count()
        while True:
            with open_source(str(self._clip)) as source:
                for frame in source:
                    due_s = started_s + next(number) / _PACE
                    if due_s > started_s + self._seconds:
                        return
                    time.sleep(max(0.0, due_s - time.monotonic()))
                    yield Picture(image=frame.image)

    def close(self) -> None:
        """Nothing is held open."""


def measure_ages(model: Path, clip: Path, *, seconds: float) -> dict[str, float]:
    """Measure ages of a file that is paced at 30 frames/s, and of RTSP from a server on loopback, by its clock.

    RTSP is left out where GStreamer's server is not installed.
    """
    with open_session(model, backend="auto", spins=False) as session, _rtsp_server() as url:
        paced = LiveSource("paced", lambda: _PacedFile(clip, seconds), policy="latest")
        ages = _ages("paced file", paced, session, interval_ms=1e3 / _PACE)
        if url is not None:
            ages |= _ages("RTSP", open_source(url), session, interval_ms=40.0, seconds=seconds + _REPORTS_S)
        return ages


def measure_shares(model: Path, *, seconds: float) -> dict[str, float]:
    """Run eight synthetic cameras on one session, and compare what each got with a fair share."""
    sources = [open_source(f"synthetic://?paced=1&fps=30&seed={n}&width=320&height=180") for n in range(_CAMERAS)]
    with open_session(model, backend="auto", streams=frames_in_flight()) as session:
        thresholds = [np.full(len(session.card.class_names), 0.5, np.float32)]
        cameras = [Camera(name=f"c{n}", source=source, thresholds=thresholds) for n, source in enumerate(sources)]
        pipeline = Pipeline(cameras, [session])
        _run_for(pipeline, seconds)
    frames = [camera.frames for camera in pipeline.summary().cameras]
    fair = sum(frames) / len(frames)
    return {
        "eight cameras: frames/s of all": pipeline.summary().frames_per_s,
        "eight cameras: least of a fair share": min(frames) / fair,
        "eight cameras: most of a fair share": max(frames) / fair,
    }


def measure_chaos(model: Path) -> dict[str, float]:
    """Run 54,000 frames (30 minutes at 30 frames/s) of a source of faults on a simulated clock, and look at memory."""
    resident_mib: list[float] = []
    name = f"chaos://{_FAULTS}&clock=simulated&source=synthetic://?width=64&height=48&frames={_CHAOS_FRAMES}"
    started_s = time.perf_counter()
    with open_session(model, backend="auto") as session, tempfile.TemporaryDirectory() as folder:
        card = session.card
        sink = JsonLinesSink(Path(folder) / "lines.jsonl")
        thresholds = [np.full(len(card.class_names), 0.5, np.float32)]
        camera = Camera(name="chaos", source=open_source(name), thresholds=thresholds, sinks=[sink])
        pipeline = Pipeline([camera], [_Instant(session)])
        for number, _ in enumerate(pipeline.results(), 1):
            if number % 10_000 == 0:
                resident_mib.append(int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20)
    return {
        "chaos: frames": float(pipeline.summary().frames),
        "chaos: MiB more per 10,000 frames": (resident_mib[-1] - resident_mib[0]) / (len(resident_mib) - 1),
        "chaos: seconds": time.perf_counter() - started_s,
    }


def measure_still(model: Path, clip: Path, *, frames: int = 500) -> dict[str, float]:
    """Compare the CPU time of a still scene, a little noisy as cameras are, with and without `--skip-still`."""
    with open_source(str(clip)) as source:
        scene = next(iter(source)).image
    noise = np.random.default_rng(0)
    with open_session(model, backend="auto", spins=False) as session, tempfile.TemporaryDirectory() as folder:
        still = Path(folder) / "still.mp4"
        sink = VideoSink(still)
        for index in range(frames):
            image = np.clip(scene + noise.normal(0, 3, scene.shape), 0, 255).astype(np.uint8)
            frame = Frame(image=image, index=index, time_s=index / 25, source="still")
            sink.write(FrameResult(frame=frame, found=Detections.none(), drawn=image))
        sink.close()
        cpu_s = []
        for skips in (False, True):
            thresholds = [np.full(len(session.card.class_names), 0.5, np.float32)]
            camera = Camera(name="still", source=open_source(str(still)), thresholds=thresholds, skips_still=skips)
            started_s = time.process_time()
            Pipeline([camera], [session]).run()
            cpu_s.append(time.process_time() - started_s)
    return {"still: share of the CPU time that --skip-still saves": 1 - cpu_s[1] / cpu_s[0]}


def measure_starts(model: Path, clip: Path, *, repeats: int) -> dict[str, float]:
    """Time `import singleshot` and a run to its first detection, each in a process of its own, disk warm."""
    imports = "import time; t = time.perf_counter(); import singleshot; print(time.perf_counter() - t)"
    command = [sys.executable, "-m", "singleshot.tools.rt_detect", "--model", str(model), "--json", "-"]
    command += ["--video", str(clip), "--max-frames", "1"]
    seconds = []
    for _ in range(repeats + 1):
        started_s = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            if process.stdout is not None:
                process.stdout.readline()
            seconds.append(time.perf_counter() - started_s)
    imported = [
        float(subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=True).stdout)
        for _ in range(repeats + 1)
    ]
    return {
        "start: seconds to the first detection": float(np.median(seconds[1:])),
        "start: seconds of import singleshot": float(np.median(imported[1:])),
    }


class _Instant(Closing):
    """A session that finds nothing at once, so that the loop's own memory shows."""

    streams = batch = 1
    backend = "none"

    def __init__(self, session: Session) -> None:
        self.card = session.card
        self._nothing = session.run(np.zeros((1, self.card.input.height, self.card.input.width, 3), np.uint8))[0]

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        return [self._nothing] * len(frames)

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to free."""


def _ages(
    what: str, source: Source, session: Session, *, interval_ms: float, seconds: float | None = None
) -> dict[str, float]:
    """Run one live camera and look at how old its results are when they are written.

    Args:
        what: begins the figures' names.
        source: open; of a stream only frames with the sender's clock count.
        session: of a detector.
        interval_ms: between two frames.
        seconds: ends the run of a stream.
    """
    thresholds = [np.full(len(session.card.class_names), 0.5, np.float32)]
    ages_ms: list[float] = []
    settled_ms: list[float] = []

    def keep(result: FrameResult) -> None:
        if result.age_ms is not None and (seconds is None or result.frame.capture_clock == "sender"):
            ages_ms.append(result.age_ms)
            if result.frame.index >= _SETTLED:
                settled_ms.append(result.age_ms)

    pipeline = Pipeline([Camera(name="cam", source=source, thresholds=thresholds)], [session])
    _run_for(pipeline, seconds, keep)
    network_ms = next(stage.median_ms for stage in pipeline.summary().stages if stage.stage == "network")
    p50_ms, p99_ms = np.percentile(ages_ms, (50, 99)).tolist() if ages_ms else (float("nan"),) * 2
    aim_ms = network_ms + interval_ms
    settled = float(np.percentile(settled_ms, 99)) / aim_ms if settled_ms else float("nan")
    return {
        f"{what}: frames": float(len(ages_ms)),
        f"{what}: inference p50 ms": network_ms,
        f"{what}: age p50 ms": p50_ms,
        f"{what}: age p99 ms": p99_ms,
        f"{what}: age p99 to inference p50 + one interval": p99_ms / aim_ms,
        f"{what}: the same from the {_SETTLED}th frame on": settled,
    }


def _run_for(
    pipeline: Pipeline, seconds: float | None, on_frame: Callable[[FrameResult], None] = lambda _result: None
) -> None:
    timer = threading.Timer(seconds or 0.0, pipeline.stop)
    if seconds is not None:
        timer.start()
    pipeline.run(on_frame)
    timer.cancel()


@contextmanager
def _rtsp_server() -> Iterator[str | None]:
    """Start GStreamer's server of the tests; None where it is not installed or this is no source checkout."""
    if not (_RTSP_SERVER.is_file() and Path(_SYSTEM_PYTHON).is_file()):
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [_SYSTEM_PYTHON, str(_RTSP_SERVER), str(port), "320"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            is_ready = server.stdout is not None and server.stdout.readline() == "ready\n"
            yield f"rtsp://127.0.0.1:{port}/cam" if is_ready else None
        finally:
            server.kill()

"""What the loop makes of the cores: against the sum of its stages alone, the network alone, and a plain OpenCV loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.backends import split_option
from ...runtime.detection.detections import Detections
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.loop.pipeline import one_thread_for_opencv
from ...runtime.loop.run import run_pipeline
from ...runtime.machine import frames_in_flight, usable_cores
from ...runtime.session import Session, detect, open_session
from ...runtime.sinks.frame_result import FrameResult
from ...runtime.sinks.overlay import draw_detections
from ...runtime.sinks.video import VideoSink
from ...runtime.sources.frame import Frame
from ...runtime.sources.open_source import open_source

_KEPT_FRAMES = 96
_WARM_UP_FRAMES = 20
_SCORE = 0.5


@dataclass(frozen=True, kw_only=True)
class LoopRound:
    """One round of everything, one after the other; times in milliseconds a frame, rates in frames a second."""

    decode_cpu_ms: float
    resize_cpu_ms: float
    network_cpu_ms: float
    draw_cpu_ms: float
    encode_cpu_ms: float
    network: float
    """The network alone, as many frames at a time as the loop has."""
    loop: float
    loop_cpu_ms: float
    """CPU time of the whole loop, which also a busy machine shows."""
    recording: float
    recording_cpu_ms: float
    opencv: float
    opencv_recording: float

    def figures(self, cores: int) -> dict[str, float]:
        """Return the ratios that are aimed at, and what they are made of."""
        looking_ms = self.decode_cpu_ms + self.resize_cpu_ms + self.network_cpu_ms
        recording_ms = looking_ms + self.draw_cpu_ms + self.encode_cpu_ms
        return {
            "loop: frames/s": self.loop,
            "loop: of cores / sum of the stages alone": self.loop * looking_ms / 1e3 / cores,
            "loop: CPU time of the stages alone / of the loop": looking_ms / self.loop_cpu_ms,
            "loop: of a plain OpenCV loop": self.loop / self.opencv,
            "loop: of the network alone": self.loop / self.network,
            "recording: frames/s": self.recording,
            "recording: of cores / sum of the stages alone": self.recording * recording_ms / 1e3 / cores,
            "recording: CPU time of the stages alone / of the loop": recording_ms / self.recording_cpu_ms,
            "recording: of a plain OpenCV loop": self.recording / self.opencv_recording,
            "recording: of the network alone": self.recording / self.network,
            "CPU ms a frame: decode": self.decode_cpu_ms,
            "CPU ms a frame: resize": self.resize_cpu_ms,
            "CPU ms a frame: network": self.network_cpu_ms,
            "CPU ms a frame: draw": self.draw_cpu_ms,
            "CPU ms a frame: encode": self.encode_cpu_ms,
        }


def measure_loop(model: Path, backend: str, clip: Path, *, frames: int, repeats: int) -> list[dict[str, float]]:
    """Measure everything in turn, round after round.

    Args:
        model: a detector's graph.
        backend: as `--backend` takes it.
        clip: a video of at least so many frames.
        frames: that each loop runs over.
        repeats: rounds.

    Raises:
        InputError: the model or the clip cannot be used, or the clip is too short.
    """
    who, precision = split_option(backend)
    cores = usable_cores()
    with (
        open_session(model, backend=who, precision=precision, threads=1) as alone,
        open_session(model, backend=who, precision=precision, streams=frames_in_flight()) as streams,
        open_session(model, backend=who, precision=precision) as default,
        open_source(str(clip)) as source,
        tempfile.TemporaryDirectory() as folder,
    ):
        images = [frame.image for frame in islice(source, _KEPT_FRAMES)]
        bench = _Bench(alone, streams, default, clip, images, Path(folder))
        bench.round(_WARM_UP_FRAMES)
        return [bench.round(frames).figures(cores) for _ in range(repeats)]


class _Bench:
    def __init__(
        self,
        alone: Session,
        streams: Session,
        default: Session,
        clip: Path,
        images: Sequence[NDArray[np.uint8]],
        folder: Path,
    ) -> None:
        self._alone, self._streams, self._default = alone, streams, default
        self._clip, self._images, self._folder = clip, images, folder
        self._thresholds = np.full(len(alone.card.class_names), _SCORE, np.float32)
        self._found = [self._look(alone, image) for image in images]
        self._drawn = [self._draw(image, found) for image, found in zip(images, self._found, strict=True)]

    def round(self, frames: int) -> LoopRound:
        spec, names = self._alone.card.input, len(self._images)
        fitted = [fit_frame(image, spec)[np.newaxis] for image in self._images]
        with one_thread_for_opencv():
            decode_ms = self._decode_cpu_ms(frames)
            resize_ms = _cpu_ms(lambda n: fit_frame(self._images[n % names], spec), frames)
            network_ms = _cpu_ms(lambda n: self._alone.run(fitted[n % names]), frames)
            draw_ms = _cpu_ms(lambda n: self._draw(self._images[n % names], self._found[n % names]), frames)
            encode_ms = self._encode_cpu_ms(frames)
        loop, loop_cpu_ms = self._loop_rate(frames, records=False)
        opencv = self._opencv_rate(frames, records=False)
        recording, recording_cpu_ms = self._loop_rate(frames, records=True)
        return LoopRound(
            decode_cpu_ms=decode_ms,
            resize_cpu_ms=resize_ms,
            network_cpu_ms=network_ms,
            draw_cpu_ms=draw_ms,
            encode_cpu_ms=encode_ms,
            network=_network_rate(self._streams, fitted, frames),
            loop=loop,
            loop_cpu_ms=loop_cpu_ms,
            recording=recording,
            recording_cpu_ms=recording_cpu_ms,
            opencv=opencv,
            opencv_recording=self._opencv_rate(frames, records=True),
        )

    def _look(self, session: Session, image: NDArray[np.uint8]) -> Detections:
        return detect(session, image).at_least(self._thresholds)

    def _draw(self, image: NDArray[np.uint8], found: Detections) -> NDArray[np.uint8]:
        return draw_detections(image, found, self._alone.card.class_names)

    def _decode_cpu_ms(self, frames: int) -> float:
        with open_source(str(self._clip)) as source:
            started_s = time.process_time()
            count = sum(1 for _ in islice(source, frames))
            return 1e3 * (time.process_time() - started_s) / count

    def _encode_cpu_ms(self, frames: int) -> float:
        sink = VideoSink(self._folder / "alone.mp4")

        def encode(number: int) -> None:
            at = number % len(self._images)
            frame = Frame(image=self._images[at], index=number, time_s=number / 25, source="bench")
            sink.write(FrameResult(frame=frame, found=self._found[at], drawn=self._drawn[at]))

        started_s = time.process_time()
        for number in range(frames):
            encode(number)
        sink.close()
        return 1e3 * (time.process_time() - started_s) / frames

    def _loop_rate(self, frames: int, *, records: bool) -> tuple[float, float]:
        started_s = time.process_time()
        sinks = [VideoSink(self._folder / "ours.mp4")] if records else []
        summary = run_pipeline(
            open_source(str(self._clip)), self._streams, sinks, thresholds=self._thresholds, max_frames=frames
        )
        if summary.frames < frames:
            raise InputError(f"--frames: expected at most the {summary.frames} frames of {self._clip}, got {frames}.")
        return summary.frames_per_s, 1e3 * (time.process_time() - started_s) / frames

    def _opencv_rate(self, frames: int, *, records: bool) -> float:
        """Run what one writes first: read, detect, draw, write, one after the other, all threads as they come."""
        started_s = time.perf_counter()
        capture, writer = cv2.VideoCapture(str(self._clip)), None
        for _ in range(frames):
            _, image = capture.read()
            found = self._look(self._default, np.asarray(image, np.uint8))
            if records:
                drawn = self._draw(np.asarray(image, np.uint8), found)
                if writer is None:
                    size = (drawn.shape[1], drawn.shape[0])
                    code = cv2.VideoWriter.fourcc(*"mp4v")
                    writer = cv2.VideoWriter(str(self._folder / "opencv.mp4"), code, 25, size)
                writer.write(drawn)
        if writer is not None:
            writer.release()
        capture.release()
        return frames / (time.perf_counter() - started_s)


def _network_rate(session: Session, fitted: Sequence[NDArray[np.uint8]], frames: int) -> float:
    """Run the network alone, from as many threads as it takes."""
    from concurrent.futures import ThreadPoolExecutor

    started_s = time.perf_counter()
    with ThreadPoolExecutor(session.streams) as threads:
        for _ in threads.map(lambda n: session.run(fitted[n % len(fitted)]), range(frames)):
            pass
    return frames / (time.perf_counter() - started_s)


def _cpu_ms(stage: Callable[[int], object], count: int) -> float:
    started_s = time.process_time()
    for number in range(count):
        stage(number)
    return 1e3 * (time.process_time() - started_s) / count

"""The loop: frames in, detections or classes out, each stage timed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..card import Task
from ..detection.classifications import Classification
from ..detection.detections import Detections
from ..detection.letterbox import detections_to_frame, fit_frame
from ..session import Session
from ..sinks.frame_result import FrameResult
from ..sinks.overlay import draw_classes, draw_detections
from ..sinks.sink import Sink
from ..sinks.window import Window
from ..sources.frame import Frame, Source
from .sink_thread import SinkThread
from .stage_times import StageTime, StageTimes


@dataclass(frozen=True, kw_only=True)
class FoundClass:
    """How often a class was found."""

    name: str
    frames: int
    """Frames with at least one."""
    detections: int
    """Boxes; of a classifier the frames in which the class came first."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run did and how fast."""

    task: Task
    frames: int
    wall_s: float
    """From the start of the loop until everything was written."""
    stages: tuple[StageTime, ...]
    """`wait` for the decoder, `resize`, `network`, `draw`, `hand over` to the writer, `show`; beside them `write`."""
    found: tuple[FoundClass, ...]
    """In the card's order, classes that were found alone."""
    warnings: tuple[str, ...]

    @property
    def frames_per_s(self) -> float:
        """Frames divided by wall time."""
        return self.frames / self.wall_s if self.wall_s > 0 else 0.0


def run_pipeline(
    source: Source,
    session: Session,
    sinks: Sequence[Sink],
    *,
    thresholds: NDArray[np.float32],
    window: Window | None = None,
    max_frames: int | None = None,
    on_frame: Callable[[FrameResult], None] | None = None,
) -> RunSummary:
    """Run a detector or a classifier over a source; decoding, the network and writing overlap in three threads.

    The source and the sinks are closed at the end, also by an error or an interruption, so that what was written until
    then can be used.

    Args:
        source: an open source.
        session: an open session.
        sinks: take the results, in a thread of their own.
        thresholds: [number of classes] float32, the least score to keep per class id.
        window: shows the frames; closing it ends the run.
        max_frames: ends the run after so many.
        on_frame: is called after each frame, for progress.

    Raises:
        InputError: the source decodes to nothing, or a sink cannot write.
    """
    loop = _Loop(session=session, thresholds=thresholds, draw=window is not None or any(s.needs_drawing for s in sinks))
    frames = 0
    started_s = time.perf_counter()
    with ExitStack() as stack:
        writer = stack.enter_context(SinkThread(sinks, loop.times))
        stack.enter_context(source)
        if window is not None:
            stack.callback(window.close)
        for frame in loop.timed(iter(source)):
            result = loop.process(frame)
            with loop.times.measure("hand over"):
                writer.put(result)
            frames += 1
            if on_frame is not None:
                on_frame(result)
            if window is not None and result.drawn is not None:
                with loop.times.measure("show"):
                    open_still = window.show(result.drawn)
                if not open_still:
                    break
            if frames == max_frames:
                break
    return RunSummary(
        task=session.card.task,
        frames=frames,
        wall_s=time.perf_counter() - started_s,
        stages=loop.times.result(),
        found=loop.found(),
        warnings=(*source.warnings, *(warning for sink in sinks for warning in sink.warnings)),
    )


class _Loop:
    """The stages between source and sinks, with their times and counts."""

    def __init__(self, *, session: Session, thresholds: NDArray[np.float32], draw: bool) -> None:
        self.times = StageTimes()
        self._session = session
        self._card = session.card
        self._thresholds = thresholds
        self._draw = draw
        self._frames_with: Counter[int] = Counter()
        self._detections_of: Counter[int] = Counter()

    def timed(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Add the time spent waiting for each frame."""
        while True:
            started_s = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                return
            self.times.add("wait", time.perf_counter() - started_s)
            yield frame

    def process(self, frame: Frame) -> FrameResult:
        """Resize, detect or classify, threshold, draw."""
        with self.times.measure("resize"):
            fitted = fit_frame(frame.image, self._card.input)
        found = (self._classes if self._card.task == "classifier" else self._detections)(frame, fitted[np.newaxis])
        drawn = None
        if self._draw:
            with self.times.measure("draw"):
                drawn = self._drawn(frame.image, found)
        return FrameResult(frame=frame, found=found, drawn=drawn)

    def found(self) -> tuple[FoundClass, ...]:
        """Return the counts in the card's order."""
        return tuple(
            FoundClass(name=name, frames=self._frames_with[class_id], detections=self._detections_of[class_id])
            for class_id, name in enumerate(self._card.class_names)
            if self._detections_of[class_id]
        )

    def _detections(self, frame: Frame, fitted: NDArray[np.uint8]) -> Detections:
        height, width = frame.image.shape[:2]
        with self.times.measure("network"):
            raw = self._session.run(fitted)[0]
        found = detections_to_frame(raw, self._card.input, height=height, width=width).at_least(self._thresholds)
        self._count(found.class_ids.tolist())
        return found

    def _classes(self, _frame: Frame, fitted: NDArray[np.uint8]) -> Classification:
        with self.times.measure("network"):
            raw = self._session.classify(fitted)[0]
        found = raw.at_least(self._thresholds)
        self._count(found.class_ids[:1].tolist())
        return found

    def _drawn(self, image: NDArray[np.uint8], found: Detections | Classification) -> NDArray[np.uint8]:
        if isinstance(found, Classification):
            return draw_classes(image, found, self._card.class_names)
        return draw_detections(image, found, self._card.class_names)

    def _count(self, class_ids: list[int]) -> None:
        self._detections_of.update(class_ids)
        self._frames_with.update(set(class_ids))

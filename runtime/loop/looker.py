"""What is done with a frame: fitted, run through the network, what is over the thresholds kept, drawn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..card import Card
from ..detection.classifications import Classification
from ..detection.detections import Detections
from ..detection.letterbox import detections_to_frame, fit_frame
from ..session import Session
from ..sinks.frame_result import FrameResult
from ..sinks.overlay import draw_classes, draw_detections
from ..sinks.stats_overlay import draw_stats
from .camera import Camera
from .lanes import Turn
from .run_state import AgeStage, CameraSnapshot, RunState
from .shedding import Shedding
from .stage_times import StageTimes

_STATS_S = 0.5
"""Figures on a picture change so often; more could not be read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Models:
    """The graphs of a run, from the best to the lightest, and the thresholds of each camera for each."""

    sessions: Sequence[Session]
    thresholds: Mapping[str, Sequence[NDArray[np.float32]]]


class Looker:
    """Looks at frames, for as many threads as call.

    Args:
        models: what runs until `replace`.
        cameras: by name.
        state: is told the ages.
        times: is told the stages `resize`, `network` and `draw`.
        shedding: says which graph runs.
        stats: write the run's figures into the pictures.
        is_named: results have their camera's name.
    """

    def __init__(
        self,
        models: Models,
        cameras: Mapping[str, Camera],
        *,
        state: RunState,
        times: StageTimes,
        shedding: Shedding,
        stats: bool,
        is_named: bool,
    ) -> None:
        self._models = models
        self._cameras = cameras
        self._state = state
        self._times = times
        self._shedding = shedding
        self._stats = stats
        self._is_named = is_named
        self._draws = {name for name, camera in cameras.items() if camera.needs_drawing}
        self._shown: dict[str, CameraSnapshot] = {}
        self._shown_s = 0.0
        self._idle = threading.Condition()
        self._users: dict[int, int] = {}

    @property
    def card(self) -> Card:
        """The best graph's; all have the same classes."""
        return self._models.sessions[0].card

    @property
    def models(self) -> Models:
        """What runs now."""
        return self._models

    def replace(self, models: Models) -> None:
        """Look at the frames from now on with other graphs or thresholds; return when nobody uses the ones before."""
        with self._idle:
            before, self._models = self._models, models
            self._idle.wait_for(lambda: not self._users.get(id(before)))

    def look(self, turns: Sequence[Turn]) -> list[FrameResult]:
        """Look at frames together.

        Raises:
            InputError: the artefact computes something that it should not.
        """
        with self._idle:
            models = self._models
            self._users[id(models)] = self._users.get(id(models), 0) + 1
        try:
            return self._look(turns, models, self._shedding.step.model)
        finally:
            with self._idle:
                self._users[id(models)] -= 1
                self._idle.notify_all()

    def _look(self, turns: Sequence[Turn], models: Models, number: int) -> list[FrameResult]:
        session = models.sessions[number]
        taken_s = time.monotonic()
        with self._times.measure("resize"):
            fitted = fitted_batch([turn.frame.image for turn in turns], session)
        with self._times.measure("network"):
            is_classifier = session.card.task == "classifier"
            raw: Sequence[Detections | Classification] = (
                session.classify(fitted) if is_classifier else session.run(fitted)
            )
        results = []
        for turn, found in zip(turns, raw, strict=True):
            height, width = turn.frame.image.shape[:2]
            if isinstance(found, Detections):
                found = detections_to_frame(found, session.card.input, height=height, width=width)  # noqa: PLW2901
            kept = found.at_least(models.thresholds[turn.lane.name][number])
            result = FrameResult(
                frame=turn.frame,
                found=kept,
                drawn=None,
                camera=turn.lane.name if self._is_named else "",
                drops=dict(turn.lane.drops + Counter(self._cameras[turn.lane.name].source.drops)),
            )
            results.append(self._finished(result, turn.lane.name, taken_s))
        return results

    def _finished(self, result: FrameResult, camera: str, taken_s: float) -> FrameResult:
        """Draw, and say how old the frame has become."""
        found_s = time.monotonic()
        moments: dict[AgeStage, float] = {"taken": taken_s, "found": found_s}
        drawn = None
        if camera in self._draws:
            with self._times.measure("draw"):
                drawn = self._drawn(result, camera)
            moments["drawn"] = time.monotonic()
        ages_ms: dict[str, float] = {}
        if (captured_s := result.frame.captured_s) is not None:
            for stage, moment_s in moments.items():
                ages_ms[stage] = 1e3 * (moment_s - captured_s)
                self._state.add_age(camera, stage, ages_ms[stage])
        return replace(result, drawn=drawn, done_s=max(moments.values()), ages_ms=ages_ms)

    def _drawn(self, result: FrameResult, camera: str) -> NDArray[np.uint8]:
        image, found, names = result.frame.image, result.found, self.card.class_names
        if isinstance(found, Classification):
            drawn = draw_classes(image, found, names)
        else:
            drawn = draw_detections(image, found, names)
        if self._stats:
            if time.monotonic() > self._shown_s + _STATS_S:
                self._shown_s = time.monotonic()
                self._shown = {shown.name: shown for shown in self._state.snapshot().cameras}
            draw_stats(drawn, stats_lines(self._shown[camera]))
        return drawn


def fitted_batch(images: Sequence[NDArray[np.uint8]], session: Session) -> NDArray[np.uint8]:
    """Fit frames to a session's input, [N, H, W, 3]."""
    fitted = [fit_frame(image, session.card.input) for image in images]
    return fitted[0][np.newaxis] if len(fitted) == 1 else np.stack(fitted)


def stats_lines(camera: CameraSnapshot) -> list[str]:
    """Put how a camera is doing into a few short lines."""
    lines = [f"{camera.frames_per_s:.1f} frames/s"]
    lines += [
        f"{stage} {age.p50_ms:.0f} / {age.p95_ms:.0f} / {age.p99_ms:.0f} ms old" for stage, age in camera.ages.items()
    ]
    return lines + [f"{count} {cause}" for cause, count in camera.drops.items()]

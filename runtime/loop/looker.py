"""What is done with a frame: fitted, run through the network, what is over the thresholds kept, drawn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..card import Card, InputSpec
from ..detection.classifications import Classification
from ..detection.detections import Detections
from ..detection.letterbox import detections_to_frame, fit_frame
from ..detection.tiles import Tiles
from ..session import Session, run_in_batches
from ..sinks.frame_result import FrameResult
from ..sinks.overlay import draw_classes, draw_detections
from ..sinks.places_overlay import draw_places, write_counts
from ..sinks.stats_overlay import draw_stats
from ..sinks.trails_overlay import draw_trails
from .camera import Camera
from .in_order import Resequencer
from .lanes import Turn
from .run_state import AgeStage, CameraSnapshot, RunState
from .shedding import Shedding
from .stage_times import StageTimes
from .still import Look, Scene

_STATS_S = 0.5
"""Figures on a picture change so often; more could not be read."""

HELD = "held: the scene does not move"
"""Stands in a picture whose boxes are of an earlier frame."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Models:
    """The graphs of a run, from the best to the lightest, and the thresholds of each camera for each."""

    sessions: Sequence[Session]
    thresholds: Mapping[str, Sequence[NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """What was found in a frame, not yet observed nor drawn."""

    turn: Turn
    result: FrameResult
    thresholds: NDArray[np.float32]
    taken_s: float


class Looker:
    """Looks at frames, for as many threads as call.

    Args:
        models: what runs until `replace`.
        cameras: by name.
        state: is told the ages.
        times: is told the stages `resize`, `network`, `blur`, `observe` and `draw`.
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
        self._scenes = {name: Scene(skips_still=camera.skips_still) for name, camera in cameras.items()}
        self._resequencers = {
            name: Resequencer(self._observed) for name, camera in cameras.items() if camera.blur or camera.observers
        }
        # What is drawn now and then, for who looks at the live page, has no age: it would stand still in between.
        self._draws_all = {name: camera.needs_drawing for name, camera in cameras.items()}
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

    def look(self, turns: Sequence[Turn]) -> Iterator[tuple[Turn, FrameResult]]:
        """Look at frames together; yield what is ready.

        Where results are observed, those whose turn has not come are yielded to the thread that looks at the one
        before, and to this one those that waited for it.

        Raises:
            InputError: the artefact computes something that it should not.
        """
        with self._idle:
            models = self._models
            self._users[id(models)] = self._users.get(id(models), 0) + 1
        try:
            found = self._look(turns, models, self._shedding.step.model)
        except BaseException:
            for scene in self._scenes.values():
                scene.give_up()
            raise
        finally:
            with self._idle:
                self._users[id(models)] -= 1
                self._idle.notify_all()
        for one in found:
            resequencer = self._resequencers.get(one.turn.lane.name)
            ready = [(one, self._observed(one))] if resequencer is None else resequencer.bring(one.turn.number, one)
            for ready_one, result in ready:
                yield ready_one.turn, self._finished(result, ready_one)

    def _look(self, turns: Sequence[Turn], models: Models, number: int) -> list[_Found]:
        session = models.sessions[number]
        taken_s = time.monotonic()
        with self._times.measure("resize"):
            fitted = [fit_frame(turn.frame.image, session.card.input) for turn in turns]
        looks = [
            self._scenes[turn.lane.name].look(turn.number, whole, turn.frame.time_s)
            for turn, whole in zip(turns, fitted, strict=True)
        ]
        self._set_answers([item for item in zip(turns, fitted, looks, strict=True) if not item[2].is_held], session)
        found = []
        for turn, look in zip(turns, looks, strict=True):
            thresholds = models.thresholds[turn.lane.name][number]
            result = FrameResult(
                frame=turn.frame,
                found=look.answer.result(),
                drawn=None,
                camera=turn.lane.name if self._is_named else "",
                held=look.is_held,
                class_names=session.card.class_names,
                drops=dict(turn.lane.drops + Counter(self._cameras[turn.lane.name].source.drops)),
            )
            found.append(_Found(turn=turn, result=result, thresholds=thresholds, taken_s=taken_s))
        return found

    def _observed(self, one: _Found) -> FrameResult:
        """Keep what is over the thresholds, hide what is not to be seen, let observers see the rest."""
        camera, found = self._cameras[one.turn.lane.name], one.result.found
        kept = replace(one.result, found=found.at_least(one.thresholds))
        if camera.blur is not None and isinstance(found, Detections):
            with self._times.measure("blur"):
                kept = replace(kept, frame=camera.blur.hide(one.turn.frame, found, one.thresholds))
        if camera.observers:
            with self._times.measure("observe"):
                if isinstance(found, Detections):
                    kept = replace(kept, unsure=found.unsure(one.thresholds))
                for observer in camera.observers:
                    kept = observer.observe(kept)
        return kept

    def _set_answers(self, asked: Sequence[tuple[Turn, NDArray[np.uint8], Look]], session: Session) -> None:
        """Run the network over the pictures of some frames, together."""
        if not asked:
            return
        try:
            pictures = [self._pictures(turn, whole, session.card.input) for turn, whole, _ in asked]
            with self._times.measure("network"):
                raw = _answers(session, pictures[0] if len(pictures) == 1 else np.concatenate(pictures))
            for (turn, _, look), of_frame in zip(asked, pictures, strict=True):
                found, raw = raw[: len(of_frame)], raw[len(of_frame) :]
                look.answer.set_result(self._in_frame(found, turn, session.card))
        except BaseException as error:
            for _, _, look in asked:  # another thread may wait for one that is held
                if not look.answer.done():
                    look.answer.set_exception(error)
            raise

    def _in_frame(
        self, found: Sequence[Detections | Classification], turn: Turn, card: Card
    ) -> Detections | Classification:
        """Say of the whole frame what was found in its pictures."""
        height, width = turn.frame.image.shape[:2]
        boxes = [one for one in found if isinstance(one, Detections)]
        if not boxes:
            return found[0]
        tiles = self._tiles(turn)
        if tiles is not None:
            return tiles.merge(boxes, card, height=height, width=width)
        return detections_to_frame(boxes[0], card.input, height=height, width=width)

    def _pictures(self, turn: Turn, whole: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
        """Give the frame, and its parts if they are looked at, as the network takes them: [n, H, W, 3]."""
        tiles = self._tiles(turn)
        return whole[np.newaxis] if tiles is None else tiles.fit(turn.frame.image, spec)

    def _tiles(self, turn: Turn) -> Tiles | None:
        return self._cameras[turn.lane.name].tiles

    def _finished(self, result: FrameResult, one: _Found) -> FrameResult:
        """Draw, and say how old the frame has become."""
        camera = one.turn.lane.name
        found_s = time.monotonic()
        done_s = found_s
        moments: dict[AgeStage, float] = {"taken": one.taken_s, "found": found_s}
        drawn = None
        if self._cameras[camera].needs_drawing:
            with self._times.measure("draw"):
                drawn = self._drawn(result, camera)
            done_s = time.monotonic()
            if self._draws_all[camera]:
                moments["drawn"] = done_s
        ages_ms: dict[str, float] = {}
        if (captured_s := result.frame.captured_s) is not None:
            for stage, moment_s in moments.items():
                ages_ms[stage] = 1e3 * (moment_s - captured_s)
                self._state.add_age(camera, stage, ages_ms[stage])
        return replace(result, drawn=drawn, done_s=done_s, ages_ms=ages_ms)

    def _drawn(self, result: FrameResult, camera: str) -> NDArray[np.uint8]:
        image, found, names = result.frame.image, result.found, self.card.class_names
        if result.places:
            image = draw_places(image, result.places)
        if result.tracks is not None:
            image = draw_trails(image, result.tracks)
        if isinstance(found, Classification):
            drawn = draw_classes(image, found, names)
        else:
            drawn = draw_detections(image, found, names, result.track_ids)
        write_counts(drawn, result.places)
        lines = self._stats_lines(camera) if self._stats else []
        draw_stats(drawn, [*lines, *([HELD] if result.held else [])])
        return drawn

    def _stats_lines(self, camera: str) -> list[str]:
        if time.monotonic() > self._shown_s + _STATS_S:
            self._shown_s = time.monotonic()
            self._shown = {shown.name: shown for shown in self._state.snapshot().cameras}
        return stats_lines(self._shown[camera])


def _answers(session: Session, pictures: NDArray[np.uint8]) -> Sequence[Detections | Classification]:
    if session.card.task == "classifier":
        return session.classify(pictures)
    return run_in_batches(session, pictures)


def stats_lines(camera: CameraSnapshot) -> list[str]:
    """Put how a camera is doing into a few short lines."""
    lines = [f"{camera.frames_per_s:.1f} frames/s"]
    lines += [
        f"{stage} {age.p50_ms:.0f} / {age.p95_ms:.0f} / {age.p99_ms:.0f} ms old" for stage, age in camera.ages.items()
    ]
    return lines + [f"{count} {cause}" for cause, count in camera.drops.items()]

"""Holds candidates against their parent on labelled images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...calib.accuracy.average_precision import MIN_OBJECTS
from ...calib.records.asking import records_of
from ...calib.records.bootstrap import REPLICATES
from ...calib.records.compare import Changed, Delta, ScoreShift, deltas, lost_and_gained, score_shift
from ...calib.records.labelled_images import LabelledImages
from ...calib.records.operating_point import Rederived, best_f1, moved_thresholds, rederive, scores_that_moved
from ...calib.records.records import Records
from ...runtime.backends import Backend
from ...runtime.card import MovedScores
from ...runtime.detection.thresholds import DEFAULT_SCORE
from ...runtime.errors import InputError
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ...runtime.session import Session, open_session
from .latency import latencies_ms

MOST_IMAGES = 2000
"""Labelled images that a gate takes at most: more would cost time and hardly narrow the intervals."""

_TIMED_FRAMES = 16

Open = Callable[[Path], Session]
"""Opens a graph; parent and candidates are opened alike."""


def open_alike(path: Path) -> Session:
    """Open a graph in float32, so that graphs differ by what they say alone: OpenVINO if installed, else ONNX Runtime.

    In ONNX Runtime, int8 graphs in TensorRT's placement give the same answers and take longer.

    Raises:
        InputError: the file cannot be run.
    """
    backend: Backend = "openvino" if find_spec("openvino") else "onnxruntime"
    return open_session(path, backend=backend, precision=Precision.FP32, proves=False)


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """What a gate asks for.

    Args:
        max_drop: points of AP50:95 (of a classifier: of top-1 accuracy) that may be lost.
        split: of the labelled images.
        seed: of the sample of images, of the halves and of the resamples.
        images: labelled images at most.
        replicates: resamples of the images for each interval.
        is_strict: refuse what these images cannot tell from a greater loss, too.
        missing_is_background: as `open_dataset` takes it.
        anyway: as `open_dataset` takes it.
    """

    max_drop: float = 0.5
    split: str = "val"
    seed: int = 0
    images: int = MOST_IMAGES
    replicates: int = REPLICATES
    is_strict: bool = False
    missing_is_background: bool = False
    anyway: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 100:
            raise InputError(f"--max-drop: expected points from 0 to 100, got {self.max_drop:g}.")
        if self.images < 1:
            raise InputError(f"--gate-images: expected at least 1, got {self.images}.")

    @property
    def least_objects(self) -> int:
        """Objects without which nothing is judged: with one a collapse shows, with `MIN_OBJECTS` a figure is one."""
        return MIN_OBJECTS if self.is_strict else 1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A graph that may take its parent's place.

    Args:
        name: for the table: `int8, minmax, 3 blocks in float`.
        path: the file.
        method: range estimator of an int8 graph.
        kept_float: blocks that are not quantized.
        is_eligible: False: it fell short on the choosing images.
        is_lost: whether these measured a loss beyond what is allowed; then it is judged to be shown.
        open_graph: how it is opened where that differs from its parent; none: alike.
    """

    name: str
    path: Path
    method: str | None = None
    kept_float: tuple[str, ...] = ()
    is_eligible: bool = True
    is_lost: bool = False
    open_graph: Open | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A candidate and what it says of the judging images.

    Args:
        candidate: the graph.
        settings: what may be lost.
        deltas: the headline first; empty where the graph could not be run.
        lost: objects that it no longer reports at the parent's best threshold.
        gained: objects that it alone reports there.
        shift: how scores moved.
        thresholds: what to put in place of the parent's thresholds.
        moved: thresholds for the card, class by class where the data allow it, else for all together.
        latency_ms: of a frame, measured here; None where the graph could not be run.
        failure: why it could not be run.
    """

    candidate: Candidate
    settings: GateSettings
    deltas: tuple[Delta, ...] = ()
    lost: tuple[Changed, ...] = ()
    gained: tuple[Changed, ...] = ()
    shift: ScoreShift | None = None
    thresholds: tuple[Rederived, ...] = ()
    moved: tuple[MovedScores, ...] = ()
    latency_ms: float | None = None
    failure: str | None = None

    @property
    def passes(self) -> bool:
        """Whether it may be accepted, ran, and lost no more than allowed."""
        if self.failure is not None or not self.candidate.is_eligible or self.deltas[0].drop > self.settings.max_drop:
            return False
        return self.can_tell or not self.settings.is_strict

    @property
    def can_tell(self) -> bool:
        """Whether these images tell the allowed drop from none."""
        return self.deltas[0].resolution <= self.settings.max_drop

    @property
    def is_untold(self) -> bool:
        """Whether it may have lost more than allowed, or less: these images cannot tell."""
        if self.failure is not None or self.candidate.is_lost or self.settings.is_strict or self.can_tell:
            return False
        interval = self.deltas[0].drop_interval
        return interval is not None and interval.low <= self.settings.max_drop

    @property
    def summary(self) -> str:
        """One line with the headline."""
        if self.failure is not None:
            return f"{self.candidate.name}: cannot be run ({self.failure})"
        first = self.deltas[0]
        figures = f"{first.candidate:.2f} of {first.parent:.2f}, a drop of {first.drop:.2f} {first.interval_text}"
        short = "" if self.candidate.is_eligible else ", and too large a one on the images that chose"
        return f"{self.candidate.name}: {figures}{short}"


class Judge:
    """Holds the parent's answers to the judging images, and any candidate's against them."""

    def __init__(
        self,
        parent: Path,
        images: LabelledImages,
        settings: GateSettings,
        *,
        open_graph: Open = open_alike,
        on_progress: Progress = no_progress,
    ) -> None:
        """Run the parent.

        Raises:
            InputError: the graph or the images cannot be used, or hold fewer objects than the settings ask for.
        """
        self.path, self.images, self.settings = parent, images, settings
        self._open, self.on_progress = open_graph, on_progress
        with self._open(parent) as session:
            self.backend = session.backend
        self.parent = self.answers(self.itself, f"{parent.name} (parent)")
        objects = self.parent.answers().wanted
        if objects < settings.least_objects:
            raise too_few_objects(images, objects, settings)

    def answers(self, candidate: Candidate, stage: str) -> Records:
        """Run a graph over the images; where it computes no numbers, it found nothing.

        Raises:
            InputError: it cannot be run.
        """
        done = count(1)
        with self.opened(candidate) as session:
            return records_of(
                session,
                self.images,
                on_image=lambda: self.on_progress(stage, next(done), len(self.images)),
                nan_is_nothing=candidate.path != self.path,
            )

    def drop(self, found: Records, among: NDArray[np.bool_] | None = None) -> float:
        """Return the points that the headline lost, on all images or on those marked; 0 if these have no objects."""
        weights = np.ones(len(self.parent.image_ids), np.int64) if among is None else among.astype(np.int64)
        return float(np.nan_to_num(self.parent.headline(weights) - found.headline(weights)))

    def judge(
        self,
        candidate: Candidate,
        *,
        found: Records | None = None,
        chosen_by: tuple[Records, Records] | None = None,
    ) -> Judged:
        """Hold a candidate against the parent.

        Args:
            candidate: a graph with the parent's classes.
            found: answers that stand for its own; none: it is asked.
            chosen_by: answers of parent and candidate to other images, on which thresholds are re-derived; none: the
                judging images.
        """
        stage = f"judging {candidate.name}"
        try:
            found = found or self.answers(candidate, stage)
        except InputError as error:
            return Judged(candidate=candidate, settings=self.settings, failure=str(error))
        answers = self.parent.answers(), found.answers()
        best = best_f1(answers[0])
        lost, gained = lost_and_gained(self.parent, found, best.threshold if best else DEFAULT_SCORE)
        by = answers if chosen_by is None else (chosen_by[0].answers(), chosen_by[1].answers())
        wanted = [DEFAULT_SCORE] if best is None else [best.threshold, DEFAULT_SCORE]
        return Judged(
            candidate=candidate,
            settings=self.settings,
            deltas=deltas(self.parent, found, replicates=self.settings.replicates, seed=self.settings.seed),
            lost=lost,
            gained=gained,
            shift=score_shift(self.parent, found),
            thresholds=tuple(rederive(item, chosen_by=by, judged_by=answers) for item in wanted),
            moved=moved_scores(*(chosen_by or (self.parent, found))),
        )

    def with_latencies(self, judged: Sequence[Judged]) -> tuple[float, tuple[Judged, ...]]:
        """Measure the parent and every candidate that runs, in turn, in milliseconds a frame."""
        running = [item for item in judged if item.failure is None]
        with ExitStack() as stack:
            graphs = [self.itself, *(item.candidate for item in running)]
            sessions = [stack.enter_context(self.opened(graph)) for graph in graphs]
            frames = [frame for _, frame in islice(self.images.frames(sessions[0].card.input), _TIMED_FRAMES)]
            self.on_progress("latency", 0, 1)
            parent_ms, *times_ms = latencies_ms(sessions, frames)
            self.on_progress("latency", 1, 1)
        of = {id(item): time_ms for item, time_ms in zip(running, times_ms, strict=True)}
        return parent_ms, tuple(replace(item, latency_ms=of.get(id(item))) for item in judged)

    @property
    def itself(self) -> Candidate:
        """The parent as a candidate."""
        return Candidate(name="parent", path=self.path)

    def opened(self, candidate: Candidate) -> Session:
        """Open a candidate as the parent is opened, unless it says otherwise."""
        return (candidate.open_graph or self._open)(candidate.path)


def moved_scores(parent: Records, candidate: Records) -> tuple[MovedScores, ...]:
    """Find thresholds of all answers together and of each class by itself; none where no movement is measured."""
    at = scores_that_moved(parent.targets().scores, candidate.targets().scores)
    if not at:
        return ()
    pairs = {None: moved_thresholds(parent.answers(), candidate.answers(), at)} | {
        name: moved_thresholds(parent.answers_of(name), candidate.answers_of(name), at) for name in parent.class_names
    }
    return tuple(
        MovedScores(class_name=name, parent=tuple(score for score, _ in found), own=tuple(own for _, own in found))
        for name, found in pairs.items()
        if found
    )


def too_few_objects(images: LabelledImages, objects: int, settings: GateSettings) -> InputError:
    """Say that nothing can be judged by images with so few objects that count."""
    return InputError(
        f"{images.dataset.name}: expected at least {settings.least_objects} objects of the detector's classes (images "
        f"of a classifier's) among the {len(images)} images to judge by, got {objects}. Name a split with more by "
        f"--split."
    )

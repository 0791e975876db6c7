"""What a run did and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..card import Task
from ..detection.classifications import Classification
from ..rules.event import PlaceCount
from ..sinks.frame_result import FrameResult
from .deliveries import DeliveryCounts
from .run_state import AgeStage, Percentiles
from .stage_times import StageTime


@dataclass(frozen=True, kw_only=True)
class FoundClass:
    """How often a class was found."""

    name: str
    frames: int
    """Frames with at least one."""
    detections: int
    """Boxes; of a classifier the frames in which the class came first."""


@dataclass(frozen=True, kw_only=True)
class CameraSummary:
    """What became of one camera."""

    name: str
    frames: int
    found: tuple[FoundClass, ...]
    """In the card's order, classes that were found alone."""
    warnings: tuple[str, ...]
    ages: Mapping[AgeStage, Percentiles]
    """Of the latest 1024 frames, by stage; empty of files."""
    drops: Mapping[str, int]
    """Frames that were not looked at, by cause."""
    error: str | None
    """What ended it before its time."""
    held: int = 0
    """Frames that have an earlier one's answer, as the scene did not move."""
    places: Sequence[PlaceCount] = ()
    """What is counted at zones and lines, at the end."""


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run did and how fast."""

    task: Task
    cameras: tuple[CameraSummary, ...]
    wall_s: float
    """From the start of the loop until everything was written."""
    stages: tuple[StageTime, ...]
    """`wait` for a frame, `resize`, `network`, `observe`, `draw` in each thread that looks; beside them `write` and
    `show`."""
    deliveries: tuple[DeliveryCounts, ...] = ()
    """What became of events, by who is told."""

    @property
    def frames(self) -> int:
        """Of all cameras."""
        return sum(camera.frames for camera in self.cameras)

    @property
    def frames_per_s(self) -> float:
        """Frames divided by wall time."""
        return self.frames / self.wall_s if self.wall_s > 0 else 0.0

    @property
    def found(self) -> tuple[FoundClass, ...]:
        """What was found by the only camera, or by the first of several."""
        return self.cameras[0].found

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without ending the run, of all cameras."""
        return tuple(warning for camera in self.cameras for warning in camera.warnings)


class FoundCounts:
    """Counts what was found by one camera."""

    def __init__(self) -> None:
        self.frames = self.held = 0
        self.places: Sequence[PlaceCount] = ()
        self._frames_with: Counter[int] = Counter()
        self._detections_of: Counter[int] = Counter()

    def add(self, result: FrameResult) -> None:
        """Count a frame."""
        self.frames += 1
        self.held += result.held
        self.places = result.places
        class_ids = result.found.class_ids.tolist()
        if isinstance(result.found, Classification):
            class_ids = class_ids[:1]
        self._detections_of.update(class_ids)
        self._frames_with.update(set(class_ids))

    def found(self, class_names: Sequence[str]) -> tuple[FoundClass, ...]:
        """Return the counts in the card's order."""
        return tuple(
            FoundClass(name=name, frames=self._frames_with[class_id], detections=self._detections_of[class_id])
            for class_id, name in enumerate(class_names)
            if self._detections_of[class_id]
        )

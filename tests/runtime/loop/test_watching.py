"""Who crosses a line, through the tracker, against scenes whose truth is known; and what a result gets of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.loop.observers import Following, Watching
from singleshot.runtime.rules.places import Line, Zone
from singleshot.runtime.rules.rule import Rule
from singleshot.runtime.rules.watch import Watch
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.sources.synthetic import Scene
from singleshot.runtime.tracking.tracker import Tracker

GATE = Line(name="gate", start=(0.5, 1.0), end=(0.5, 0.0))
SECONDS = 12
NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
PICTURE = np.zeros((360, 640, 3), np.uint8)


@cache
def true_crossings(seed: int) -> tuple[int, int]:
    """Count by the truth, 30 pictures a second: to the right, to the left."""
    scene = Scene(fps=30, seed=seed)
    right = left = 0
    before: dict[int, bool] = {}
    for index in range(SECONDS * scene.fps):
        truth = scene.truth(index)
        middles = (truth.boxes_px[:, 0] + truth.boxes_px[:, 2]) / 2
        now = {one: x > 320 for one, x in zip(truth.ids.tolist(), middles.tolist(), strict=True)}
        right += sum(is_right and not before.get(one, True) for one, is_right in now.items())
        left += sum(not is_right and before.get(one, False) for one, is_right in now.items())
        before = now
    return right, left


def result_of(found: Detections | Classification, time_s: float = 0.0, **taken: object) -> FrameResult:
    frame = Frame(image=PICTURE, index=0, time_s=time_s, source="scene", **taken)  # type: ignore[arg-type]
    return FrameResult(frame=frame, found=found, drawn=None, class_names=["thing"])


def seen(seed: int, fps: int, *, dropped: float, trembles: float, missed: float) -> Iterator[FrameResult]:
    """Give what a detector would find in a scene; boxes tremble by shares of their size."""
    scene, random = Scene(fps=fps, seed=seed), np.random.default_rng(seed)
    for index in range(SECONDS * fps):
        truth = scene.truth(index)
        boxes = truth.boxes_px[random.random(len(truth.ids)) >= missed].astype(float)
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        boxes = ((boxes + random.normal(0, trembles, boxes.shape) * sides) / (640, 360, 640, 360)).clip(0, 1)
        if random.random() >= dropped:
            found = Detections(
                boxes_xyxy=boxes.astype(np.float32),
                scores=np.full(len(boxes), 0.9, np.float32),
                class_ids=np.zeros(len(boxes), np.int32),
            )
            yield result_of(found, index / fps)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 6, 8))])
@pytest.mark.parametrize(
    ("fps", "dropped", "trembles", "missed"),
    [
        pytest.param(30, 0.0, 0.0, 0.0, id="30 frames a second"),
        pytest.param(10, 0.0, 0.0, 0.0, id="10 frames a second"),
        pytest.param(30, 0.5, 0.0, 0.0, id="half of the frames dropped"),
        pytest.param(30, 0.0, 0.02, 0.05, id="boxes that tremble, one in twenty missed"),
    ],
)
def test_counts_over_a_line_equal_the_truth(
    seed: int, fps: int, dropped: float, trembles: float, missed: float
) -> None:
    pytest.importorskip("trackers")
    following, watching = Following(Tracker()), Watching(Watch("door", [GATE]))
    results = seen(seed, fps, dropped=dropped, trembles=trembles, missed=missed)
    (gate,) = [watching.observe(following.observe(result)) for result in results][-1].places
    assert (gate.came_in["thing"], gate.went_out["thing"]) == true_crossings(seed)
    assert sum(true_crossings(seed)) >= 3


def test_files_frames_have_the_time_since_the_run_began() -> None:
    watch = Watch("door", rules=[Rule(name="nobody", kind="absent", for_s=60)])
    watching = Watching(watch, now=lambda: NOON)
    events = [event for t in range(0, 90, 3) for event in watching.observe(result_of(Detections.none(), t)).events]
    assert [(event.at, event.time_s, event.track_id) for event in events] == [(NOON + timedelta(seconds=60), 60, None)]


def test_cameras_frames_have_their_own() -> None:
    watching = Watching(Watch("door", rules=[Rule(name="nobody", kind="absent", for_s=60)]))
    results = [result_of(Detections.none(), t, captured_at=NOON + timedelta(seconds=t)) for t in range(0, 90, 3)]
    (event,) = [event for result in results for event in watching.observe(result).events]
    assert event.at == NOON + timedelta(seconds=60)


def test_what_is_not_followed_is_in_no_place() -> None:
    found = Detections(
        boxes_xyxy=np.array([[0.4, 0.4, 0.5, 0.5]], np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.zeros(1, np.int32),
    )
    whole = Zone(name="whole", corners=((0, 0), (1, 0), (1, 1), (0, 1)))
    (place,) = Watching(Watch("door", [whole])).observe(result_of(found)).places
    assert place.inside == {}


def test_classes_without_boxes_are_left_alone() -> None:
    result = result_of(Classification(scores=np.ones(1, np.float32), class_ids=np.zeros(1, np.int32)))
    assert Watching(Watch("door", [GATE])).observe(result) is result

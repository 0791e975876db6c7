"""Objects are followed by the time between frames, as the camera's clock has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.loop.camera import Camera
from singleshot.runtime.loop.observers import Following, seconds_between
from singleshot.runtime.loop.pipeline import Pipeline
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sources.frame import CaptureClock, Frame
from singleshot.runtime.tracking.tracker import Tracker
from singleshot.tests.fixtures.cameras import GivenSession, GivenSource, KeptResults
from singleshot.tests.fixtures.found import detections


def frame(time_s: float, captured_s: float | None = None, clock: CaptureClock | None = None) -> Frame:
    image = np.zeros((4, 4, 3), np.uint8)
    return Frame(image=image, index=0, time_s=time_s, source="a", captured_s=captured_s, capture_clock=clock)


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        pytest.param(frame(1.0), frame(1.25), 0.25, id="a file"),
        pytest.param(frame(1.0, 7.0, "driver"), frame(1.25, 7.1, "driver"), 0.1, id="the camera's clock goes first"),
        pytest.param(frame(1.0, 7.0, "driver"), frame(1.25, 9.0, "arrival"), 0.25, id="not two clocks"),
        pytest.param(frame(1.0, 7.0, "sender"), frame(1.25, 6.0, "sender"), 0.25, id="a clock that was set back"),
        pytest.param(frame(1.0), frame(0.5), 0.0, id="never back"),
    ],
)
def test_time_between_frames(before: Frame, after: Frame, seconds: float) -> None:
    assert seconds_between(before, after) == pytest.approx(seconds)


def test_classes_without_boxes_are_left_alone() -> None:
    pytest.importorskip("trackers")
    found = Classification(scores=np.ones(1, np.float32), class_ids=np.zeros(1, np.int32))
    result = FrameResult(frame=frame(0.0), found=found, drawn=None)
    assert Following(Tracker()).observe(result) is result


def test_ids_stay_when_the_picture_s_size_changes_and_while_it_is_held() -> None:
    pytest.importorskip("trackers")
    following = Following(Tracker())
    ids = []
    for number, (height, width) in enumerate([(360, 640)] * 10 + [(1080, 1440)] * 10 + [(90, 160)] * 10):
        taken = replace(frame(number / 25), image=np.zeros((height, width, 3), np.uint8), index=number)
        found = detections((0.9, 0, [0.01 * min(number, 20), 0.3, 0.01 * min(number, 20) + 0.1, 0.6]))
        result = following.observe(FrameResult(frame=taken, found=found, drawn=None, held=number > 20))
        ids.append(result.track_ids)
    assert ids == [[None]] + [[1]] * 29


def test_ids_of_a_run_and_what_it_does_not_show() -> None:
    """The score of what is found rises from frame to frame; three threads look at the same time."""
    pytest.importorskip("trackers")
    kept = KeptResults()
    camera = Camera(
        name="a",
        source=GivenSource("a", 40),
        thresholds=[np.full(1, 20 / 255, np.float32)],
        sinks=[kept],
        observers=[Following(Tracker())],
    )
    Pipeline([camera], [GivenSession(streams=3)]).run()
    assert [result.track_ids for result in kept.results] == [[]] * 20 + [[None]] + [[1]] * 19
    unsure = [len(result.unsure) for result in kept.results if result.unsure is not None]
    assert unsure == [0] * 10 + [1] * 10 + [0] * 20

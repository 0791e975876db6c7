"""Of a video's seconds the frame of most doubt is remembered, of images each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from singleshot.calib.harvest.choosing import short_list, spread
from singleshot.calib.harvest.sightings import Sighting, sightings
from singleshot.calib.harvest.unsureness import Unsureness
from singleshot.data.check.duplicates import fingerprint
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.fixtures.found import detections

BOX = [0.1, 0.1, 0.4, 0.4]
HALF = np.array([0.5], np.float32)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)


def results(scores: Sequence[float | None], *, step_s: float, flat: bool = False) -> Iterator[FrameResult]:
    for index, score in enumerate(scores):
        image = np.full((48, 64, 3), 90, np.uint8) if flat else picture(index)
        frame = Frame(image=image, index=index, time_s=step_s * index, source=f"{index}.jpg")
        found = detections((score, 0, BOX)) if score is not None else Detections.none()
        yield FrameResult(frame=frame, found=found, drawn=None)


@pytest.mark.parametrize(
    ("scores", "step_s", "is_video", "frames"),
    [
        pytest.param([0.9, 0.6, 0.9, 0.8, 0.7], 0.5, True, [1, 3, 4], id="one a second"),
        pytest.param([0.9, 0.6, 0.9, 0.8, 0.7], 0.0, False, [1, 3, 4], id="images with a doubt"),
        pytest.param([0.99, 0.02, None], 0.5, True, [], id="no doubt"),
        pytest.param([0.99, None, 0.99], 0.1, True, [1], id="flicker, all scores being sure"),
        pytest.param([0.99, None, 0.99], 0.5, True, [], id="frames too far apart to flicker"),
        pytest.param([0.99, None, 0.99], 0.0, False, [], id="images do not flicker"),
        pytest.param([], 0.1, True, [], id="no frame"),
        pytest.param([0.5], 0.1, True, [0], id="one frame"),
    ],
)
def test_which_frames_are_remembered(
    scores: list[float | None], step_s: float, is_video: bool, frames: list[int]
) -> None:
    seen = list(sightings(results(scores, step_s=step_s), HALF, source=0, is_video=is_video))
    assert [each.frame for each in seen] == frames


def test_pictures_of_one_colour_are_not() -> None:
    assert list(sightings(results([0.5], step_s=1, flat=True), HALF, source=0, is_video=True)) == []


def sighting(doubt: float, seed: int) -> Sighting:
    return Sighting(
        source=0,
        frame=seed,
        time_s=0.0,
        name="x",
        found=Detections.none(),
        unsureness=Unsureness(scores=doubt),
        look=fingerprint(f"{doubt}".encode(), picture(seed)),
    )


def test_the_most_doubtful_pictures_are_listed_and_none_twice() -> None:
    seen = [sighting(doubt, seed) for doubt, seed in ((0.2, 1), (0.9, 2), (0.8, 2), (0.5, 3), (0.4, 4), (0.3, 5))]
    listed, alike = short_list(seen, 2)
    assert [each.unsureness.total for each in listed] == [0.9, 0.5, 0.4, 0.3]
    assert alike == 1
    assert short_list([], 2) == ([], 0)


def test_the_choice_is_spread() -> None:
    embeddings = [np.array(place, np.float32) for place in ([0, 0], [0, 1], [9, 9], [9, 8], [0, 9])]
    assert {index // 2 for index in spread(embeddings, 3)} == {0, 1, 2}
    assert spread([], 3) == []

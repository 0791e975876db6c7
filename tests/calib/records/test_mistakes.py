"""What is confused with what, worked by hand; and a whole review with a session that says what it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.calib.accuracy.average_precision import EvaluationResult
from singleshot.calib.accuracy.top_k import AccuracyResult
from singleshot.calib.records.mistakes import confused, review
from singleshot.data.dataset import Dataset, open_dataset
from singleshot.data.sample import Sample
from singleshot.runtime.card import Card, InputSpec, Task
from singleshot.runtime.closing import Closing
from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.session import Session
from singleshot.tests.fixtures.found import detections
from singleshot.tests.places import VOC_ROOT

CAT, DOG, NOTHING = 0, 1, 2

Box = tuple[float, float, float, float]
LEFT: Box = (0, 0, 40, 100)
RIGHT: Box = (60, 0, 100, 100)
NEARLY_LEFT: Box = (0, 0, 40, 70)  # overlaps LEFT by 0.7
IN_LEFT: Box = (10, 10, 30, 30)
FAR: Box = (40, 0, 60, 20)


def sample_of(*objects: tuple[Box, int, bool]) -> Sample:
    boxes = [box for box, _, _ in objects]
    return Sample(
        image_id="image",
        image_path=Path("image.jpg"),
        boxes_xyxy_px=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array([class_id for _, class_id, _ in objects], np.int64),
        difficult=np.array([difficult for _, _, difficult in objects], np.bool_),
        height_px=100,
        width_px=100,
    )


def found(*rows: tuple[Box, int, float]) -> Detections:
    """Give detections, best first, of boxes in pixels of an image of 100 x 100."""
    ordered = sorted(rows, key=lambda row: -row[2])
    return detections(*((score, class_id, np.divide(box, 100)) for box, class_id, score in ordered))


@pytest.mark.parametrize(
    ("sample", "seen", "expected"),
    [
        pytest.param(sample_of(), found(), [], id="nothing and nothing"),
        pytest.param(sample_of((LEFT, CAT, False)), found((LEFT, CAT, 0.9)), [(CAT, CAT)], id="right"),
        pytest.param(sample_of((LEFT, CAT, False)), found((LEFT, DOG, 0.9)), [(CAT, DOG)], id="another class"),
        pytest.param(sample_of((LEFT, CAT, False)), found(), [(CAT, NOTHING)], id="missed"),
        pytest.param(sample_of(), found((FAR, DOG, 0.9)), [(NOTHING, DOG)], id="where nothing is"),
        pytest.param(
            sample_of((LEFT, CAT, False)),
            found((LEFT, DOG, 0.9), (NEARLY_LEFT, CAT, 0.6)),
            [(CAT, CAT), (NOTHING, DOG)],
            id="of the same class first, then by overlap",
        ),
        pytest.param(
            sample_of((LEFT, CAT, False)),
            found((LEFT, CAT, 0.9), (NEARLY_LEFT, CAT, 0.8)),
            [(CAT, CAT), (NOTHING, CAT)],
            id="a second detection of one object",
        ),
        pytest.param(
            sample_of((LEFT, CAT, False), (RIGHT, DOG, False)),
            found((LEFT, DOG, 0.9), (RIGHT, CAT, 0.8)),
            [(CAT, DOG), (DOG, CAT)],
            id="one for the other",
        ),
        pytest.param(sample_of((LEFT, CAT, False)), found((LEFT, CAT, 0.4)), [(CAT, NOTHING)], id="below the score"),
        pytest.param(sample_of((LEFT, CAT, True)), found(), [], id="a difficult object need not be found"),
        pytest.param(sample_of((LEFT, CAT, True)), found((LEFT, DOG, 0.9)), [], id="nor is it held against"),
        pytest.param(
            sample_of((LEFT, CAT, True)), found((IN_LEFT, CAT, 0.9)), [(NOTHING, CAT)], id="but what lies within it is"
        ),
        pytest.param(
            replace(sample_of((LEFT, CAT, True)), crowd=np.array([True])),
            found((IN_LEFT, CAT, 0.9), (IN_LEFT, CAT, 0.8)),
            [],
            id="not so within a crowd, as often as may be",
        ),
        pytest.param(
            sample_of((LEFT, CAT, False)),
            found(((50, 0, 100, 100), CAT, 0.9)),
            [(CAT, NOTHING), (NOTHING, CAT)],
            id="off",
        ),
    ],
)
def test_what_is_confused_with_what(sample: Sample, seen: Detections, expected: list[tuple[int, int]]) -> None:
    labelled, answered = confused(sample, seen, classes=NOTHING, score=0.5)
    assert sorted(zip(labelled.tolist(), answered.tolist(), strict=True)) == sorted(expected)


class Says(Closing):
    """A session that gives one answer to every frame."""

    def __init__(self, task: Task, answer: Detections | Classification, class_names: tuple[str, ...]) -> None:
        spec = InputSpec(height=32, width=32, mean=(0, 0, 0), std=(1, 1, 1))
        self.card = Card(kind="graph", task=task, network="says", class_names=class_names, input=spec)
        self.backend = "by heart"
        self._answer = answer

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        return [cast(Detections, self._answer)] * len(frames)

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        return [cast(Classification, self._answer)] * len(frames)

    def close(self) -> None:
        """Nothing to free."""


def open_voc(*class_names: str) -> Dataset:
    return open_dataset(VOC_ROOT, class_names=class_names)


def test_a_detector_that_sees_a_horse_everywhere() -> None:
    data = open_voc("horse", "dog")
    session = Says("detector", found(((0, 0, 100, 100), 0, 0.9)), ("horse", "dog"))
    seen: list[tuple[str, int, int]] = []
    result = review(cast(Session, session), data, "trainval", on_progress=lambda *at: seen.append(at))
    assert seen[-1] == ("trainval", result.images, result.images)
    assert result.classes == ("horse", "dog", "background")
    assert isinstance(result.result, EvaluationResult)
    assert result.confusion[:, 1].sum() == 0  # never says dog
    assert result.confusion[:, 0].sum() == result.images  # says horse once an image
    objects = sum(item.objects for item in result.result.classes)
    assert result.confusion[:2].sum() == objects
    assert result.score == 0.5  # too few objects to choose one by
    mistakes = [sum(int(word) for word in item.wrong.split() if word.isdigit()) for item in result.worst]
    assert mistakes == sorted(mistakes, reverse=True)
    assert mistakes[0] > 0
    assert all(item.found is not None for item in result.worst)


def test_a_classifier_that_always_says_the_same() -> None:
    names = ("dog", "horse")
    answer = Classification(scores=np.array([0.7, 0.3], np.float32), class_ids=np.array([0, 1], np.int32))
    result = review(cast(Session, Says("classifier", answer, names)), open_voc(*names), "trainval")
    assert isinstance(result.result, AccuracyResult)
    assert result.classes == names
    assert result.score is None
    assert result.confusion[:, 1].sum() == 0
    assert len(result.worst) == result.confusion[1, 0] > 0
    assert result.worst[0].wrong == "horse taken for dog (0.70; 0.30 for horse)"

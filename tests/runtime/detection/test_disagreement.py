"""How far answers are apart."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.disagreement import Answer, disagreement
from singleshot.tests.fixtures.found import detections

LEFT = (0.0, 0.0, 0.5, 0.5)
HALF_OF_LEFT = (0.0, 0.0, 0.25, 0.5)
RIGHT = (0.5, 0.5, 1.0, 1.0)
FLAT = (0.0, 0.0, 0.5, 0.0)
FLAT_ACROSS = (0.0, 1.0, 0.5, 1.0)


def classes(*rows: tuple[float, int]) -> Classification:
    return Classification(
        scores=np.array([score for score, _ in rows], np.float32),
        class_ids=np.array([class_id for _, class_id in rows], np.int32),
    )


ONE = detections((0.8, 0, LEFT))


@pytest.mark.parametrize(
    ("expected", "found", "apart"),
    [
        pytest.param(ONE, ONE, 0.0, id="the same"),
        pytest.param(detections(), detections(), 0.0, id="nothing on both sides"),
        pytest.param(ONE, detections(), 0.5, id="nothing on one side"),
        pytest.param(ONE, detections((0.8, 0, RIGHT)), 1.0, id="elsewhere"),
        pytest.param(ONE, detections((0.8, 1, LEFT)), 1.0, id="of another class"),
        pytest.param(ONE, detections((0.8, 0, HALF_OF_LEFT)), 0.5, id="half the box"),
        pytest.param(ONE, detections((0.6, 0, LEFT)), 0.2, id="another score"),
        pytest.param(detections((0.8, 0, FLAT)), detections((0.8, 0, FLAT)), 0.0, id="the same, clipped flat"),
        pytest.param(detections((0.8, 0, FLAT)), detections((0.8, 0, FLAT_ACROSS)), 1.0, id="flat at another edge"),
        pytest.param(classes((0.7, 0), (0.3, 1)), classes((0.7, 0), (0.3, 1)), 0.0, id="the same classes"),
        pytest.param(classes((0.7, 0), (0.3, 1)), classes((0.7, 1), (0.3, 0)), 0.4, id="swapped classes"),
        pytest.param(classes((1.0, 0)), classes((1.0, 1)), 1.0, id="other classes"),
    ],
)
def test_by_hand(expected: Answer, found: Answer, apart: float) -> None:
    assert disagreement([expected], [found]) == pytest.approx(apart)


def test_frames_are_averaged() -> None:
    assert disagreement([ONE, ONE], [ONE, detections((0.8, 0, RIGHT))]) == pytest.approx(0.5)


def test_two_tasks_are_a_mistake() -> None:
    with pytest.raises(TypeError, match="expected two answers of one task"):
        disagreement([ONE], [classes((1.0, 0))])

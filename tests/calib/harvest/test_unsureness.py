"""How unsure a frame is: by scores near to their thresholds, and by boxes that come and go."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.calib.harvest.unsureness import Unsureness, flickers, score_doubt
from singleshot.tests.fixtures.found import Found, detections

HERE, THERE, NEARLY_HERE = [0.1, 0.1, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9], [0.12, 0.1, 0.42, 0.4]
HALF = np.array([0.5, 0.5], np.float32)


@pytest.mark.parametrize(
    ("found", "thresholds", "doubt"),
    [
        pytest.param([], HALF, 0, id="nothing"),
        pytest.param([(0.5, 0, HERE)], HALF, 1, id="at the threshold"),
        pytest.param([(1.0, 0, HERE)], HALF, 0, id="quite sure"),
        pytest.param([(0.25, 0, HERE)], HALF, 0.25, id="half of the threshold"),
        pytest.param([(0.75, 0, HERE)], HALF, 0.25, id="half of the way up"),
        pytest.param([(0.75, 0, HERE), (0.5, 1, HERE)], HALF, 1.25, id="a sum over boxes"),
        pytest.param([(0.2, 1, HERE)], np.array([0.5, 0.2], np.float32), 1, id="by the threshold of the class"),
        pytest.param([(0.9, 1, HERE)], np.array([0.5, 1.1], np.float32), 0.8264, id="a class that is not shown"),
        pytest.param([(0.3, 1, HERE)], np.array([0.5, 0.0], np.float32), 0.4999, id="a class that always is"),
    ],
)
def test_doubt_of_scores(found: list[Found], thresholds: np.ndarray, doubt: float) -> None:
    assert score_doubt(detections(*found), thresholds) == pytest.approx(doubt, abs=1e-3)


@pytest.mark.parametrize(
    ("before", "found", "after", "count"),
    [
        pytest.param([(0.9, 0, HERE)], [(0.9, 0, NEARLY_HERE)], [(0.9, 0, HERE)], 0, id="moving on"),
        pytest.param([(0.9, 0, HERE)], [], [(0.9, 0, NEARLY_HERE)], 1, id="missed once"),
        pytest.param([(0.9, 0, HERE)], [(0.4, 0, HERE)], [(0.9, 0, HERE)], 1, id="too unsure once"),
        pytest.param([], [(0.9, 0, HERE)], [], 1, id="there once"),
        pytest.param([], [(0.9, 0, HERE)], [(0.9, 0, HERE)], 0, id="coming"),
        pytest.param([(0.9, 0, HERE)], [], [], 0, id="gone"),
        pytest.param([(0.9, 0, HERE)], [(0.9, 1, HERE)], [(0.9, 0, HERE)], 2, id="another class once"),
        pytest.param([(0.9, 0, HERE)], [(0.9, 0, THERE)], [(0.9, 0, HERE)], 2, id="another place once"),
        pytest.param([], [], [], 0, id="nothing"),
    ],
)
def test_flicker(before: list[Found], found: list[Found], after: list[Found], count: int) -> None:
    assert flickers(detections(*before), detections(*found), detections(*after), HALF) == count


def test_both_count() -> None:
    assert Unsureness(scores=0.25, flickers=3).total == 1.75

"""ILSVRC's localization error by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.calib.accuracy.localization_error import LocalizationErrorEvaluator, guesses_from_detections
from singleshot.data.sample import Sample
from singleshot.tests.fixtures.found import detections

BIRD, FISH = 3, 7
HIT, MISS = (0.1, 0.1, 0.5, 0.6), (0.6, 0.6, 0.9, 0.9)


def sample(*classes: int) -> Sample:
    """An image of 200 x 100 pixels; every object is at HIT."""
    return Sample(
        image_id="a",
        image_path=Path("a.jpg"),
        boxes_xyxy_px=np.array([[20, 10, 100, 60]] * len(classes), np.float32).reshape(-1, 4),
        class_ids=np.array(classes, np.int64),
        difficult=np.zeros(len(classes), bool),
        height_px=100,
        width_px=200,
    )


def guesses(*pairs: tuple[int, tuple[float, ...]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in pairs], np.int64), np.array([b for _, b in pairs], np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("said", "top1", "top5"),
    [
        pytest.param([(BIRD, HIT)], 0, 0, id="named and found"),
        pytest.param([(BIRD, MISS)], 1, 1, id="named, not found"),
        pytest.param([(FISH, HIT)], 1, 1, id="found, not named"),
        pytest.param([(FISH, HIT), (BIRD, MISS), (BIRD, HIT)], 1, 0, id="right at the third guess"),
        pytest.param([(FISH, HIT)] * 5 + [(BIRD, HIT)], 1, 1, id="the sixth guess does not count"),
        pytest.param([(BIRD, (0.1, 0.1, 0.5, 0.36))], 0, 0, id="an overlap just above a half is found"),
        pytest.param([(BIRD, (0.1, 0.1, 0.5, 0.34))], 1, 1, id="one just below is not"),
        pytest.param([], 1, 1, id="nothing said"),
    ],
)
def test_one_image(said: list[tuple[int, tuple[float, ...]]], top1: float, top5: float) -> None:
    evaluator = LocalizationErrorEvaluator()
    evaluator.add(sample(BIRD), *guesses(*said))
    result = evaluator.result()
    assert result is not None
    assert (result.images, result.top1, result.top5) == (1, top1, top5)


def test_any_object_of_the_class_will_do_and_mixed_images_do_not_count() -> None:
    evaluator = LocalizationErrorEvaluator()
    evaluator.add(sample(BIRD, BIRD), *guesses((BIRD, HIT)))
    evaluator.add(sample(BIRD, FISH), *guesses((BIRD, HIT)))
    evaluator.add(sample(), *guesses((BIRD, HIT)))
    result = evaluator.result()
    assert result is not None
    assert (result.images, result.top1) == (1, 0)


def test_without_images_there_is_no_figure() -> None:
    assert LocalizationErrorEvaluator().result() is None


def test_a_detectors_guess_is_each_classs_best_box() -> None:
    found = detections((0.9, FISH, HIT), (0.8, BIRD, MISS), (0.7, FISH, MISS), (0.6, BIRD, HIT))
    class_ids, boxes = guesses_from_detections(found)
    assert class_ids.tolist() == [FISH, BIRD]
    np.testing.assert_array_equal(boxes, np.array([HIT, MISS], np.float32))

"""Which detections are right: the same average precision as COCO's own code, and resamples of images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.calib.accuracy.class_boxes import ClassBoxes
from singleshot.calib.accuracy.class_matches import NOT_FOUND, Areas, average_precision, match_class
from singleshot.calib.coco_ap import coco_average_precision

A = (0.0, 0.0, 40.0, 40.0)
A_ALMOST = (0.0, 0.0, 40.0, 30.0)
"""Overlaps A by 0.75."""
SMALL = (60.0, 60.0, 64.0, 64.0)
AWAY = (60.0, 0.0, 100.0, 40.0)

Found = tuple[tuple[float, float, float, float], float, int]  # box, score, image
Truth = tuple[tuple[float, float, float, float], bool, int]  # box, difficult, image


def class_boxes(truths: list[Truth], found: list[Found]) -> ClassBoxes:
    return ClassBoxes(
        object_boxes_xyxy_px=np.array([box for box, _, _ in truths], np.float64).reshape(-1, 4),
        object_images=np.array([image for _, _, image in truths], np.int64),
        object_difficult=np.array([difficult for _, difficult, _ in truths], np.bool_),
        detection_boxes_xyxy_px=np.array([box for box, _, _ in found], np.float64).reshape(-1, 4),
        detection_scores=np.array([score for _, score, _ in found], np.float64),
        detection_images=np.array([image for _, _, image in found], np.int64),
    )


def measured(boxes: ClassBoxes, weights: list[int]) -> np.ndarray:
    return average_precision(match_class(boxes, images=len(weights)), np.array(weights, np.int64))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[ClassBoxes, int]:
    """A few images with boxes on a coarse grid, so that overlaps and ties of score are many."""
    images = draw(st.integers(1, 4))
    corner, side = st.integers(0, 6), st.integers(2, 6)
    box = st.builds(lambda x, y, w, h: (4.0 * x, 4.0 * y, 4.0 * (x + w), 4.0 * (y + h)), corner, corner, side, side)
    truths: list[Truth] = []
    found: list[Found] = []
    for image in range(images):
        truths += [(item, draw(st.booleans()), image) for item in draw(st.lists(box, max_size=4))]
        rows = draw(st.lists(st.tuples(box, st.integers(1, 8)), max_size=6))
        found += [(item, score / 8, image) for item, score in sorted(rows, key=lambda row: -row[1])]
    return class_boxes(truths, found), images


@settings(max_examples=150)
@given(scene=scenes())
def test_it_is_cocos_average_precision(scene: tuple[ClassBoxes, int]) -> None:
    boxes, images = scene
    expected = coco_average_precision(boxes)
    found = measured(boxes, [1] * images)
    if expected is None:
        assert np.isnan(found).all()
    else:
        assert found[0] == pytest.approx(expected.ap50, abs=1e-9)
        assert found.mean() == pytest.approx(expected.ap50_95, abs=1e-9)


def test_an_image_that_counts_twice_is_like_two_of_it() -> None:
    truths: list[Truth] = [(A, False, 0), (AWAY, False, 1)]
    found: list[Found] = [(AWAY, 0.9, 0), (A, 0.8, 0), (AWAY, 0.7, 1)]
    twice = class_boxes([*truths, (AWAY, False, 2)], [*found, (AWAY, 0.7, 2)])
    assert measured(class_boxes(truths, found), [1, 2]) == pytest.approx(measured(twice, [1, 1, 1]))


def test_an_image_that_does_not_count_is_not_there() -> None:
    boxes = class_boxes([(A, False, 0), (A, False, 1)], [(A, 0.9, 0)])
    assert measured(boxes, [1, 0]) == pytest.approx(1)
    assert measured(boxes, [0, 1]) == pytest.approx(0)
    assert np.isnan(measured(boxes, [0, 0])).all()


def test_each_object_has_the_score_that_found_it() -> None:
    boxes = class_boxes(
        [(A, False, 0), (SMALL, False, 0), (A, True, 1)], [(A_ALMOST, 0.9, 0), (A, 0.8, 0), (A, 0.7, 1)]
    )
    assert match_class(boxes, images=2).object_scores.tolist() == [0.9, NOT_FOUND, 0.7]


@pytest.mark.parametrize(
    ("least", "below", "right", "wrong", "objects"),
    [
        pytest.param(
            0.0, 100.0, [False, False, True], [False, False, False], 1, id="small: the large count neither way"
        ),
        pytest.param(100.0, 1e9, [True, True, False], [False, False, False], 1, id="large"),
    ],
)
def test_one_size_alone(least: float, below: float, right: list[bool], wrong: list[bool], objects: int) -> None:
    boxes = class_boxes([(A, False, 0), (SMALL, False, 0)], [(A, 0.9, 0), (AWAY, 0.8, 0), (SMALL, 0.7, 0)])
    areas = Areas(
        least=least, below=below, objects=np.array([1600.0, 16.0]), detections=np.array([1600.0, 1600.0, 16.0])
    )
    matches = match_class(boxes, images=1, areas=areas)
    assert matches.objects == objects
    if objects and least:
        right, wrong = [True, False, False], [False, True, False]
    assert matches.is_right[:, 0].tolist() == right
    assert matches.is_wrong[:, 0].tolist() == wrong

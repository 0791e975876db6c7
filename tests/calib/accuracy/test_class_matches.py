"""Which detections are right: the same average precision as COCO's own code, and resamples of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.calib.accuracy.average_precision import DetectionEvaluator
from singleshot.calib.accuracy.class_boxes import ClassBoxes
from singleshot.calib.accuracy.class_matches import (
    NOT_FOUND,
    Areas,
    area_under_curve,
    average_precision,
    average_recall,
    match_class,
)
from singleshot.data.sample import Sample
from singleshot.runtime.detection.detections import Detections
from singleshot.tests.fixtures.coco_oracle import by_pycocotools
from singleshot.tests.fixtures.found import detections

A = (0.0, 0.0, 40.0, 40.0)
A_ALMOST = (0.0, 0.0, 40.0, 30.0)
"""Overlaps A by 0.75."""
SMALL = (60.0, 60.0, 64.0, 64.0)
AWAY = (60.0, 0.0, 100.0, 40.0)

BELOW = (4.0, 60.0, 36.0, 92.0)
"""Of 32 x 32 pixels, where COCO's small objects end and medium ones begin."""

Box = tuple[float, float, float, float]
Found = tuple[Box, float, int]  # box, score, image
Truth = tuple[Box, bool, int]  # box, difficult, image


def class_boxes(truths: list[Truth], found: list[Found]) -> ClassBoxes:
    return ClassBoxes(
        object_boxes_xyxy_px=np.array([box for box, _, _ in truths], np.float64).reshape(-1, 4),
        object_images=np.array([image for _, _, image in truths], np.int64),
        object_difficult=np.array([difficult for _, difficult, _ in truths], np.bool_),
        object_crowd=np.zeros(len(truths), np.bool_),
        object_areas_px=np.array([(box[2] - box[0]) * (box[3] - box[1]) for box, _, _ in truths], np.float64),
        detection_boxes_xyxy_px=np.array([box for box, _, _ in found], np.float64).reshape(-1, 4),
        detection_scores=np.array([score for _, score, _ in found], np.float64),
        detection_images=np.array([image for _, _, image in found], np.int64),
    )


def measured(boxes: ClassBoxes, weights: list[int]) -> np.ndarray:
    return average_precision(match_class(boxes, images=len(weights)), np.array(weights, np.int64))


@st.composite
def scenes(draw: st.DrawFn) -> list[tuple[Sample, Detections]]:
    """A few images with boxes on a coarse grid, so that overlaps and ties of score are many."""
    corner, side = st.integers(0, 6), st.integers(2, 6)
    box = st.builds(lambda x, y, w, h: (4.0 * x, 4.0 * y, 4.0 * (x + w), 4.0 * (y + h)), corner, corner, side, side)
    truths = st.lists(st.tuples(box, st.sampled_from(["object", "difficult", "crowd"])), max_size=4)
    found = st.lists(st.tuples(box, st.integers(1, 8)), max_size=6)
    return [scene(draw(truths), draw(found)) for _ in range(draw(st.integers(1, 4)))]


def scene(truths: list[tuple[Box, str]], found: list[tuple[Box, int]]) -> tuple[Sample, Detections]:
    sample = Sample(
        image_id="scene",
        image_path=Path("scene.jpg"),
        boxes_xyxy_px=np.array([box for box, _ in truths], np.float32).reshape(-1, 4),
        class_ids=np.zeros(len(truths), np.int64),
        difficult=np.array([kind != "object" for _, kind in truths], np.bool_),
        height_px=64,
        width_px=64,
        crowd=np.array([kind == "crowd" for _, kind in truths], np.bool_),
    )
    ordered = sorted(found, key=lambda row: -row[1])
    return sample, detections(*((score / 8, 0, np.divide(box, 64)) for box, score in ordered))


@settings(max_examples=150, deadline=None)
@given(images=scenes())
def test_it_is_cocos_average_precision_with_difficult_objects_too(images: list[tuple[Sample, Detections]]) -> None:
    evaluator = DetectionEvaluator(["the class"])
    for sample, found_there in images:
        evaluator.add(sample, found_there)
    found = measured(evaluator.boxes_by_class()[0], [1] * len(images))
    _, precision = by_pycocotools([sample for sample, _ in images], [item for _, item in images], classes=1)
    np.testing.assert_allclose(np.nan_to_num(found, nan=-1), precision[:, :, 0].mean(axis=1), rtol=0, atol=1e-9)


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
    ("least", "most", "right", "wrong", "objects"),
    [
        pytest.param(0, 100, [0, 0, 1, 0], [0, 0, 0, 0], 1, id="small: what is larger counts neither way"),
        pytest.param(1100, 1e9, [1, 0, 0, 0], [0, 1, 0, 0], 1, id="large: what is smaller counts neither way"),
        pytest.param(0, 1024, [0, 0, 1, 1], [0, 0, 0, 0], 2, id="small as far as the limit, the limit too"),
        pytest.param(1024, 1e9, [1, 0, 0, 1], [0, 1, 0, 0], 2, id="large from the limit on"),
    ],
)
def test_one_size_alone(least: float, most: float, right: list[int], wrong: list[int], objects: int) -> None:
    truths: list[Truth] = [(A, False, 0), (SMALL, False, 0), (BELOW, False, 0)]
    boxes = class_boxes(truths, [(A, 0.9, 0), (AWAY, 0.8, 0), (SMALL, 0.7, 0), (BELOW, 0.6, 0)])
    matches = match_class(boxes, images=1, areas=Areas(least=least, most=most))
    assert matches.objects == objects
    assert matches.is_right[:, 0].tolist() == right
    assert matches.is_wrong[:, 0].tolist() == wrong


def test_sizes_may_be_in_a_unit_of_each_image() -> None:
    boxes = class_boxes([(A, False, 0), (A, False, 1)], [(A, 0.9, 0), (AWAY, 0.8, 0), (A, 0.7, 1), (AWAY, 0.6, 1)])
    areas = Areas(least=0, most=1600, unit_of_image=np.array([1.0, 2.0]))
    matches = match_class(boxes, images=2, areas=areas)
    assert matches.objects_of_image.tolist() == [1, 0]
    assert matches.is_wrong[:, 0].tolist() == [False, True, False, False], "what is found in the second is too large"


def test_an_object_of_its_own_area_is_of_the_size_of_that() -> None:
    boxes = replace(class_boxes([(A, False, 0)], []), object_areas_px=np.array([16.0]))
    assert match_class(boxes, images=1, areas=Areas(least=0, most=16)).objects == 1
    assert match_class(boxes, images=1, areas=Areas(least=17, most=1600)).objects == 0


@pytest.mark.parametrize(
    ("detections", "recall"),
    [pytest.param(1, 0.25, id="one an image"), pytest.param(2, 0.5, id="two"), pytest.param(3, 0.75, id="three")],
)
def test_recall_with_so_many_detections_an_image(detections: int, recall: float) -> None:
    truths: list[Truth] = [(A, False, 0), (SMALL, False, 0), (BELOW, False, 0), (A, False, 1)]
    matches = match_class(class_boxes(truths, [(A, 0.9, 0), (SMALL, 0.8, 0), (BELOW, 0.7, 0)]), images=2)
    assert average_recall(matches, detections) == pytest.approx(recall)


def test_without_objects_there_is_no_figure() -> None:
    matches = match_class(class_boxes([(A, True, 0)], [(A, 0.9, 0)]), images=1, rule="voc")
    assert np.isnan([average_recall(matches), area_under_curve(matches), *average_precision(matches)]).all()

"""Average precision on cases that can be worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.calib.accuracy.average_precision import MIN_OBJECTS, ClassResult, DetectionEvaluator, EvaluationResult
from singleshot.data.sample import Sample
from singleshot.runtime.detection.detections import Detections
from singleshot.tests.fixtures.found import detections

SIDE = 128  # a power of two: normalised boxes come back to the pixel exactly

Box = tuple[float, float, float, float]
Truth = tuple[Box, bool]  # box in pixels, difficult
Found = tuple[Box, float]  # box in pixels, score

A: Box = (0, 0, 40, 40)
B: Box = (60, 60, 100, 100)
NOWHERE: Box = (0, 60, 40, 100)
INSIDE_A: Box = (4, 4, 8, 8)


def _sample(truths: Sequence[Truth], class_ids: Sequence[int] | None = None) -> Sample:
    return Sample(
        image_id="image",
        image_path=Path("image.jpg"),
        boxes_xyxy_px=np.array([box for box, _ in truths], np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids if class_ids is not None else [0] * len(truths), np.int64),
        difficult=np.array([difficult for _, difficult in truths], np.bool_),
        height_px=SIDE,
        width_px=SIDE,
    )


def _detections(found: Sequence[Found], class_ids: Sequence[int] | None = None) -> Detections:
    ids = class_ids if class_ids is not None else [0] * len(found)
    rows = [(score, label, np.divide(box, SIDE)) for (box, score), label in zip(found, ids, strict=True)]
    return detections(*sorted(rows, key=lambda row: -row[0]))


def _measure(*images: tuple[Sequence[Truth], Sequence[Found]]) -> ClassResult:
    evaluator = DetectionEvaluator(["dog"])
    for truths, found in images:
        evaluator.add(_sample(truths), _detections(found))
    return evaluator.result().classes[0]


# Right, wrong, right on two objects: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1. All points: 1/2 * 1 + 1/2 * 2/3.
# 101 points: the 51 recalls 0 to 0.50 at precision 1, the 50 above at 2/3.
RIGHT_WRONG_RIGHT = (1 / 2 + 1 / 3, (51 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize(
    ("truths", "found", "ap50_voc", "ap50"),
    [
        pytest.param([(A, False)], [(A, 0.9)], 1, 1, id="found"),
        pytest.param([(A, False)], [], 0, 0, id="nothing found"),
        pytest.param([(A, False)], [(NOWHERE, 0.9)], 0, 0, id="found elsewhere"),
        pytest.param([(A, False), (B, False)], [(A, 0.9)], 1 / 2, 51 / 101, id="one of two found"),
        pytest.param([(A, False)], [(NOWHERE, 0.9), (A, 0.8)], 1 / 2, 1 / 2, id="wrong first, then found"),
        pytest.param([(A, False)], [(A, 0.9), (NOWHERE, 0.8)], 1, 1, id="found first, then wrong"),
        pytest.param(
            [(A, False), (B, False)], [(A, 0.9), (NOWHERE, 0.8), (B, 0.7)], *RIGHT_WRONG_RIGHT, id="right, wrong, right"
        ),
        pytest.param(
            [(A, False), (B, False)], [(A, 0.9), (A, 0.8), (B, 0.7)], *RIGHT_WRONG_RIGHT, id="a second time is wrong"
        ),
        pytest.param([(A, False)], [((0, 0, 40, 20), 0.9)], 1, 1, id="an overlap of exactly one half is enough"),
        pytest.param([(A, False)], [((0, 0, 40, 19), 0.9)], 0, 0, id="less than half is not"),
        pytest.param([((5, 5, 6, 25), False)], [((5, 5, 6, 25), 0.9)], 1, 1, id="one pixel thin"),
    ],
)
def test_by_hand(truths: list[Truth], found: list[Found], ap50_voc: float, ap50: float) -> None:
    result = _measure((truths, found))
    assert result.ap50_voc == pytest.approx(ap50_voc)
    assert result.ap50 == pytest.approx(ap50)


@pytest.mark.parametrize(
    ("found", "ap50_voc", "ap50"),
    [
        # An object at B is found at 0.5; A is difficult. If what happens at A were wrong, AP would be 1/2 or less.
        pytest.param([], 1, 1, id="a difficult object need not be found"),
        pytest.param([(A, 0.9)], 1, 1, id="finding it counts neither way"),
        pytest.param([(A, 0.9), (A, 0.8), (A, 0.7)], 1, 1, id="nor does finding it again"),
        pytest.param([(INSIDE_A, 0.9)], 1 / 2, 1 / 2, id="a small box inside it is wrong all the same"),
        pytest.param([((0, 0, 40, 19), 0.9)], 1 / 2, 1 / 2, id="so is a box that overlaps it by less than half"),
    ],
)
def test_difficult_objects_are_ignored_by_both_rules(found: list[Found], ap50_voc: float, ap50: float) -> None:
    result = _measure(([(A, True), (B, False)], [*found, (B, 0.5)]))
    assert (result.objects, result.difficult_objects) == (1, 1)
    assert result.ap50_voc == pytest.approx(ap50_voc)
    assert result.ap50 == pytest.approx(ap50)


def test_the_rules_differ_on_a_box_between_a_difficult_and_another_object() -> None:
    """VOC gives it to the object it overlaps most, which is difficult; COCO prefers any object that counts."""
    result = _measure(([((0, 0, 40, 40), True), ((0, 0, 40, 24), False)], [((0, 0, 40, 38), 0.9)]))
    assert result.ap50_voc == 0
    assert result.ap50 == pytest.approx(1)


@pytest.mark.parametrize(
    ("truths", "ap50"),
    [
        pytest.param([((0, 0, 40, 40), False), ((0, 10, 40, 50), False)], 1, id="the other is left for the next"),
        pytest.param([((0, 10, 40, 50), False), ((0, 0, 40, 40), False)], 51 / 101, id="the next finds none"),
    ],
)
def test_of_two_objects_that_it_overlaps_alike_coco_takes_the_later(truths: list[Truth], ap50: float) -> None:
    """The second detection reaches the upper object alone."""
    assert _measure((truths, [((0, 5, 40, 45), 0.9), ((0, 0, 40, 30), 0.8)])).ap50 == pytest.approx(ap50)


def test_ap50_95_is_the_mean_over_ten_thresholds() -> None:
    result = _measure(([(A, False)], [((0, 0, 40, 30.5), 0.9)]))  # IoU 0.7625: right at 0.5, 0.55, … 0.75
    assert result.ap50_95 == pytest.approx(6 / 10)


def test_images_are_not_mixed_up() -> None:
    result = _measure(([(A, False)], [(B, 0.9)]), ([(B, False)], [(A, 0.8)]), ([], [(A, 0.7)]))
    assert (result.ap50_voc, result.ap50) == (0, 0)
    assert (result.objects, result.images) == (2, 2)


def test_classes_are_not_mixed_up() -> None:
    evaluator = DetectionEvaluator(["cat", "dog"])
    evaluator.add(_sample([(A, False), (B, False)], [0, 1]), _detections([(A, 0.9), (A, 0.8), (B, 0.7)], [1, 0, 0]))
    cat, dog = evaluator.result().classes
    assert (cat.name, cat.ap50_voc) == ("cat", 1)
    assert (dog.name, dog.ap50_voc) == ("dog", 0)


def test_a_class_without_objects_has_no_figures() -> None:
    for truths in ([], [(A, True)]):
        result = _measure((truths, [(A, 0.9)]))
        assert (result.objects, result.supported) == (0, False)
        assert (result.ap50_voc, result.ap50, result.ap50_95) == (None, None, None)


def test_unsupported_classes_are_not_averaged_in() -> None:
    evaluator = DetectionEvaluator(["found", "missed", "too few", "absent"])
    for number in range(MIN_OBJECTS):
        truths: list[Truth] = [(A, False), (B, False)] + [(NOWHERE, False)] * (number > 0)
        evaluator.add(_sample(truths, [0, 1, 2][: len(truths)]), _detections([(A, 0.9)]))
    result = evaluator.result()
    assert [item.supported for item in result.classes] == [True, True, False, False]
    assert result.classes[2].objects == MIN_OBJECTS - 1
    assert (result.mean_ap50_voc, result.mean_ap50, result.mean_ap50_95) == pytest.approx((0.5, 0.5, 0.5))
    written = result.to_dict()
    assert written["mean"]["over"] == ["found", "missed"]
    assert written["classes"][3]["ap50_voc"] is None
    assert (written["images"], written["min_objects"]) == (MIN_OBJECTS, MIN_OBJECTS)


def test_no_image_at_all_has_no_means() -> None:
    result = DetectionEvaluator(["dog"]).result()
    assert isinstance(result, EvaluationResult)
    assert (result.images, result.mean_ap50_voc, result.mean_ap50, result.mean_ap50_95) == (0, None, None, None)


CORNERS = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(61, SIDE)] * 2)
SCORES = st.integers(1, 100).map(lambda value: value / 100)
IMAGES = st.lists(
    st.tuples(
        st.lists(st.tuples(CORNERS, st.booleans()), max_size=4),
        st.lists(st.tuples(CORNERS, SCORES), max_size=5),
    ),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=40)
@given(images=IMAGES)
def test_figures_are_between_0_and_1_and_stricter_ones_are_lower(images: list[tuple[list[Truth], list[Found]]]) -> None:
    result = _measure(*images)
    if result.objects:
        assert result.ap50_voc is not None
        assert result.ap50 is not None
        assert result.ap50_95 is not None
        assert 0 <= result.ap50_voc <= 1 + 1e-9
        assert 0 <= result.ap50_95 <= result.ap50 + 1e-9 <= 1 + 2e-9


@settings(deadline=None, max_examples=40)
@given(images=IMAGES)
def test_finding_everything_first_is_perfect(images: list[tuple[list[Truth], list[Found]]]) -> None:
    """Objects alone in their image, so that no detection could be given to another one."""
    alone = [([truth], [(truth[0], 1.0)]) for truths, _ in images for truth in truths]
    result = _measure(*alone) if alone else None
    if result is not None and result.objects:
        assert (result.ap50_voc, result.ap50, result.ap50_95) == pytest.approx((1, 1, 1))


@settings(deadline=None, max_examples=40)
@given(images=IMAGES)
def test_a_further_wrong_detection_never_helps(images: list[tuple[list[Truth], list[Found]]]) -> None:
    before, after = _measure(*images), _measure(*images, ([], [((0, 0, 9, 9), 0.5)]))
    if before.objects:
        assert before.ap50_voc is not None
        assert after.ap50_voc is not None
        assert after.ap50_voc <= before.ap50_voc + 1e-9


def test_what_is_found_of_a_class_that_an_image_does_not_label_counts_neither_way() -> None:
    evaluator = DetectionEvaluator(["cat", "dog"])
    cats_alone = replace(_sample([(A, False)], [0]), labelled=np.array([True, False]))
    evaluator.add(cats_alone, _detections([(A, 0.8), (NOWHERE, 0.9)], [0, 1]))
    both = replace(_sample([(A, False)], [1]), labelled=np.array([True, True]))
    evaluator.add(both, _detections([(A, 0.7)], [1]))
    assert [(item.ap50_voc, item.ap50) for item in evaluator.result().classes] == [(1, 1), (1, 1)]
    evaluator.add(replace(both, labelled=None), _detections([(NOWHERE, 0.9)], [1]))
    assert evaluator.result().classes[1].ap50_voc == pytest.approx(1 / 4), "where it is labelled, it counts"

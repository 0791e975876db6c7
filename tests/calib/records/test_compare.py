"""What one set of answers loses against another, on cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.calib.accuracy.average_precision import DetectionEvaluator
from singleshot.calib.records.bootstrap import Interval
from singleshot.calib.records.classification_records import ClassificationRecords
from singleshot.calib.records.compare import Delta, deltas, headline_drop, lost_and_gained, score_shift
from singleshot.calib.records.detection_records import DetectionRecords
from singleshot.calib.records.records import Group
from singleshot.calib.records.spliced import spliced
from singleshot.data.sample import Sample
from singleshot.tests.fixtures.found import detections

NAMES = ("cat", "dog")
IMAGES = 20
BOX = (0.25, 0.25, 0.75, 0.75)


def detection_records(scores: list[float], *, side: int = 640, class_id: int = 0) -> DetectionRecords:
    """One cat an image, found where the score is not 0."""
    evaluator = DetectionEvaluator(NAMES)
    for number, score in enumerate(scores):
        sample = Sample(
            image_id=f"image{number}",
            image_path=Path("image.jpg"),
            boxes_xyxy_px=np.array([BOX], np.float32) * side,
            class_ids=np.array([class_id]),
            difficult=np.zeros(1, np.bool_),
            height_px=side,
            width_px=side,
        )
        found = detections((score, class_id, BOX))
        evaluator.add(sample, found.where(found.scores > 0))
    return DetectionRecords(
        class_names=NAMES,
        image_ids=[f"image{number}" for number in range(len(scores))],
        image_areas_px=np.full(len(scores), float(side * side)),
        boxes=evaluator.boxes_by_class(),
    )


def classification_records(right: list[bool], scores: list[float]) -> ClassificationRecords:
    count = len(right)
    return ClassificationRecords(
        class_names=NAMES,
        image_ids=[f"image{number}" for number in range(count)],
        class_ids=np.zeros(count, np.int64),
        answers_given=np.array([0 if item else 1 for item in right]),
        answer_scores=np.array(scores),
        right_scores=np.array(scores),
    )


def test_the_same_answers_lose_nothing() -> None:
    records = detection_records([0.9] * IMAGES)
    found = deltas(records, detection_records([0.9] * IMAGES), replicates=50)
    assert [(item.group.kind, item.group.name, item.group.objects) for item in found] == [
        ("all", "all", IMAGES),
        ("class", "cat", IMAGES),
        ("size", "large", IMAGES),
    ]
    assert all((item.parent, item.candidate, item.drop) == pytest.approx((100, 100, 0)) for item in found)
    assert all(item.verdict == "no measurable loss" and item.interval_text == "[0.00, 0.00]" for item in found)


def test_half_of_the_objects_lost_is_a_measurable_loss() -> None:
    parent, candidate = detection_records([0.9] * IMAGES), detection_records([0.9, 0.0] * (IMAGES // 2))
    first = deltas(parent, candidate, replicates=200)[0]
    # Of 101 recalls those from 0 to 0.5 are reached.
    assert first.drop == pytest.approx(100 * (1 - 51 / 101))
    assert first.drop_interval is not None
    assert first.drop_interval.low < first.drop < first.drop_interval.high
    assert first.verdict == "a measurable loss"
    assert deltas(candidate, parent, replicates=200)[0].verdict == "a measurable gain"


def test_one_object_of_twenty_is_within_the_noise() -> None:
    parent = detection_records([0.9] * IMAGES)
    drop, interval = headline_drop(parent, detection_records([0.0, *[0.9] * (IMAGES - 1)]), replicates=500)
    assert drop > 4
    assert interval is not None
    assert 0 in interval


def test_sizes_are_shares_of_small_images() -> None:
    parent = detection_records([0.9] * IMAGES, side=32)  # a box of 16 x 16, a quarter of its image
    assert parent.sizes_are_relative
    assert parent.groups[-1].name == "large"
    assert not detection_records([0.9] * IMAGES, side=640).sizes_are_relative


def test_too_few_objects_measure_nothing() -> None:
    assert not detection_records([0.9] * 9).is_measurable
    assert detection_records([0.9] * 10).is_measurable


@pytest.mark.parametrize(
    ("objects", "kept", "is_sure"),
    [
        pytest.param(9, 9, False, id="nothing changed"),
        pytest.param(9, 6, False, id="a third lost"),
        pytest.param(9, 1, True, id="all but one lost"),
        pytest.param(5, 0, True, id="all of five lost"),
        pytest.param(3, 0, False, id="all of three lost"),
    ],
)
def test_few_objects_are_sure_of_a_collapse_alone(objects: int, kept: int, *, is_sure: bool) -> None:
    parent, child = detection_records([0.9] * objects), detection_records([0.9] * kept + [0.0] * (objects - kept))
    delta = deltas(parent, child, replicates=100)[0]
    assert delta.drop_interval is not None
    assert delta.drop_interval.low <= delta.drop <= delta.drop_interval.high
    assert (delta.drop_interval.low > 0.5) is is_sure
    assert delta.resolution > 30


def test_lost_and_gained_are_told_by_the_threshold() -> None:
    parent = detection_records([0.9, 0.6, 0.6, 0.2, 0.0])
    candidate = detection_records([0.8, 0.4, 0.0, 0.7, 0.55])
    lost, gained = lost_and_gained(parent, candidate, 0.5)
    assert [(item.image_id, round(item.parent_score, 3), round(item.candidate_score, 3)) for item in lost] == [
        ("image2", 0.6, 0.0),
        ("image1", 0.6, 0.4),
    ]
    assert [item.image_id for item in gained] == ["image4", "image3"]
    assert lost[0].class_name == "cat"
    assert lost[0].box_xyxy_px == (160, 160, 480, 480)


def test_scores_shift_among_what_both_find() -> None:
    shift = score_shift(detection_records([0.9, 0.6, 0.0]), detection_records([0.8, 0.5, 0.9]))
    assert shift is not None
    assert (shift.objects, shift.median) == pytest.approx((2, -0.1))
    assert sum(shift.counts) == 2
    assert score_shift(detection_records([0.9]), detection_records([0.0])) is None


def test_a_classifier_is_measured_by_its_first_answer() -> None:
    parent = classification_records([True] * IMAGES, [0.9] * IMAGES)
    candidate = classification_records([False] * 5 + [True] * 15, [0.8] * IMAGES)
    found = deltas(parent, candidate, replicates=200)
    assert [(item.group.kind, item.drop) for item in found] == [("all", 25), ("class", 25)]
    assert found[0].verdict == "a measurable loss"
    lost, gained = lost_and_gained(parent, candidate, 0.5)
    assert [item.image_id for item in lost] == [f"image{number}" for number in range(5)]
    assert gained == ()
    shift = score_shift(parent, candidate)
    assert shift is not None
    assert (shift.objects, shift.median) == pytest.approx((15, -0.1))


def test_classes_of_few_objects_are_pooled() -> None:
    cats, dogs = detection_records([0.9] * 6), detection_records([0.8] * 5 + [0.0], class_id=1)
    both = DetectionRecords(
        class_names=NAMES,
        image_ids=cats.image_ids,
        image_areas_px=cats.image_areas_px,
        boxes=(cats.boxes[0], dogs.boxes[1]),
    )
    assert both.metric == "AP50:95 of all classes pooled"
    assert both.averaged == ()
    assert both.is_measurable
    assert both.headline(np.ones(6, np.int64)) == pytest.approx(100 * 92 / 101)  # recall ends at 11 of 12
    assert [(item.name, item.objects) for item in both.groups] == [("all", 12), ("large", 12)]
    assert (both.answers().wanted, both.answers_of("dog").wanted) == (12, 6)


def test_answers_are_spliced_image_by_image() -> None:
    part_of = np.array([0, 1] * 5)
    found = spliced([detection_records([0.9] * 10), detection_records([0.0] * 10)], part_of)
    assert found.headline(part_of) == 0
    assert found.headline(1 - part_of) == pytest.approx(100)
    right, wrong = classification_records([True] * 10, [0.9] * 10), classification_records([False] * 10, [0.8] * 10)
    assert spliced([right, wrong], part_of).headline(np.ones(10, np.int64)) == 50


def test_a_drop_among_some_images_alone() -> None:
    parent = detection_records([0.9] * IMAGES)
    candidate = detection_records([0.0] * 10 + [0.9] * 10)
    among = np.arange(IMAGES) >= 10
    drop, interval = headline_drop(parent, candidate, replicates=20, among=among)
    assert (drop, interval) == (0, Interval(low=0, high=0))
    assert headline_drop(parent, candidate, replicates=20, among=~among)[0] == pytest.approx(100)


def test_a_parent_that_finds_nothing_cannot_lose_anything() -> None:
    def delta(parent: float, interval: Interval | None) -> Delta:
        return Delta(
            group=Group(kind="all", name="all", objects=1), parent=parent, candidate=parent, drop_interval=interval
        )

    assert delta(40, Interval(low=-1, high=2)).resolution == 1.5
    assert delta(0, Interval(low=0, high=0)).resolution == float("inf")
    assert delta(40, None).resolution == float("inf")

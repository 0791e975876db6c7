"""COCO's twelve figures are pycocotools' own."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singleshot.calib.accuracy.average_precision import DetectionEvaluator
from singleshot.data.sample import Sample
from singleshot.runtime.detection.detections import Detections
from singleshot.tests.fixtures.coco_oracle import by_pycocotools
from singleshot.tests.fixtures.found import detections

SIDE = 512
"""A power of two: normalised boxes come back to the pixel exactly."""

CLASSES = 3
EQUAL = 1e-9
"""Sums of the same numbers in another order."""

Image = tuple[Sample, Detections]


def image(rng: np.random.Generator, *, objects: int, found: int) -> Image:
    """Make an image with boxes on a coarse grid, so that equal overlaps are many, as are equal scores."""
    boxes = boxes_of(rng, objects)
    crowd = rng.random(objects) < 0.2
    areas = rng.choice([32.0**2, 96.0**2, 100, 5000, 20000], objects)
    sample = Sample(
        image_id="image",
        image_path=Path("image.jpg"),
        boxes_xyxy_px=boxes,
        class_ids=rng.integers(0, CLASSES, objects),
        difficult=crowd,
        height_px=SIDE,
        width_px=SIDE,
        crowd=crowd,
        areas_px=areas if rng.random() < 0.5 else None,
    )
    near = boxes_of(rng, found)
    is_near = rng.random(found) < (0.7 if objects else 0)
    if is_near.any():
        shift = rng.choice([0, 0, 4, 8], (int(is_near.sum()), 4))
        near[is_near] = boxes[rng.integers(0, objects, len(shift))] + shift
    detections = Detections(
        boxes_xyxy=(near / SIDE).astype(np.float32),
        scores=(np.sort(rng.integers(1, 12, found))[::-1] / 16).astype(np.float32),
        class_ids=rng.integers(0, CLASSES - (found > 100), found).astype(np.int32),
    )
    return sample, detections


def boxes_of(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = 4 * rng.integers(0, 64, (count, 2))
    return np.concatenate([corners, corners + rng.choice([8, 32, 36, 96, 100, 200], (count, 2))], 1).astype(np.float32)


def compare(images: list[Image]) -> None:
    evaluator = DetectionEvaluator([str(at) for at in range(CLASSES)])
    for sample, found in images:
        evaluator.add(sample, found)
    result = evaluator.result(with_coco=True)
    assert result.coco is not None
    classes, *figures = astuple(result.coco)
    expected, precision = by_pycocotools([sample for sample, _ in images], [found for _, found in images], classes=3)
    assert [-1 if figure is None else figure for figure in figures] == pytest.approx(expected.tolist(), abs=EQUAL)
    assert classes == int((precision[0, 0] > -1).sum())
    for at, item in enumerate(result.classes):
        assert (-1 if item.ap50_95 is None else item.ap50_95) == pytest.approx(precision[:, :, at].mean(), abs=EQUAL)
        assert (-1 if item.ap50 is None else item.ap50) == pytest.approx(precision[0, :, at].mean(), abs=EQUAL)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0, 1, 5, 20, 400])), min_size=1, max_size=5),
)
def test_crowds_ties_empty_images_and_hundreds_of_detections(seed: int, counts: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(seed)
    compare([image(rng, objects=objects, found=found) for objects, found in counts])


A = (0, 0, 256, 256)
WITHIN = (8, 8, 64, 64)
ACROSS = (128, 0, 384, 256)  # half of it lies in A
AWAY = (300, 300, 400, 400)


def herd(*objects: tuple[tuple[int, ...], bool]) -> Sample:
    """Label sheep, and crowds of them."""
    crowd = np.array([is_crowd for _, is_crowd in objects])
    return Sample(
        image_id="herd",
        image_path=Path("herd.jpg"),
        boxes_xyxy_px=np.array([box for box, _ in objects], np.float32),
        class_ids=np.zeros(len(objects), np.int64),
        difficult=crowd,
        height_px=SIDE,
        width_px=SIDE,
        crowd=crowd,
    )


def sheep(boxes: list[tuple[int, ...]]) -> Detections:
    """Find sheep, the surest first."""
    scores = np.linspace(0.9, 0.1, len(boxes))
    return detections(*((score, 0, np.divide(box, SIDE)) for score, box in zip(scores, boxes, strict=True)))


@pytest.mark.parametrize(
    ("found", "ap50"),
    [
        pytest.param([], 1, id="what lies in a crowd need not be found"),
        pytest.param([WITHIN], 1, id="one of the crowd"),
        pytest.param([WITHIN, WITHIN, A, ACROSS], 1, id="any number of it, as far as half of each lies within"),
        pytest.param([(132, 0, 388, 256)], 1 / 2, id="less than half of it lies within"),
    ],
)
def test_a_herd_that_is_labelled_as_one_crowd(found: list[tuple[int, ...]], ap50: float) -> None:
    """One sheep stands apart and is found, last of all."""
    sample, detections = herd((A, True), (AWAY, False)), sheep([*found, AWAY])
    evaluator = DetectionEvaluator(["sheep"])
    evaluator.add(sample, detections)
    (measured,) = evaluator.result().classes
    assert (measured.objects, measured.difficult_objects) == (1, 1)
    assert (measured.ap50, measured.ap50_voc) == pytest.approx((ap50, ap50))
    compare([(sample, detections)])


@pytest.mark.parametrize(
    ("found", "ap50"),
    [
        pytest.param([(8, 8, 64, 60)], 1, id="found, though all of the detection lies in the crowd"),
        pytest.param([(8, 8, 64, 60), WITHIN], 1, id="a second time is of the crowd"),
        pytest.param([(100, 100, 150, 150)], 0, id="others of the crowd do not find it"),
    ],
)
def test_an_object_within_a_crowd(found: list[tuple[int, ...]], ap50: float) -> None:
    sample = herd((A, True), (WITHIN, False))
    result = DetectionEvaluator(["sheep"])
    result.add(sample, sheep(found))
    (measured,) = result.result().classes
    assert (measured.ap50, measured.ap50_voc) == pytest.approx((ap50, ap50))
    compare([(sample, sheep(found))])


def test_a_class_too_rare_for_the_means_counts_in_cocos_figures() -> None:
    sample, _ = image(np.random.default_rng(0), objects=6, found=0)
    none_is = np.zeros(6, np.bool_)
    sample = replace(sample, class_ids=np.zeros(6, np.int64), difficult=none_is, crowd=None)
    evaluator = DetectionEvaluator(["rare", "absent"])
    evaluator.add(sample, Detections.none())
    result = evaluator.result(with_coco=True)
    assert result.mean_ap50_95 is None
    assert result.coco is not None
    assert (result.coco.classes, result.coco.ap, result.coco.ar_100) == (1, 0, 0)
    assert evaluator.result().coco is None

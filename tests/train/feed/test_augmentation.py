"""Augmentation: boxes go where the pixels go, wherever it runs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.transforms import v2

from singleshot.data.cache.image_cache import StoredImage
from singleshot.runtime.image_files import read_image_bgr
from singleshot.tests.places import PHOTOS
from singleshot.train.augmentation_settings import AugmentationSettings
from singleshot.train.feed.augmentation import (
    AugmentationPlan,
    augmented_image,
    input_from_image,
    plan_augmentation,
    transformed_boxes,
)
from singleshot.train.feed.device_augmentation import planned_images

PHOTO = PHOTOS / "2010_000276.jpg"
NONE = AugmentationSettings.none()
ALL = AugmentationSettings(
    horizontal_flip=0.5, vertical_flip=0.5, rotation_degrees=40, scaling=0.5, expansion=0.5, colour=0.5
)
INPUT_HW = (64, 96)
ONE_PIXEL = 1.0 + 1e-4
"""And what float32 loses of a coordinate of some hundred pixels."""
TIP_PIXELS = 2.0
"""The tip of a turned object's corner is thinner than a pixel."""
GREY_LEVELS_APART = 2
"""OpenCV resamples in fixed point, and rounds before it changes colours."""

any_settings = st.builds(
    AugmentationSettings,
    crop=st.booleans(),
    expansion=st.sampled_from([0.0, 1.0]),
    horizontal_flip=st.sampled_from([0.0, 1.0]),
    vertical_flip=st.sampled_from([0.0, 1.0]),
    rotation_degrees=st.sampled_from([0.0, 30.0, 180.0]),
    scaling=st.sampled_from([0.0, 0.5]),
    colour=st.just(0.0),
)


def stored(
    image_rgb: NDArray[np.uint8],
    boxes_xyxy_px: object = (),
    *,
    hw_px: tuple[int, int] | None = None,
    difficult: tuple[bool, ...] | None = None,
) -> StoredImage:
    """Label an image; boxes count pixels of `image_rgb`."""
    height, width = image_rgb.shape[:2]
    boxes = np.asarray(boxes_xyxy_px, np.float32).reshape(-1, 4) / np.array([width, height] * 2, np.float32)
    return StoredImage(
        image_id="scene",
        image_rgb=image_rgb,
        hw_px=hw_px or (height, width),
        boxes_xyxy=boxes.astype(np.float32),
        class_ids=np.arange(len(boxes)),
        difficult=np.array(difficult or [False] * len(boxes), np.bool_),
    )


def scene() -> StoredImage:
    """Dark, with one white object at x 20..60, y 10..40."""
    image = np.full((80, 100, 3), 60, np.uint8)
    image[10:40, 20:60] = 255
    return stored(image, [20, 10, 60, 40])


def planned(image: StoredImage, augmentation: AugmentationSettings, seed: int) -> AugmentationPlan:
    return plan_augmentation(image, augmentation, np.random.default_rng(seed))


def augmented(
    image: StoredImage, augmentation: AugmentationSettings, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    plan = planned(image, augmentation, seed)
    return augmented_image(image.image_rgb, plan, INPUT_HW), plan.boxes_xyxy


def photo() -> NDArray[np.uint8]:
    return np.ascontiguousarray(read_image_bgr(PHOTO)[:, :, ::-1])


@pytest.mark.parametrize(
    ("change", "box"),
    [
        pytest.param({}, [0.2, 0.125, 0.6, 0.5], id="none"),
        pytest.param({"horizontal_flip": 1}, [0.4, 0.125, 0.8, 0.5], id="left to right"),
        pytest.param({"vertical_flip": 1}, [0.2, 0.5, 0.6, 0.875], id="top to bottom"),
        pytest.param({"horizontal_flip": 1, "vertical_flip": 1}, [0.4, 0.5, 0.8, 0.875], id="both"),
    ],
)
def test_boxes_by_hand(change: dict[str, float], box: list[float]) -> None:
    image, boxes = augmented(scene(), NONE.model_copy(update=change), seed=0)
    np.testing.assert_allclose(boxes, [box], atol=1e-6)
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (96, 64, 96, 64), strict=True))
    white = np.zeros(INPUT_HW, np.bool_)
    white[top + 1 : bottom - 1, left + 1 : right - 1] = True
    assert (image[white] == 255).all()
    white = np.ones(INPUT_HW, np.bool_)
    white[top - 1 : bottom + 1, left - 1 : right + 1] = False
    assert (image[white] == 60).all()


def test_a_quarter_turn_by_hand() -> None:
    # A square image turned by 90 degrees: (x, y) goes to (1 - y, x).
    plan = planned(stored(np.zeros((80, 80, 3), np.uint8), [8, 16, 24, 56]), NONE, seed=0)
    quarter = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(transformed_boxes(quarter, plan.boxes_xyxy), [[0.3, 0.1, 0.8, 0.3]], atol=1e-6)


@settings(max_examples=100)
@given(st.integers(0, 2**32), any_settings)
def test_a_painted_object_fills_its_box(seed: int, augmentation: AugmentationSettings) -> None:
    image, boxes = augmented(scene(), augmentation, seed)
    ys, xs = np.nonzero(image[:, :, 0] > 190)  # more than half white, even beside grey
    assert len(boxes) == 1, "the only object is never lost"
    if not len(xs):  # cut to less than a pixel
        return
    left, top, right, bottom = boxes[0] * [96, 64, 96, 64]
    seen = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    assert (seen[:2] >= [left - ONE_PIXEL, top - ONE_PIXEL]).all()
    assert (seen[2:] <= [right + ONE_PIXEL, bottom + ONE_PIXEL]).all()
    if (
        not augmentation.rotation_degrees
    ):  # the box around a turned object that is cut is larger than what is left of it
        np.testing.assert_allclose(seen, [left, top, right, bottom], atol=ONE_PIXEL)
    elif (boxes > 0).all() and (boxes < 1).all():
        np.testing.assert_allclose(seen, [left, top, right, bottom], atol=TIP_PIXELS)


@given(st.integers(0, 2**32), any_settings)
def test_boxes_are_the_hull_of_their_mapped_corners(seed: int, augmentation: AugmentationSettings) -> None:
    image = stored(np.zeros((80, 100, 3), np.uint8), [[20, 10, 60, 40], [0, 0, 100, 80], [90, 70, 99, 71]])
    plan = planned(image, augmentation, seed)
    hulls = transformed_boxes(plan.forward, image.boxes_xyxy)
    middles = (hulls[:, :2] + hulls[:, 2:]) / 2
    kept = ((middles > 0) & (middles < 1)).all(axis=1)
    np.testing.assert_array_equal(plan.labels, np.flatnonzero(kept) + 1)
    np.testing.assert_allclose(plan.boxes_xyxy, hulls[kept].clip(0, 1), atol=1e-6)
    for corner in ([0, 0, 1], [1, 0, 1], [0.3, 0.8, 1]):  # the inverse leads back
        there = plan.forward @ corner
        np.testing.assert_allclose(input_from_image(plan) @ [*there, 1], corner[:2], atol=1e-9)


@given(st.integers(0, 2**32), st.sampled_from([(True, False), (False, True), (True, True)]))
def test_a_flip_undoes_itself(seed: int, axes: tuple[bool, bool]) -> None:
    augmentation = NONE.model_copy(update={"horizontal_flip": float(axes[0]), "vertical_flip": float(axes[1])})
    rng = np.random.default_rng(seed)
    image_rgb = rng.integers(0, 256, (*INPUT_HW, 3), np.uint8)
    corners = rng.uniform(0, 1, (3, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1) * [96, 64, 96, 64]
    once_image = stored(image_rgb, boxes)
    once, once_boxes = augmented(once_image, augmentation, seed)
    twice, twice_boxes = augmented(stored(once, once_boxes * [96, 64, 96, 64]), augmentation, seed)
    np.testing.assert_array_equal(twice, image_rgb)
    np.testing.assert_allclose(twice_boxes, once_image.boxes_xyxy, atol=1e-6)


@settings(max_examples=60)
@given(st.integers(0, 2**32), any_settings, st.sampled_from([0.0, 1.0]))
def test_both_places_give_the_same_picture(seed: int, augmentation: AugmentationSettings, colour: float) -> None:
    augmentation = augmentation.model_copy(update={"colour": colour})
    images = [stored(photo(), [20, 10, 60, 40]), stored(photo()[:90, :120])]
    plans = [planned(image, augmentation, seed) for image in images]
    batch = planned_images([image.image_rgb for image in images], plans, INPUT_HW)
    together = batch.to(torch.device("cpu")).augmented().permute(0, 2, 3, 1).numpy().astype(int)
    for image, plan, other in zip(images, plans, together, strict=True):
        difference = np.abs(augmented_image(image.image_rgb, plan, INPUT_HW).astype(int) - other)
        # A strong contrast multiplies a grey level; where an edge to grey falls between two pixels, either may have it.
        assert np.quantile(difference, 0.99) <= GREY_LEVELS_APART
        assert difference.mean() < 1


def test_the_resize_is_the_one_of_production() -> None:
    image = stored(photo())
    ours, _ = augmented(image, NONE, seed=0)
    theirs = v2.functional.resize(torch.from_numpy(photo()).permute(2, 0, 1), list(INPUT_HW), antialias=False)
    assert np.abs(ours.astype(int) - theirs.permute(1, 2, 0).numpy()).max() <= 1
    np.testing.assert_array_equal(ours, cv2.resize(photo(), INPUT_HW[::-1], interpolation=cv2.INTER_LINEAR))


def test_a_crop_is_cut_and_then_resized() -> None:
    for seed in range(20):
        image = stored(photo(), [20, 10, 160, 140])
        plan = planned(image, NONE.model_copy(update={"crop": True}), seed)
        assert plan.part_px is not None
        left, top, right, bottom = plan.part_px
        cut = torch.from_numpy(photo()[top:bottom, left:right]).permute(2, 0, 1)
        expected = v2.functional.resize(cut, list(INPUT_HW), antialias=False).permute(1, 2, 0).numpy()
        assert np.abs(augmented_image(image.image_rgb, plan, INPUT_HW).astype(int) - expected).max() <= 1


def test_crops_are_as_varied_as_ssd_wants_them() -> None:
    augmentation = NONE.model_copy(update={"crop": True})
    plans = [planned(scene(), augmentation, seed) for seed in range(200)]
    shares = np.array([1 / np.linalg.det(plan.forward[:, :2]) for plan in plans])  # of the image's area
    assert 1 / 7 < (shares > 0.999).mean() < 0.5  # one crop of seven is the whole
    assert shares.min() < 0.3
    assert (shares > 0.3 * 0.3 - 1e-9).all()
    assert any(0 in plan.boxes_xyxy[0] or 1 in plan.boxes_xyxy[0] for plan in plans)  # cut objects


def test_expansion_puts_grey_around() -> None:
    image, boxes = augmented(
        stored(np.full((64, 96, 3), 250, np.uint8), [0, 0, 96, 64]), NONE.model_copy(update={"expansion": 1.0}), seed=3
    )
    left, top, right, bottom = boxes[0] * [96, 64, 96, 64]
    assert (right - left) * (bottom - top) < 0.9 * 96 * 64
    assert set(np.unique(image[[0, 0, -1, -1], [0, -1, 0, -1]])) <= {127, 250}
    share = ((image == 250).all(axis=2)).mean()
    assert share == pytest.approx((right - left) * (bottom - top) / (96 * 64), abs=0.05)


def test_a_turn_keeps_right_angles_of_the_original() -> None:
    # Stored half as wide as it was: lengths count in pixels of the original.
    image = stored(np.zeros((100, 50, 3), np.uint8), hw_px=(100, 100))
    plan = planned(image, NONE.model_copy(update={"rotation_degrees": 45.0}), seed=1)
    linear = plan.forward[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2), atol=1e-9)
    assert abs(linear[0, 1]) > 0.01


def test_scaling_is_between_its_bounds() -> None:
    augmentation = NONE.model_copy(update={"scaling": 0.5})
    factors = [planned(scene(), augmentation, seed).forward[0, 0] for seed in range(300)]
    assert 1 / 1.5 - 1e-9 <= min(factors) < 0.75
    assert 1.35 < max(factors) <= 1.5 + 0.1  # edges move out to whole pixels, or stay


def test_strength_multiplies_all_but_flips() -> None:
    off = ALL.model_copy(update={"strength": 0.0, "horizontal_flip": 0.0, "vertical_flip": 0.0, "crop": True})
    for seed in range(10):
        plan = planned(scene(), off, seed)
        np.testing.assert_allclose(plan.forward, [[1, 0, 0], [0, 1, 0]], atol=1e-12)
        assert plan.colour is None
    twice = NONE.model_copy(update={"rotation_degrees": 10.0, "strength": 2.0})
    angles = [np.degrees(np.arcsin(planned(scene(), twice, seed).forward[0, 1] * 100 / 80)) for seed in range(200)]
    assert 15 < max(np.abs(angles)) <= 20


def test_colours_shift_and_grey_stays_grey() -> None:
    augmentation = NONE.model_copy(update={"colour": 1.0})
    matrices = np.array([planned(scene(), augmentation, seed).colour for seed in range(50)])  # [50, 3, 4]
    grey = matrices @ [100, 100, 100, 1]
    np.testing.assert_allclose(grey, np.repeat(grey[:, :1], 3, axis=1), atol=0.5)
    assert grey.std() > 5
    red = matrices @ [200, 50, 50, 1]
    assert (red.argmax(axis=1) == 0).all()  # a shift, no other colour
    shares = [planned(scene(), NONE.model_copy(update={"colour": 0.3}), seed).colour is not None for seed in range(400)]
    assert np.mean(shares) == pytest.approx(1 - 0.7**4, abs=0.08)


def test_difficult_labels_are_carried() -> None:
    image = stored(scene().image_rgb, [[20, 10, 60, 40], [0, 0, 100, 80]], difficult=(False, True))
    kept = [planned(image, ALL, seed).labels.tolist() for seed in range(12)]
    assert [1, -1] in kept
    assert all(set(labels) <= {1, -1} for labels in kept)


def test_an_image_without_objects_goes_through() -> None:
    for seed in range(12):
        image, boxes = augmented(stored(scene().image_rgb), ALL, seed)
        assert image.shape == (64, 96, 3)
        assert boxes.shape == (0, 4)


def test_what_a_crop_leaves_out_is_dropped() -> None:
    image = stored(scene().image_rgb, [[0, 0, 10, 10], [90, 70, 100, 80]])
    counts = {len(planned(image, AugmentationSettings(), seed).labels) for seed in range(40)}
    assert counts == {1, 2}


@given(st.integers(0, 2**32))
def test_thin_objects_stay_objects(seed: int) -> None:
    thin = stored(scene().image_rgb, [[30, 10, np.nextafter(np.float32(31), np.float32(0)), 40], [0, 0, 1, 80]])
    boxes = planned(thin, ALL, seed).boxes_xyxy
    assert len(boxes)
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert ((boxes >= 0) & (boxes <= 1)).all()

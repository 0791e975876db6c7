"""Augmentation: boxes go where the pixels go."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.transforms import v2

from singleshot.runtime.images import read_image_bgr
from singleshot.train.augmentation import Augmentation, AugmentedImage

PHOTO = Path(__file__).parent.parent / "data" / "VOCdevkit" / "VOC2012" / "JPEGImages" / "2010_000276.jpg"


def scene() -> NDArray[np.uint8]:
    """Grey, with one white object at x 20..60, y 10..40."""
    image = np.full((80, 100, 3), 90, np.uint8)
    image[10:40, 20:60] = 255
    return image


BOX = np.array([[20, 10, 60, 40]], np.float32)


def augmented(seed: int, *, boxes: NDArray[np.float32] = BOX, labels: tuple[int, ...] = (2,)) -> AugmentedImage:
    torch.manual_seed(seed)
    return Augmentation((64, 64))(scene(), boxes, np.array(labels, np.int64))


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Switch off transforms by name."""
    for name in names:
        monkeypatch.setattr(v2, name, lambda *_args, **_options: v2.Identity())


def test_a_flip_carries_image_and_box(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "RandomZoomOut", "RandomIoUCrop", "RandomPhotometricDistort")
    seen = set()
    for seed in range(8):
        item = augmented(seed)
        flipped = bool(item.image[0, 16, 45] == 255)  # x 45 of 64 is 70 of 100: white only after the flip
        expected = [0.4, 0.125, 0.8, 0.5] if flipped else [0.2, 0.125, 0.6, 0.5]
        np.testing.assert_allclose(item.boxes_xyxy.numpy(), [expected], atol=1e-6)
        seen.add(flipped)
    assert seen == {False, True}


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_the_box_stays_on_its_object(seed: int) -> None:
    item = augmented(seed)
    assert item.image.shape == (3, 64, 64)
    assert item.image.dtype == torch.uint8
    assert len(item.labels) == len(item.boxes_xyxy)
    assert ((item.boxes_xyxy >= 0) & (item.boxes_xyxy <= 1)).all()
    for x1, y1, x2, y2 in (item.boxes_xyxy * 64).tolist():
        inner = item.image[:, round(y1 + 2) : round(y2 - 2), round(x1 + 2) : round(x2 - 2)].float()
        if inner.numel() >= 3:
            # One flat colour, whatever colour it was turned into: nothing of the background is inside.
            assert float((inner.amax((1, 2)) - inner.amin((1, 2))).max()) <= 3


def test_difficult_labels_are_carried() -> None:
    boxes = np.array([[20, 10, 60, 40], [0, 0, 100, 80]], np.float32)
    kept = [augmented(seed, boxes=boxes, labels=(1, -1)).labels.tolist() for seed in range(12)]
    assert [1, -1] in kept
    assert all(set(labels) <= {1, -1} for labels in kept)


def test_an_image_without_objects_goes_through() -> None:
    for seed in range(12):
        item = augmented(seed, boxes=np.zeros((0, 4), np.float32), labels=())
        assert item.image.shape == (3, 64, 64)
        assert item.boxes_xyxy.shape == (0, 4)


def test_objects_a_rounding_error_below_a_pixel_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "RandomZoomOut", "RandomPhotometricDistort")
    thin = np.array([[30, 10, np.nextafter(np.float32(31), np.float32(0)), 40]], np.float32)
    assert thin[0, 2] - thin[0, 0] < 1
    for seed in range(12):
        item = augmented(seed, boxes=thin)
        assert (item.boxes_xyxy[:, 2] > item.boxes_xyxy[:, 0]).all()
    assert any(len(augmented(seed, boxes=thin).labels) for seed in range(12))


def test_what_a_crop_leaves_out_is_dropped() -> None:
    boxes = np.array([[0, 0, 10, 10], [90, 70, 100, 80]], np.float32)
    counts = {len(augmented(seed, boxes=boxes, labels=(1, 2)).labels) for seed in range(40)}
    assert counts == {1, 2}


def test_the_resize_is_the_one_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "RandomZoomOut", "RandomIoUCrop", "RandomHorizontalFlip", "RandomPhotometricDistort")
    rgb = np.ascontiguousarray(read_image_bgr(PHOTO)[:, :, ::-1])
    item = Augmentation((96, 128))(rgb, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    expected = cv2.resize(rgb, (128, 96), interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(item.image.permute(1, 2, 0).numpy() - expected).max() <= 1

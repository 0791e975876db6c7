"""Measuring a session on labelled images, with a session whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.calib.accuracy.evaluate import evaluate, open_dataset_for
from singleshot.data.dataset import open_dataset
from singleshot.runtime.card import Card, InputSpec
from singleshot.runtime.closing import Closing
from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.found import detections
from singleshot.tests.fixtures.voc_folder import VocFolder


class LeftHalf(Closing):
    """Finds one dog in the left half of every frame."""

    backend = "none"
    streams = batch = 1
    card = Card(
        kind="graph",
        network="left_half",
        class_names=("cat", "dog"),
        input=InputSpec(height=16, width=16, mean=(0, 0, 0), std=(1, 1, 1)),
    )

    def __init__(self) -> None:
        self.frames = 0

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        assert frames.shape == (1, 16, 16, 3)
        self.frames += 1
        return [detections((0.9, 1, [0, 0, 0.5, 1]))]

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        raise AssertionError(f"a detector is not asked to classify {frames.shape}")

    def close(self) -> None:
        """Nothing is held."""


def test_boxes_are_compared_in_pixels_of_the_image(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 24, 32))], hw=(32, 48))
    voc_folder.add("b", [("dog", (1, 1, 5, 70)), ("cat", (1, 1, 5, 5))], hw=(70, 10))
    session = LeftHalf()
    seen: list[tuple[str, int, int]] = []
    dataset = open_dataset_for(session.card, voc_folder.root)
    result = evaluate(session, dataset, "train", on_progress=lambda *progress: seen.append(progress))
    cat, dog = result.classes
    assert (result.images, session.frames, seen) == (2, 2, [("train", 1, 2), ("train", 2, 2)])
    assert (dog.ap50_voc, dog.ap50, dog.ap50_95) == pytest.approx((1, 1, 1))
    assert (cat.ap50_voc, cat.objects, cat.supported) == (0, 1, False)


def test_a_broken_image_is_left_out_and_reported(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 24, 32))])
    voc_folder.add("b", [("dog", (1, 1, 24, 32))])
    voc_folder.image_path("b").write_bytes(b"")
    voc_folder.add("c", [("dog", (1, 1, 24, 32))])
    dataset = open_dataset_for(LeftHalf.card, voc_folder.root)
    result = evaluate(LeftHalf(), dataset, "train")
    assert (result.images, result.classes[1].objects) == (2, 2)
    assert "an empty file" in "".join(dataset.report.lines())


@pytest.mark.parametrize("part", [VocFolder.image_path, VocFolder.annotation_path])
def test_nothing_but_broken_images_is_an_error(voc_folder: VocFolder, part: Callable[[VocFolder, str], Path]) -> None:
    voc_folder.add("b", [("dog", (1, 1, 24, 32))])
    part(voc_folder, "b").write_bytes(b"")
    dataset = open_dataset_for(LeftHalf.card, voc_folder.root)
    with pytest.raises(InputError, match=r"VOC2012 train: expected labelled images, got none that can be used of 1"):
        evaluate(LeftHalf(), dataset, "train")


@pytest.mark.parametrize("part", [VocFolder.image_path, VocFolder.annotation_path])
def test_half_of_the_images_are_not_measured_on(voc_folder: VocFolder, part: Callable[[VocFolder, str], Path]) -> None:
    for name in "ab":
        voc_folder.add(name, [("dog", (1, 1, 24, 32))])
    part(voc_folder, "b").write_bytes(b"")
    dataset = open_dataset_for(LeftHalf.card, voc_folder.root)
    with pytest.raises(InputError, match=r"VOC2012 train: expected most of 2 images to be usable, got 1\. 1 "):
        evaluate(LeftHalf(), dataset, "train")
    assert evaluate(LeftHalf(), open_dataset_for(LeftHalf.card, voc_folder.root, anyway=True), "train").images == 1


def test_data_without_the_detectors_classes_are_an_error_that_names_both(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("forklift", (1, 1, 24, 32)), ("pallet", (1, 1, 24, 32))])
    session = LeftHalf()
    with pytest.raises(InputError) as raised:
        evaluate(session, open_dataset_for(session.card, voc_folder.root), "train")
    assert str(raised.value) == (
        "VOC2012 train: expected objects of the detector's classes cat, dog, got objects of forklift, pallet. "
        "Evaluate on data with its classes."
    )
    assert session.frames == 0


def test_kaggle_data_without_the_detectors_classes_are_an_error_too(kaggle_root: Path) -> None:
    with pytest.raises(InputError, match=r"classes cat, dog, got objects of basketball, German shepherd, scorpion"):
        evaluate(LeftHalf(), open_dataset_for(LeftHalf.card, kaggle_root), "train")


def test_data_without_any_object_are_an_error(voc_folder: VocFolder) -> None:
    voc_folder.add("a")
    with pytest.raises(InputError, match=r"classes cat, dog, got no object at all"):
        evaluate(LeftHalf(), open_dataset_for(LeftHalf.card, voc_folder.root), "train")


def test_other_classes_than_the_cards_are_an_error(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 24, 32))])
    with pytest.raises(InputError, match=r"VOC2012: expected the detector's classes cat, dog, got dog\. Open the data"):
        evaluate(LeftHalf(), open_dataset(voc_folder.root, class_names=("dog",)), "train")

"""What is refused before training starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from singleshot.data.dataset import Dataset, open_dataset
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.voc_folder import VocFolder
from singleshot.train.configuration import with_splits
from singleshot.train.feed.survey import SplitSurvey, check_surveys, survey_split
from singleshot.train.settings import TrainSettings


class WriteVoc(Protocol):
    def __call__(self, splits: Mapping[str, Sequence[str]]) -> Path: ...


def survey(data: Dataset, split: str) -> SplitSurvey:
    return survey_split(data, split, seed=0)


def check(root: Path, classes: tuple[str, ...]) -> None:
    data = open_dataset(root, class_names=classes)
    check_surveys(data, survey(data, "train"), survey(data, "val"))


def test_a_survey_counts_what_can_be_learned(animals_root: Path) -> None:
    data = open_dataset(animals_root, class_names=("dog", "horse", "chair"))
    seen: list[tuple[str, int, int]] = []
    found = survey_split(data, "train", seed=0, on_progress=lambda *at: seen.append(at))
    assert found.image_ids == tuple(f"train_{number}" for number in range(12))
    assert found.objects.tolist() == [6, 3, 3]  # three more chairs are difficult
    assert not found.supports_ap
    assert survey(data, "val").supports_ap  # ten horses
    assert seen[-1] == ("train", 12, 12)


def test_a_broken_image_is_left_out(write_voc: WriteVoc) -> None:
    root = write_voc({"train": ["dog", "cat"], "val": ["dog"]})
    (root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "train_1.jpg").write_bytes(b"no image")
    data = open_dataset(root, class_names=("dog",), anyway=True)
    assert survey(data, "train").image_ids == ("train_0",)


@pytest.mark.parametrize("decode", [False, True])
def test_half_of_the_images_are_not_enough(write_voc: WriteVoc, *, decode: bool) -> None:
    root = write_voc({"train": ["dog", "cat"], "val": ["dog"]})
    (root / "VOCdevkit" / "VOC2012" / "Annotations" / "train_1.xml").write_text("<annotation")
    with pytest.raises(
        InputError, match=r"^VOC2012 train: expected most of 2 images to be usable, got 1\. 1 annotations"
    ):
        survey_split(open_dataset(root, class_names=("dog",)), "train", seed=0, decode=decode)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        pytest.param(
            ("dog", "hrose"),
            "VOC2012 train: expected objects of every class to learn, got none of hrose. Did you mean horse?",
            id="a slip of the pen",
        ),
        pytest.param(
            ("dog", "unicorn"),
            "got none of unicorn. Name by --classes what the split holds: dog, person, horse, chair, cat, sofa.",
            id="nothing like it",
        ),
    ],
)
def test_a_class_without_objects_is_refused(animals_root: Path, classes: tuple[str, ...], message: str) -> None:
    layout = open_dataset(animals_root)._layout
    data = Dataset(layout, class_names=classes)
    with pytest.raises(InputError) as caught:
        check_surveys(data, survey(data, "train"), survey(data, "val"))
    assert message in str(caught.value)


def test_a_class_of_difficult_objects_alone_is_refused(write_voc: WriteVoc) -> None:
    root = write_voc({"train": ["dog and two chairs, one difficult"], "val": ["dog"]})
    annotation = root / "VOCdevkit" / "VOC2012" / "Annotations" / "train_0.xml"
    annotation.write_text(annotation.read_text().replace("<difficult>0", "<difficult>1"))
    with pytest.raises(InputError, match="got none of dog, chair"):
        check(root, ("dog", "chair"))


def test_nothing_to_validate_on_is_refused(write_voc: WriteVoc) -> None:
    root = write_voc({"train": ["dog"], "val": ["cat"]})
    with pytest.raises(InputError, match=r"VOC2012 val: expected objects to validate on, got none of dog\. Choose"):
        check(root, ("dog",))


def test_an_image_in_both_splits_is_refused(write_voc: WriteVoc) -> None:
    root = write_voc({"train": ["dog"], "val": ["dog"]})
    main = root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main"
    (main / "train.txt").write_text("train_0\nval_0")
    with pytest.raises(InputError, match=r"^train, val: expected splits without a common image, got 1 in both"):
        check(root, ("dog",))


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        pytest.param({}, ("train", "val"), id="the data's own"),
        pytest.param({"train_split": "seeded-train"}, ("seeded-train", "seeded-val"), id="seeded goes with seeded"),
        pytest.param({"val_split": "seeded-val"}, ("seeded-train", "seeded-val"), id="likewise"),
        pytest.param({"train_split": "val", "val_split": "train"}, ("val", "train"), id="as the caller says"),
    ],
)
def test_auto_splits(animals_root: Path, given: dict[str, str], resolved: tuple[str, str]) -> None:
    settings = with_splits(TrainSettings().model_copy(update=given), open_dataset(animals_root))
    assert (settings.train_split, settings.val_split) == resolved


def test_auto_splits_without_official_lists(write_voc: WriteVoc) -> None:
    settings = with_splits(TrainSettings(), open_dataset(write_voc({"trainval": ["dog"]})))
    assert (settings.train_split, settings.val_split) == ("seeded-train", "seeded-val")


def test_a_picture_that_two_data_sets_label_is_in_one_split_alone(tmp_path: Path) -> None:
    """Both have the same two files, under other names of data sets, and validate on what the other learns from."""
    first, second = (VocFolder(root=tmp_path / year, year=year) for year in ("first", "second"))
    for made, name, splits in ((first, "dog", ("train", "val")), (second, "cat", ("val", "train"))):
        for image_id, split in zip(("a", "b"), splits, strict=True):
            made.add(image_id, [(name, (1, 1, 9, 9))], split=split)
    for image_id in ("a", "b"):
        second.image_path(image_id).unlink()
        second.image_path(image_id).symlink_to(first.image_path(image_id))
    data = open_dataset(first.root, second.root, class_names=("dog", "cat"))
    with pytest.raises(InputError, match=r"^train, val: expected splits without a common image, got 2 in both"):
        check_surveys(data, survey(data, "train"), survey(data, "val"))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param("val", ("train", "val"), id="both have train and val"),
        pytest.param("test", ("seeded-train", "seeded-val"), id="one has no val"),
    ],
)
def test_several_data_sets_are_split_alike(tmp_path: Path, second: str, expected: tuple[str, str]) -> None:
    roots = []
    for year, splits in (("first", ("train", "val")), ("second", ("train", second))):
        made = VocFolder(root=tmp_path / year, year=year)
        for at, split in enumerate(splits):
            made.add(str(at), [("dog", (1, 1, 9, 9))], split=split)
        roots.append(made.root)
    settings = with_splits(TrainSettings(), open_dataset(*roots))
    assert (settings.train_split, settings.val_split) == expected

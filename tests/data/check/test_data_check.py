"""The numbers of a data set that was made to be counted by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from singleshot.data.check.data_check import DuplicateGroup, check_data
from singleshot.data.check.data_statistics import SplitStatistics
from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.data.sample import Sample
from singleshot.runtime.errors import InputError


def sample(*boxes: tuple[float, float, float, float], class_ids: tuple[int, ...], image_id: str = "a") -> Sample:
    """Label an image of 100 x 200 pixels (height x width)."""
    return Sample(
        image_id=image_id,
        image_path=Path("a.jpg"),
        boxes_xyxy_px=np.asarray(boxes, np.float32).reshape(-1, 4),
        class_ids=np.asarray(class_ids, np.int64),
        difficult=np.zeros(len(boxes), np.bool_),
        height_px=100,
        width_px=200,
    )


def test_numbers_by_hand() -> None:
    statistics = SplitStatistics(("cat", "dog"))
    statistics.add(sample((0, 0, 20, 10), (0, 0, 100, 50), class_ids=(1, 1)))
    statistics.add(sample((0, 0, 200, 100), class_ids=(0,)))
    statistics.add(sample(class_ids=()))
    written = json.loads(json.dumps(statistics.to_dict()))
    assert written["images"] == 3
    assert written["objects"] == {"cat": 1, "dog": 2}
    assert written["images_with"] == {"cat": 1, "dog": 1}
    assert written["objects_per_image"] == {"0": 1, "1": 1, "2": 1}
    assert written["image_sizes_hw"] == [[100, 200, 3]]
    # Of the image's 20000 pixels the dogs cover 1 % and 25 %: sides of 0.1 and 0.5; the cat all of it.
    assert written["sizes"] == {"cat": [0, 0, 0, 0, 0, 1], "dog": [0, 0, 1, 0, 1, 0]}
    assert written["aspects"] == {"cat": [0, 0, 0, 0, 0, 1, 0], "dog": [0, 0, 0, 0, 0, 2, 0]}
    assert statistics.sizes().tolist() == [0, 0, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("labelled", "what"),
    [
        pytest.param(sample((5, 5, 6.5, 50), class_ids=(0,)), "boxes less than 2 pixels thin", id="thin"),
        pytest.param(sample((0, 0, 200, 99), class_ids=(0,)), "boxes over 98% or more of their image", id="all"),
        pytest.param(
            sample((9, 9, 60, 60), (9, 9, 60, 61), class_ids=(0, 0)),
            "objects labelled twice: same class, nearly the same box",
            id="one object twice",
        ),
    ],
)
def test_what_looks_wrong(labelled: Sample, what: str) -> None:
    statistics = SplitStatistics(("cat", "dog"))
    statistics.add(labelled)
    statistics.add(sample((9, 9, 60, 60), (9, 9, 60, 61), class_ids=(0, 1)))
    (found,) = statistics.suspicions
    assert (found.what, found.count, found.examples) == (what, 1, ("a",))


def test_duplicates_within_and_across_splits(voc_root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(voc_root, tmp_path / "VOCdevkit")) / "VOC2012"
    # 2010_000276 is in train, 2010_002531 in val; the copies are in train.
    lists = {name: root / "ImageSets" / "Main" / f"{name}.txt" for name in ("train", "val", "trainval")}
    assert "2010_002531" in lists["val"].read_text()
    for original, copy in (("2010_002531", "leaked"), ("2010_000276", "twice")):
        shutil.copy(root / "JPEGImages" / f"{original}.jpg", root / "JPEGImages" / f"{copy}.jpg")
        shutil.copy(root / "Annotations" / f"{original}.xml", root / "Annotations" / f"{copy}.xml")
        for name in ("train", "trainval"):
            lists[name].write_text(lists[name].read_text() + f"{copy}\n")
    check = check_data(open_dataset(tmp_path))
    groups = {frozenset(group.image_ids): group.spans_splits for group in check.exact}
    assert groups == {frozenset({"2010_002531", "leaked"}): True, frozenset({"2010_000276", "twice"}): False}
    assert (check.near, check.shared) == ((), ())
    assert {name: split.images for name, split in check.splits.items()} == {"train": 5, "trainval": 7, "val": 2}
    assert check.report.images == 7
    assert json.loads(json.dumps(check.to_dict()))["duplicates"]["exact"][0]["images"]


def test_images_that_two_splits_share(voc_root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(voc_root, tmp_path / "VOCdevkit")) / "VOC2012"
    val = root / "ImageSets" / "Main" / "val.txt"
    val.write_text(val.read_text() + "2010_000276\n")
    assert check_data(open_dataset(tmp_path), ("train", "val")).shared == (("train", "val", 1),)


def test_broken_files_are_left_out_and_reported(voc_root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(voc_root, tmp_path / "VOCdevkit")) / "VOC2012"
    (root / "JPEGImages" / "2010_000276.jpg").write_bytes(b"nothing")
    check = check_data(open_dataset(tmp_path))
    assert check.report.count(Problem.BROKEN_IMAGE) == 1
    assert {name: split.images for name, split in check.splits.items()} == {"train": 2, "trainval": 4, "val": 2}
    (root / "ImageSets" / "Main" / "val.txt").write_text("2010_000276\n")
    with pytest.raises(InputError, match=r"VOC2012 val: expected labelled images, got none that can be used of 1"):
        check_data(open_dataset(tmp_path), ("val",))


def test_no_usable_image_at_all(voc_root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(voc_root, tmp_path / "VOCdevkit")) / "VOC2012"
    shutil.rmtree(root / "JPEGImages")
    with pytest.raises(InputError, match=r"VOC2012: expected usable images, got none\. 5 images missing \(.*\); \S"):
        check_data(open_dataset(tmp_path))


def test_a_group_within_one_split() -> None:
    assert not DuplicateGroup(image_ids=("a", "b"), splits=(("train",), ("train",))).spans_splits
    assert DuplicateGroup(image_ids=("a", "b"), splits=(("train", "all"), ("all",))).spans_splits

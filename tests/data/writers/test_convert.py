"""There and back again: what a layout can hold comes back as it was."""

from __future__ import annotations

import errno
import itertools
import json
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from singleshot.data.dataset import Dataset, open_dataset
from singleshot.data.sample import Sample
from singleshot.data.writers.convert import Target, convert_data
from singleshot.data.writers.writers import CsvWriter, YoloWriter
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.voc_folder import VocFolder

ROUNDING_PX = 1e-4
"""YOLO's shares are multiplied by the image's size; everything else comes back exactly."""


def labels(dataset: Dataset, split: str) -> dict[str, tuple[Any, ...]]:
    """Image's name without suffix -> boxes, class names, difficult flags, size, bytes."""
    return {
        sample.image_id.removesuffix(sample.image_path.suffix): (
            sample.boxes_xyxy_px,
            [dataset.class_names[class_id] for class_id in sample.class_ids],
            sample.difficult.tolist(),
            (sample.height_px, sample.width_px),
            sample.image_path.read_bytes(),
        )
        for sample in dataset.samples(split)
    }


def assert_same(found: Dataset, wanted: Dataset, *, has_difficult: bool, has_shares: bool) -> None:
    assert set(found.official_splits()) == set(wanted.official_splits())
    for split in wanted.official_splits():
        ours, theirs = labels(found, split), labels(wanted, split)
        assert sorted(ours) == sorted(theirs)
        for image_id, (boxes, names, difficult, *rest) in theirs.items():
            np.testing.assert_allclose(ours[image_id][0], boxes, rtol=0, atol=ROUNDING_PX if has_shares else 0)
            assert ours[image_id][1] == names
            assert ours[image_id][2] == (difficult if has_difficult else [False] * len(difficult))
            assert list(ours[image_id][3:]) == rest
    assert found.report.to_dict()["problems"] == {}


@pytest.mark.parametrize(("first", "second"), list(itertools.product(get_args(Target), get_args(Target))))
@pytest.mark.parametrize("source", ["voc_root", "kaggle_root"])
def test_round_trips(
    request: pytest.FixtureRequest, tmp_path: Path, source: str, first: Target, second: Target
) -> None:
    original = open_dataset(request.getfixturevalue(source))
    names = original.class_names
    convert_data(original, first, tmp_path / "first")
    convert_data(open_dataset(tmp_path / "first", class_names=names), second, tmp_path / "second")
    again = open_dataset(tmp_path / "second", class_names=names)
    assert again.layout == second
    has_yolo = "yolo" in (first, second)
    assert_same(again, original, has_difficult=not has_yolo, has_shares=has_yolo)


boxes = hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 500, width=32)).map(
    lambda corners: np.concatenate([corners[:, :2], corners[:, :2] + np.maximum(corners[:, 2:], 1)], axis=1)
)


@pytest.mark.parametrize("target", get_args(Target))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boxes_xyxy_px=boxes)
def test_any_box_comes_back(
    target: Target, tmp_path_factory: pytest.TempPathFactory, voc_root: Path, boxes_xyxy_px: np.ndarray[Any, Any]
) -> None:
    from singleshot.data.writers import convert as conversion

    assume(boxes_xyxy_px.max() > 2)  # nothing but numbers up to 1 are shares
    folder = tmp_path_factory.mktemp("any")
    (image,) = (voc_root / "VOC2012" / "JPEGImages").glob("2010_000276.jpg")
    sample = Sample(
        image_id="a",
        image_path=image,
        boxes_xyxy_px=boxes_xyxy_px,
        class_ids=np.asarray([0, 1, 2], np.int64),
        difficult=np.asarray([False, True, False], np.bool_),
        height_px=1000,
        width_px=1000,
    )
    writer = conversion.WRITERS[target](folder, ("cat", "dog", "cow"))
    writer.images.mkdir()
    (writer.images / "a.jpg").symlink_to(image)
    writer.write_split("train", iter([(sample, "a.jpg")]))
    writer.finish()
    found = open_dataset(folder, class_names=("cat", "dog", "cow"))._layout.annotation(
        "a" if target == "voc" else "a.jpg"
    )
    written = np.asarray([item.box_xyxy for item in found.objects])
    if found.in_shares:
        written *= 1000
    np.testing.assert_allclose(written.astype(np.float32), boxes_xyxy_px, rtol=0, atol=ROUNDING_PX)
    assert [item.name for item in found.objects] == ["cat", "dog", "cow"]


@pytest.mark.parametrize(
    ("target", "crowd", "lost"),
    [
        pytest.param("coco", [False, True], [], id="COCO holds crowds"),
        pytest.param("voc", None, ["crowds: 1 regions so marked become difficult objects"], id="VOC does not"),
        pytest.param("yolo", None, ["crowds: 1 regions so marked are left out"], id="YOLO, where they are left out"),
        pytest.param("csv", None, ["crowds: 1 regions so marked become difficult objects"], id="nor does CSV"),
    ],
)
def test_crowds_stay_crowds_where_the_target_knows_them(
    tmp_path: Path, target: Target, crowd: list[bool] | None, lost: list[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((64, 64, 3), 90, np.uint8))
    (tmp_path / "annotations").mkdir()
    annotations = [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 8, 8], "area": 40.5, "iscrowd": 0},
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 40, 40], "area": 900, "iscrowd": 1},
    ]
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}]
    content = {"images": images, "categories": [{"id": 1, "name": "cat"}], "annotations": annotations}
    (tmp_path / "annotations" / "instances_train.json").write_text(json.dumps(content))
    conversion = convert_data(open_dataset(tmp_path), target, tmp_path / "there")
    assert [line for line in conversion.lost if line.startswith("crowds")] == lost
    (sample,) = open_dataset(tmp_path / "there", class_names=["cat"]).samples("train")
    assert sample.difficult.tolist() == ([False] if target == "yolo" else [False, True])
    assert (None if sample.crowd is None else sample.crowd.tolist()) == crowd
    assert (None if sample.areas_px is None else sample.areas_px.tolist()) == ([40.5, 900] if crowd else None)


def test_what_a_target_cannot_hold_is_said(voc_root: Path, tmp_path: Path) -> None:
    animals = open_dataset(voc_root, class_names=("dog", "chair"))
    assert convert_data(animals, "coco", tmp_path / "coco").lost == ()
    yolo = convert_data(animals, "yolo", tmp_path / "yolo")
    assert yolo.lost == ("difficult: 1 objects so marked become ordinary ones",)
    assert yolo.images == {"train": 3, "trainval": 5, "val": 2}


@pytest.mark.parametrize("target", ["coco", "yolo", "voc", "csv"])
def test_classes_keep_their_order_and_those_without_objects_too(voc_root: Path, tmp_path: Path, target: Target) -> None:
    names = ("sheep", "dog", "chair", "boat")
    conversion = convert_data(open_dataset(voc_root, class_names=names), target, tmp_path / target)
    assert not any("class" in line for line in conversion.lost)
    assert open_dataset(tmp_path / target).class_names == names


def test_images_are_linked_on_request(voc_root: Path, tmp_path: Path) -> None:
    convert_data(open_dataset(voc_root), "csv", tmp_path / "first")
    convert_data(open_dataset(tmp_path / "first"), "voc", tmp_path / "second", link=True)
    first, second = tmp_path / "first" / "images", tmp_path / "second" / "JPEGImages"
    assert all((second / path.name).samefile(path) for path in first.iterdir())


def test_names_with_spaces_become_ids_of_voc(voc_root: Path, tmp_path: Path) -> None:
    convert_data(open_dataset(voc_root), "csv", tmp_path / "first")
    for path in [*(tmp_path / "first").glob("*.csv")]:
        path.write_text(path.read_text().replace("2010_000276", "my dog"))
    (tmp_path / "first" / "images" / "2010_000276.jpg").rename(tmp_path / "first" / "images" / "my dog.jpg")
    converted = convert_data(open_dataset(tmp_path / "first", strict=True), "voc", tmp_path / "second")
    assert "spaces in 1 file names: they become _" in converted.lost
    assert "my_dog" in open_dataset(tmp_path / "second").sample_ids("train")


def test_two_images_of_one_name_are_refused(voc_root: Path, tmp_path: Path) -> None:
    convert_data(open_dataset(voc_root), "csv", tmp_path / "first")
    (tmp_path / "first" / "images" / "2010_000276.png").write_bytes(b"")
    table = tmp_path / "first" / "train.csv"
    table.write_text(table.read_text() + "2010_000276.png,dog,1,1,5,5,0\n")
    (tmp_path / "first" / "images" / "2010_000276.png").write_bytes(
        (tmp_path / "first" / "images" / "2010_000276.jpg").read_bytes()
    )
    with pytest.raises(InputError, match=r"2010_000276\.png: expected a name of its own, got that of 2010_000276\.jpg"):
        convert_data(open_dataset(tmp_path / "first"), "yolo", tmp_path / "second")
    assert [path.name for path in tmp_path.iterdir()] == ["first"], "whole or not at all"


def test_a_folder_that_holds_something_is_left_alone(voc_root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match=r"expected a new or empty folder, got one that holds something"):
        convert_data(open_dataset(voc_root), "coco", tmp_path)


def test_no_place_to_write_to(voc_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"out: expected a place that can be written to, got File exists\."):
        convert_data(open_dataset(voc_root), "yolo", tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("refused", "link", "message"),
    [
        pytest.param(
            "os.link", True, r"jpg: expected a file that can be linked to, got .* Leave out --link", id="link"
        ),
        pytest.param("shutil.copyfile", False, r"out: could not be written \(.*\); nothing was changed", id="copy"),
    ],
)
def test_what_the_system_refuses_leaves_nothing(
    voc_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, link: bool, message: str
) -> None:
    def refuse(*_places: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(refused, refuse)
    with pytest.raises(InputError, match=message):
        convert_data(open_dataset(voc_root), "yolo", tmp_path / "out", link=link)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_convert(kaggle_copy: Path, tmp_path: Path) -> None:
    for image in kaggle_copy.rglob("*.JPEG"):
        image.unlink()
    with pytest.raises(InputError, match=r"expected labelled images, got none that can be used of 6 listed\. 6 images"):
        convert_data(open_dataset(kaggle_copy), "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_that_yaml_would_take_for_something_else(tmp_path: Path) -> None:
    names = ("yes", "a: b", "it's #1", "[x]", "12", "plain (name)")
    writer = YoloWriter(tmp_path, names)
    writer.images.mkdir()
    writer.write_split("train", iter([]))
    writer.finish()
    (tmp_path / "labels").mkdir()
    assert open_dataset(tmp_path).class_names == names


def test_the_column_difficult_is_written_only_where_it_says_something(tmp_path: Path) -> None:
    sample = Sample(
        image_id="a",
        image_path=tmp_path / "a.jpg",
        boxes_xyxy_px=np.asarray([[1, 2, 4, 6]], np.float32),
        class_ids=np.asarray([0], np.int64),
        difficult=np.asarray([False], np.bool_),
        height_px=10,
        width_px=10,
    )
    CsvWriter(tmp_path, ("dog",)).write_split("train", iter([(sample, "a.jpg")]))
    assert (tmp_path / "train.csv").read_text() == "image,label,xmin,ymin,xmax,ymax\na.jpg,dog,1,2,3,5\n"


def test_some_splits_under_other_names(voc_root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(voc_root)
    plan = {"seeded-train": "train", "seeded-val": "mine"}
    conversion = convert_data(dataset, "yolo", tmp_path / "out", splits=plan, seed=3)
    written = open_dataset(tmp_path / "out", strict=True)
    assert written.official_splits() == ("train", "mine")
    assert conversion.images == {"train": 4, "mine": 1}
    for split, name in plan.items():
        stems = [Path(image_id).stem for image_id in written.sample_ids(name)]
        assert stems == dataset.sample_ids(split, seed=3)


def test_an_unknown_split_is_refused_before_anything_is_written(voc_root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^tset: expected a split of VOC2012, one of train, trainval, val, seeded-train"
    ):
        convert_data(open_dataset(voc_root), "coco", tmp_path / "out", splits={"train": "train", "tset": "test"})
    assert list(tmp_path.iterdir()) == []


def test_several_data_sets_become_one(voc_folder: VocFolder, tmp_path: Path) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    convert_data(open_dataset(voc_folder.root), "csv", tmp_path / "mine")
    for name in ("classes.txt", "train.csv"):
        path = tmp_path / "mine" / name
        path.write_text(path.read_text().replace("dog", "emu"))
    roots = voc_folder.folder, tmp_path / "mine", tmp_path / "mine"
    merged = open_dataset(*roots, strict=True)
    assert merged.found == "merged layout (voc, csv, csv): VOC2012 + mine + mine-2"
    assert merged.class_names[-1] == "emu"
    assert merged.notes[0].startswith("VOC2012 does not label emu: `train` leaves open whether its images show them; ")
    assert merged.notes[0].endswith("; converted to one data set, they count as showing none")
    convert_data(merged, "coco", tmp_path / "out")
    written = open_dataset(tmp_path / "out", strict=True)
    found = {s.image_id: written.class_names[s.class_ids[0]] for s in written.samples("train")}
    assert found == {"VOC2012/a.jpg": "dog", "mine/a.jpg": "emu", "mine-2/a.jpg": "emu"}


def test_classes_of_several_data_sets_can_be_made_one(voc_folder: VocFolder, tmp_path: Path) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9)), ("Dog", (2, 2, 9, 9))])
    assert open_dataset(voc_folder.root).notes == (
        "classes Dog and dog differ by capital letters alone (convert-data --rename OLD=NEW makes them one)",
    )
    assert open_dataset(voc_folder.root, voc_folder.root, renamed={"Dog": "dog"}).class_names == ("dog",)


def test_no_objects_are_written_on_request_alone(voc_folder: VocFolder, tmp_path: Path) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    voc_folder.add("b", [("cat", (1, 1, 9, 9))], split="val")
    with pytest.raises(InputError, match=r"VOC2012: expected objects of the classes cat, got none in 1 images\. Name"):
        convert_data(
            open_dataset(voc_folder.root, class_names=["cat"]), "csv", tmp_path / "out", splits={"train": "train"}
        )
    assert not (tmp_path / "out").exists()
    anyway = open_dataset(voc_folder.root, class_names=["cat"], anyway=True)
    assert convert_data(anyway, "csv", tmp_path / "out", splits={"train": "train"}).images == {"train": 1}


def test_a_test_set_without_labels_is_no_hindrance(voc_folder: VocFolder, tmp_path: Path) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    for split in ("test", "extra"):
        voc_folder.add(split, split=split)
        voc_folder.annotation_path(split).unlink()
    with pytest.raises(InputError, match=r"VOC2012 extra: expected labelled images, got none that can be used of 1"):
        convert_data(open_dataset(voc_folder.root), "coco", tmp_path / "out")
    (voc_folder.folder / "ImageSets" / "Main" / "extra.txt").unlink()
    lost = convert_data(open_dataset(voc_folder.root), "coco", tmp_path / "out").lost
    assert lost == ("test: it has no usable image",)

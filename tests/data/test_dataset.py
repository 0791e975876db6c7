"""Problems of the data: each is counted and named once, and with strict each is an error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import CLASSES_SHOWN, EXAMPLES_SHOWN, DataReport, Problem
from singleshot.data.usable_samples import check_samples, read_or_leave_out
from singleshot.runtime.errors import InputError

if TYPE_CHECKING:
    from singleshot.tests.fixtures.voc_folder import BoxText, VocFolder

Spoil = Callable[["VocFolder"], None]


def _list_twice(voc: VocFolder) -> None:
    voc.list_again("good")


def _lose_image(voc: VocFolder) -> None:
    voc.add("bad", [("dog", (1, 1, 9, 9))])
    voc.image_path("bad").unlink()


def _cut_image(voc: VocFolder) -> None:
    voc.add("bad", [("dog", (1, 1, 9, 9))])
    voc.image_path("bad").write_bytes(voc.image_path("bad").read_bytes()[:-9])


def _resize_image(voc: VocFolder) -> None:
    voc.add("bad", [("dog", (1, 1, 9, 9))])
    cv2.imwrite(str(voc.image_path("bad")), np.zeros((48, 32, 3), np.uint8))


def _lose_annotation(voc: VocFolder) -> None:
    voc.add("bad", [("dog", (1, 1, 9, 9))])
    voc.annotation_path("bad").unlink()


def _break_annotation(voc: VocFolder) -> None:
    voc.add("bad")
    voc.annotation_path("bad").write_text("<annotation><object>")


def _box(*corners: object) -> Spoil:
    return lambda voc: voc.add("bad", [("dog", corners)])  # type: ignore[list-item] # four of them


def _name_class(voc: VocFolder) -> None:
    voc.add("bad", [("unicorn", (1, 1, 9, 9))])


def _unsized(voc: VocFolder) -> None:
    voc.add("bad", [("dog", (1, 1, 9, 9))], size_xml="")
    voc.image_path("bad").write_bytes(b"nonsense")


PROBLEMS = [
    # what is done to the data, the problem, part of its message, images that are kept of two
    pytest.param(_list_twice, Problem.LISTED_TWICE, "good: expected once in train, got it again", 1, id="listed twice"),
    pytest.param(_lose_image, Problem.MISSING_IMAGE, "bad.jpg: expected an image, got no such", 1, id="missing image"),
    pytest.param(_cut_image, Problem.BROKEN_IMAGE, "bad.jpg: expected a whole image", 1, id="image cut short"),
    pytest.param(_unsized, Problem.BROKEN_IMAGE, "got 8 bytes that are none", 1, id="no size and no image"),
    pytest.param(_resize_image, Problem.WRONG_SIZE, "expected 48 x 32 as annotated, got 32 x 48", 1, id="turned image"),
    pytest.param(
        _lose_annotation, Problem.MISSING_ANNOTATION, "bad.xml: expected an annotation", 1, id="no annotation"
    ),
    pytest.param(_break_annotation, Problem.BROKEN_ANNOTATION, "bad.xml: expected XML", 1, id="broken XML"),
    pytest.param(_box(1, 1, "wide", 9), Problem.BROKEN_ANNOTATION, "bndbox/xmax, got 'wide'", 1, id="no number"),
    pytest.param(_box(1, 1, "nan", 9), Problem.BROKEN_ANNOTATION, "bndbox/xmax, got 'nan'", 1, id="not a number"),
    pytest.param(_box(9, 1, 8, 9), Problem.EMPTY_BOX, "bad: dog at (8.0, 0.0, 8.0, 9.0)", 2, id="no width"),
    pytest.param(_box(60, 1, 70, 9), Problem.OUTSIDE_BOX, "in an image of 48 x 32", 2, id="outside"),
    pytest.param(_box(40, 1, 49, 9), Problem.CLIPPED_BOX, "in an image of 48 x 32", 2, id="one pixel over the edge"),
    pytest.param(
        _name_class, Problem.UNLISTED_CLASS, "bad: expected a class of the list, got unicorn", 2, id="unlisted"
    ),
]


@pytest.mark.parametrize(("spoil", "problem", "message", "kept"), PROBLEMS)
def test_a_problem_is_counted_and_named_once(
    voc_folder: VocFolder, spoil: Spoil, problem: Problem, message: str, kept: int
) -> None:
    voc_folder.add("good", [("dog", (1, 1, 9, 9))])
    spoil(voc_folder)
    dataset = open_dataset(voc_folder.root, class_names=["dog"], anyway=True)
    check_samples(dataset, "train")
    assert len(list(dataset.samples("train"))) == kept  # reading again changes nothing
    assert {item: dataset.report.count(item) for item in Problem if dataset.report.count(item)} == {problem: 1}
    assert message in dataset.report.examples(problem)[0]
    assert dataset.report.images == kept
    assert any(line.startswith(f"1 {problem.value}") for line in dataset.report.lines())


@pytest.mark.parametrize(("spoil", "problem", "message", "kept"), PROBLEMS)
def test_strict_makes_it_an_error(
    voc_folder: VocFolder, spoil: Spoil, problem: Problem, message: str, kept: int
) -> None:
    voc_folder.add("good", [("dog", (1, 1, 9, 9))])
    spoil(voc_folder)
    with pytest.raises(InputError) as raised:
        check_samples(open_dataset(voc_folder.root, class_names=["dog"], strict=True), "train")
    assert message in str(raised.value)
    assert str(raised.value).endswith("Mend the data, or leave out --strict to have such cases counted.")


@pytest.mark.parametrize(
    ("written", "remarks", "objects"),
    [
        pytest.param([(30, 20, 9, 5)], {"objects whose corners are exchanged (read in order)": 1}, 1, id="both axes"),
        pytest.param([(30, 5, 9, 20)], {"objects whose corners are exchanged (read in order)": 1}, 1, id="one axis"),
        pytest.param(
            [(9, 5, 30, 20)] * 3, {"objects labelled again by the same box and class (read once)": 2}, 1, id="thrice"
        ),
        pytest.param([(9, 5, 30, 20), (9, 5, 30, 19)], {}, 2, id="two that are nearly the same"),
    ],
)
def test_what_is_read_in_another_way_than_written_is_counted(
    voc_folder: VocFolder, written: list[BoxText], remarks: dict[str, int], objects: int
) -> None:
    voc_folder.add("a", [("dog", box) for box in written])
    dataset = open_dataset(voc_folder.root, strict=True)
    (sample,) = dataset.samples("train")
    assert len(sample) == objects
    assert sample.boxes_xyxy_px[0].tolist() == [8, 4, 30, 20]
    assert dict(dataset.report.remarks) == remarks


@pytest.mark.parametrize("lacking", [pytest.param(2, id="no end marker"), pytest.param(60, id="no end of the picture")])
def test_a_jpeg_that_ends_early_is_read_where_its_picture_is_whole(voc_folder: VocFolder, lacking: int) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))], image=np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8))
    path = voc_folder.image_path("a")
    path.write_bytes(path.read_bytes()[:-lacking])
    dataset = open_dataset(voc_folder.root)
    is_whole = lacking == 2
    assert len(list(dataset.samples("train"))) == is_whole
    assert dataset.report.count(Problem.BROKEN_IMAGE) == (not is_whole)
    told = {"JPEGs without an end marker (read; the picture is whole)": 1}
    assert dict(dataset.report.remarks) == (told if is_whole else {})


def test_a_picture_whose_decoder_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, voc_folder: VocFolder
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in "ab":
        voc_folder.add(name, [("dog", (1, 1, 9, 9))], size_xml="")
    voc_folder.image_path("a").with_suffix(".heic").write_bytes(b"\0\0\0\x10ftypheic\0\0\0\0")
    voc_folder.image_path("a").unlink()
    dataset = open_dataset(voc_folder.root)
    assert [sample.image_id for sample in dataset.samples("train")] == ["b"]
    assert "pip install 'singleshot[heic]'" in dataset.report.examples(Problem.BROKEN_IMAGE)[0]


def test_what_is_clipped_ends_at_the_edge(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (-9, -9, 60, 60)), ("dog", (40, 20, 60, 60))])
    (sample,) = open_dataset(voc_folder.root).samples("train")
    np.testing.assert_array_equal(sample.boxes_xyxy_px, [[0, 0, 48, 32], [39, 19, 48, 32]])


def test_an_image_without_objects_is_kept_and_counted(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    voc_folder.add("background")
    dataset = open_dataset(voc_folder.root, strict=True)
    samples = {sample.image_id: sample for sample in dataset.samples("train")}
    assert samples["background"].boxes_xyxy_px.shape == (0, 4)
    assert (dataset.report.images, dataset.report.background_images) == (2, 1)
    assert dataset.report.to_dict()["problems"] == {}


def test_the_report_is_json_and_counts_what_was_read(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9)), ("cow", (1, 1, 9, 9)), ("sofa", (1, 1, 9, 9))], difficult=True)
    voc_folder.add("b")
    dataset = open_dataset(voc_folder.root, class_names=("cow", "dog"))
    for _ in range(2):
        list(dataset.samples("train"))
    assert json.loads(json.dumps(dataset.report.to_dict())) == {
        "images": 2,
        "background_images": 1,
        "objects": {"cow": 1, "dog": 1},
        "difficult_objects": 2,
        "crowds": 0,
        "remarks": {},
        "unlisted_classes": {"sofa": 1},
        "problems": {"unlisted_class": {"count": 1, "examples": ["a: expected a class of the list, got sofa"]}},
    }
    assert dataset.report.lines() == [
        "2 images read, 1 of them without objects; 2 objects, 2 of them difficult",
        "1 objects of a class not in the list (dropped): sofa 1",
        "  a: expected a class of the list, got sofa",
    ]


def test_many_cases_are_counted_and_a_few_named() -> None:
    report = DataReport()
    for number in range(EXAMPLES_SHOWN + 3):
        report.add_problem(Problem.EMPTY_BOX, f"image {number}")
    for number in range(CLASSES_SHOWN + 2):
        report.unlisted[f"class{number}"] += 1
        report.add_problem(Problem.UNLISTED_CLASS, "an image")
    assert report.lines()[1] == f"{EXAMPLES_SHOWN + 3} {Problem.EMPTY_BOX.value}"
    assert report.lines()[EXAMPLES_SHOWN + 2] == "  and 3 more"
    assert any(line.endswith(f"class{CLASSES_SHOWN - 1} 1 and 2 more classes") for line in report.lines())


def test_every_file_that_cannot_be_read_is_named_to_machines() -> None:
    report = DataReport()
    for number in range(EXAMPLES_SHOWN + 3):
        report.add_problem(Problem.BROKEN_IMAGE, f"image {number}")
    assert report.lines()[EXAMPLES_SHOWN + 1 :] == [
        f"  image {EXAMPLES_SHOWN - 1}",
        "  and 3 more: `singleshot check-data --json` names all",
    ]
    assert report.to_dict()["problems"]["broken_image"]["examples"] == [
        f"image {number}" for number in range(EXAMPLES_SHOWN + 3)
    ]


def test_the_check_streams_and_tells_how_far_it_is(voc_folder: VocFolder) -> None:
    for number in range(40):
        voc_folder.add(f"image{number}", [("dog", (1, 1, 9, 9))], hw=(8, 8))
    voc_folder.image_path("image7").unlink()
    seen: list[tuple[str, int, int]] = []
    report = check_samples(open_dataset(voc_folder.root), "train", on_progress=lambda *at: seen.append(at))
    assert seen == [*(("train", done, 40) for done in range(1, 40)), ("train", 40, 40)]
    assert report.images == 39


def test_a_split_of_nothing_usable_is_an_error(voc_folder: VocFolder) -> None:
    _cut_image(voc_folder)
    with pytest.raises(InputError) as raised:
        check_samples(open_dataset(voc_folder.root), "train")
    assert str(raised.value).startswith(
        "VOC2012 train: expected labelled images, got none that can be used of 1 listed. 1 images that do not decode"
    )


def test_an_image_that_breaks_later_is_left_out_then(voc_folder: VocFolder) -> None:
    voc_folder.add("good", [("dog", (1, 1, 9, 9))])
    voc_folder.add("bad", [("dog", (1, 1, 9, 9))])
    dataset = open_dataset(voc_folder.root)
    good, bad = dataset.samples("train")
    voc_folder.image_path("bad").write_bytes(b"")
    image = read_or_leave_out(dataset, good)
    assert image is not None
    assert image.shape == (32, 48, 3)
    assert read_or_leave_out(dataset, bad) is None
    assert [sample.image_id for sample in dataset.samples("train")] == ["good"]
    assert (dataset.report.images, dataset.report.objects["dog"]) == (1, 1)


def test_an_unknown_split_is_an_error_that_names_the_splits(voc_root: Path) -> None:
    with pytest.raises(InputError) as raised:
        list(open_dataset(voc_root).samples("vall"))
    assert str(raised.value) == (
        "vall: expected a split of VOC2012, one of train, trainval, val, seeded-train, seeded-val. "
        "Name one of them with --split."
    )


@pytest.mark.parametrize(
    ("class_names", "got"),
    [pytest.param(("dog", "cat", "dog"), "dog twice", id="one twice"), pytest.param((), "none", id="none")],
)
def test_classes_must_differ(voc_root: Path, class_names: tuple[str, ...], got: str) -> None:
    with pytest.raises(InputError, match=f"class_names: expected a list of different classes, got {got}. Name each"):
        open_dataset(voc_root, class_names=class_names)


@pytest.mark.parametrize("below", [".", "VOC2012"])
def test_a_voc_folder_is_found_from_wherever_one_points(voc_root: Path, below: str) -> None:
    for root in (voc_root / below, voc_root.parent / "VOCdevkit" / below):
        assert open_dataset(root).name == "VOC2012"


def test_voc_is_found_below_the_folder_that_holds_it(voc_folder: VocFolder) -> None:
    voc_folder.add("a")
    assert open_dataset(voc_folder.root).layout == "voc"


def test_a_kaggle_folder_is_found_from_wherever_one_points(kaggle_root: Path) -> None:
    assert open_dataset(kaggle_root).layout == "kaggle"
    assert open_dataset(kaggle_root / "ILSVRC").layout == "kaggle"


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: expected a folder with labelled images, got none"):
        open_dataset(tmp_path / "nowhere")


def test_no_layout_is_an_error_that_names_all(tmp_path: Path) -> None:
    named = r"ILSVRC/.*VOCdevkit/VOC2012/ .*COCO's.*YOLO's.*image,label,xmin,ymin,xmax,ymax.*CVAT"
    with pytest.raises(InputError, match=named):
        open_dataset(tmp_path)


def test_several_data_sets_are_an_error_that_names_them(voc_folder: VocFolder) -> None:
    voc_folder.add("a")
    voc_folder.year = "VOC2007"
    voc_folder.add("b")
    with pytest.raises(InputError, match=r"expected one data set, got several\. Name one of .*VOC2007, .*VOC2012 with"):
        open_dataset(voc_folder.root)


def test_images_without_labels_are_background_on_request(voc_folder: VocFolder) -> None:
    voc_folder.add("a")
    voc_folder.add("b")
    (voc_folder.folder / "Annotations" / "b.xml").unlink()
    assert [sample.image_id for sample in open_dataset(voc_folder.root).samples("train")] == ["a"]
    dataset = open_dataset(voc_folder.root, missing_is_background=True, strict=True)
    assert [(sample.image_id, len(sample)) for sample in dataset.samples("train")][1] == ("b", 0)
    assert "1 images without a file of labels (taken as background)" in dataset.report.lines()


def test_classes_are_renamed_and_several_may_become_one(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9)), ("cat", (2, 2, 9, 9)), ("sofa", (3, 3, 9, 9))])
    renamed = {"dog": "animal", "cat": "animal"}
    dataset = open_dataset(voc_folder.root, renamed=renamed, class_names=["sofa", "animal"])
    assert next(dataset.samples("train")).class_ids.tolist() == [1, 1, 0]
    names = open_dataset(voc_folder.root, renamed=renamed).class_names
    assert (names.count("animal"), "dog" in names, len(names)) == (1, False, 19)
    with pytest.raises(InputError, match=r"^lion: expected a class of VOC2012 to rename, one of aeroplane, "):
        open_dataset(voc_folder.root, renamed={"lion": "animal"})


def test_an_image_that_cannot_be_used_cannot_be_asked_for(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    voc_folder.list_again("gone")
    dataset = open_dataset(voc_folder.root)
    assert dataset.sample("a").image_id == "a"
    with pytest.raises(InputError, match=r"gone: expected a usable image, got one that was left out; the report says"):
        dataset.sample("gone")


def test_val_of_data_without_lists_is_the_seeded_one(voc_folder: VocFolder, tmp_path: Path) -> None:
    for number in range(6):
        voc_folder.add(f"{number}", [("dog", (1, 1, 20, 20))], split="val" if number % 2 else "train")
    with_lists = open_dataset(voc_folder.root, class_names=("dog",))
    assert with_lists.split_meant_by("val") == "val"
    shutil.rmtree(voc_folder.folder / "ImageSets")
    without = open_dataset(voc_folder.root, class_names=("dog",))
    assert without.split_meant_by("val") == "seeded-val"
    assert without.split_meant_by("train") == "train"
    assert list(without.samples(without.split_meant_by("val")))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("result.json", "seeded-val", id="a name that says nothing"),
        pytest.param("instances_test2017.json", "val", id="images to test on alone"),
        pytest.param("train.json", "val", id="images to train on alone"),
    ],
)
def test_val_beside_one_file_is_the_seeded_one_where_its_name_says_nothing(
    name: str, meant: str, tmp_path: Path
) -> None:
    image = {"id": 1, "file_name": "a.png", "width": 32, "height": 32}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 20, 20]}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "dog"}]}
    (tmp_path / name).write_text(json.dumps(content))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 32, 3), np.uint8))
    assert open_dataset(tmp_path).split_meant_by("val") == meant

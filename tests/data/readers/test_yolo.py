"""YOLO's text files: the convention by hand, the places where people keep things, and what can be wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.readers.yolo import label_path, read_yolo_settings
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError

HW = (20, 40)


def add_image(root: Path, name: str, labels: str | None) -> None:
    """Write an image below `root` and, unless None, its labels."""
    image = root / name
    image.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(image), np.full((*HW, 3), 90, np.uint8))
    label_path(image).parent.mkdir(parents=True, exist_ok=True)
    if labels is not None:
        label_path(image).write_text(labels)


@pytest.mark.parametrize(
    ("line", "edges"),
    [
        pytest.param("1 0.5 0.5 0.25 0.5", (15, 5, 25, 15), id="centre and size, times 40 and 20"),
        pytest.param("1 0.5 0.5 1 1", (0, 0, 40, 20), id="the whole image"),
        pytest.param("1,0.5,0.5,1,1", (0, 0, 40, 20), id="commas between numbers"),
        pytest.param("1, 0.5, 0.5, 0.25, 0.5", (15, 5, 25, 15), id="commas and spaces"),
        pytest.param("1 0,5 0,5 0,25 0,5", (15, 5, 25, 15), id="decimal commas"),
        pytest.param("1 0.0125 0.025 0.025 0.05", (0, 0, 1, 1), id="the first pixel"),
    ],
)
def test_boxes_by_hand(tmp_path: Path, line: str, edges: tuple[float, ...]) -> None:
    add_image(tmp_path, "images/train/a.jpg", f"{line}\n\n")
    add_image(tmp_path, "images/train/b.jpg", "")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    dataset = open_dataset(tmp_path, strict=True)
    assert (dataset.layout, dataset.class_names) == ("yolo", ("cat", "dog"))
    first, second = dataset.samples("train")
    np.testing.assert_allclose(first.boxes_xyxy_px, [edges], atol=1e-5)
    assert (first.image_id, first.class_ids.tolist()) == ("train/a.jpg", [1])
    assert len(second) == 0, "an empty file says that there is no object"


def test_tracked_boxes_are_no_triangles(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", "0 0.5 0.5 0.25 0.5 0.9 1\n0 0.5 0.5 0.5 0.5 0.9 12\n0 0 0 1 0 1 1\n")
    (tmp_path / "classes.txt").write_text("dog\n")
    dataset = open_dataset(tmp_path, strict=True)
    (sample,) = dataset.samples("train")
    np.testing.assert_allclose(sample.boxes_xyxy_px, [(15, 5, 25, 15), (10, 5, 30, 15), (0, 0, 40, 20)], atol=1e-5)
    assert "2 objects given with a score (it is not read)" in dataset.report.lines()


def test_labels_without_their_picture_are_counted(tmp_path: Path) -> None:
    """Otherwise half of a data set may be away and nobody is told."""
    add_image(tmp_path, "images/train/a.jpg", "0 0.5 0.5 0.5 0.5\n")
    for name, text in (("b", "0 0.5 0.5 0.5 0.5"), ("notes", "made by me"), ("empty", ""), (".hidden", "0 1 1 1 1")):
        (tmp_path / "labels" / "train" / f"{name}.txt").write_text(text)
    (tmp_path / "classes.txt").write_text("dog\n")
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("train")] == ["train/a.jpg"]
    (line,) = dataset.report.examples(Problem.MISSING_IMAGE)
    assert line.endswith("images/train/b.jpg: expected an image, got no such file")


def test_labels_under_the_whole_name_of_the_picture(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", None)
    (tmp_path / "labels" / "train" / "a.jpg.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "classes.txt").write_text("dog\n")
    (sample,) = open_dataset(tmp_path, strict=True).samples("train")
    assert len(sample) == 1


def test_names_have_no_space_around_them(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", "0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("names: [' dog ', \"my cat\\n\"]\n")
    assert open_dataset(tmp_path).class_names == ("dog", "my cat")


def test_yaml_that_takes_over_what_another_part_says(tmp_path: Path) -> None:
    add_image(tmp_path, "images/a/a.jpg", "0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("all: &all\n  names: [dog]\n  train: images/b\n<<: *all\ntrain: images/a\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.class_names, dataset.official_splits()) == (("dog",), ("train",))


@pytest.mark.parametrize(
    ("images", "yaml", "splits"),
    [
        pytest.param(["images/train/a.jpg", "images/val/b.jpg"], "", ("train", "val"), id="folders below images"),
        pytest.param(
            ["train/images/a.jpg", "valid/images/b.jpg"], "", ("train", "val", "valid"), id="images below folders"
        ),
        pytest.param(["images/a.jpg", "images/b.jpg"], "", ("all",), id="no splits"),
        pytest.param(
            ["images/p/a.jpg", "images/q/b.jpg"],
            "train: images/p\nval: images/q\ntest: gone\n",
            ("train", "val"),
            id="named",
        ),
        pytest.param(
            ["train/images/a.jpg", "valid/images/b.jpg"],
            "train: ../train/images\nval: ../valid/images\n",
            ("train", "val"),
            id="named relative to a folder that is gone",
        ),
    ],
)
def test_places(tmp_path: Path, images: list[str], yaml: str, splits: tuple[str, ...]) -> None:
    for name in images:
        add_image(tmp_path, name, "0 0.5 0.5 0.5 0.5")
    (tmp_path / "data.yaml").write_text(yaml + "names: [dog]\n")
    dataset = open_dataset(tmp_path)
    assert dataset.split_names()[:-2] == splits
    found = [sample.image_id for split in dataset.official_splits() for sample in dataset.samples(split)]
    assert sorted(Path(image_id).name for image_id in found) == ["a.jpg", "b.jpg"]
    assert dataset.report.to_dict()["problems"] == {}


def test_a_list_of_images_is_a_split(tmp_path: Path) -> None:
    for name in "abc":
        add_image(tmp_path, f"images/{name}.jpg", "0 0.5 0.5 0.5 0.5")
    (tmp_path / "some.txt").write_text("./images/c.jpg\n./images/a.jpg\n")
    (tmp_path / "data.yaml").write_text("train: some.txt\nnames: [dog]\n")
    assert open_dataset(tmp_path / "labels").sample_ids("train") == ["c.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("labels", "problem", "example"),
    [
        pytest.param(None, Problem.MISSING_ANNOTATION, "an empty file for no objects", id="no file"),
        pytest.param("2 .5 .5 .5 .5", Problem.UNLISTED_CLASS, "got class 2", id="a class beyond the names"),
        pytest.param("0 .5 .5 .5", Problem.BROKEN_ANNOTATION, "a.txt line 1: expected `class cx cy", id="four numbers"),
        pytest.param("0 .5 .5 .5 .5\n0 1 2 3 x", Problem.BROKEN_ANNOTATION, "a.txt line 2: expected", id="a letter"),
        pytest.param("0.5 .5 .5 .5 .5", Problem.BROKEN_ANNOTATION, "`class cx cy width height`", id="half a class"),
        pytest.param("-1 .5 .5 .5 .5", Problem.BROKEN_ANNOTATION, "`class cx cy width height`", id="a class below 0"),
        pytest.param(
            "0 .1 .1 .2 .1 .2 .2 .3", Problem.BROKEN_ANNOTATION, "class x1 y1 x2 y2 x3 y3", id="half a corner"
        ),
        pytest.param("0 .5 .5 .5 .5 .4 .4 2 .6 .6", Problem.BROKEN_ANNOTATION, "class x1 y1 x2", id="half a key point"),
        pytest.param("0 20 10 8 8", Problem.BROKEN_ANNOTATION, "expected shares of the image's width", id="pixels"),
        pytest.param("0 nan .5 .5 .5", Problem.BROKEN_ANNOTATION, "`class cx cy width height`", id="not a number"),
        pytest.param("0 .9 .5 .4 .5", Problem.CLIPPED_BOX, "dog at", id="reaching out"),
    ],
)
def test_what_is_wrong_is_reported(tmp_path: Path, labels: str | None, problem: Problem, example: str) -> None:
    add_image(tmp_path, "images/train/a.jpg", labels)
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    dataset = open_dataset(tmp_path)
    list(dataset.samples("train"))
    assert dataset.report.count(problem) == 1
    assert example in dataset.report.examples(problem)[0]


def test_a_split_that_is_trained_on_is_told(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", "0 .5 .5 .5 .5")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: ./images/train\nnames: [dog]\n")
    assert open_dataset(tmp_path).notes == ("val is the images of train: figures on it say nothing of others",)


def test_an_image_that_does_not_tell_its_size(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", "0 .5 .5 .5 .5")
    (tmp_path / "images" / "train" / "a.jpg").write_bytes(b"nothing")
    (tmp_path / "classes.txt").write_text("dog\n")
    dataset = open_dataset(tmp_path)
    assert list(dataset.samples("train")) == []
    assert dataset.report.count(Problem.BROKEN_IMAGE) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, r"expected different names of the classes, got none\. Write classes\.txt", id="no names"),
        pytest.param({"classes.txt": "dog\ndog\n"}, r"names of the classes, got a name twice", id="one twice"),
        pytest.param(
            {"classes.txt": "dog\n", "data.yaml": "names: [cat]"}, r"names that the YAML file gives", id="two lists"
        ),
        pytest.param(
            {"a.yaml": "names: [dog]", "b.yml": "names: [dog]"},
            r"expected one YAML file, got a\.yaml, b\.yml",
            id="two YAML files",
        ),
        pytest.param(
            {"data.yaml": "val: gone\nnames: [dog]"}, r"list gone, which the YAML file names for val", id="no folder"
        ),
    ],
)
def test_folders_that_cannot_be_opened(tmp_path: Path, files: dict[str, str], message: str) -> None:
    add_image(tmp_path, "images/train/a.jpg", "")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("names: [cat, 'my dog', \"a, b\"]", ("cat", "my dog", "a, b"), id="in brackets"),
        pytest.param("names: {0: cat, 1: 'dog'}", ("cat", "dog"), id="in braces"),
        pytest.param("names:\n- cat\n- dog # barks\n", ("cat", "dog"), id="a list"),
        pytest.param("nc: 2\nnames:\n  1: dog\n  0: 'c #1: it''s'\n\nval: x\n", ("c #1: it's", "dog"), id="a table"),
        pytest.param(
            "\ufeffnames: [no, 1, null]", ("no", "1", "null"), id="words that YAML has a meaning for, and a mark"
        ),
        pytest.param("names: &all\n  - cat\n", ("cat",), id="an anchor"),
        pytest.param("names:\nval: x", (), id="nothing"),
        pytest.param("# nothing yet\n", (), id="a comment alone"),
    ],
)
def test_names_in_yaml(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yolo_settings(path).names == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "names:\n  0: cat\n  2: dog", r"numbered from 0 without gaps, got \{'0': 'cat', '2': 'dog'\}", id="a gap"
        ),
        pytest.param("names: cat", r"expected names as a list, .*, got cat\.", id="one name that is no list"),
        pytest.param("names: [cat, [dog]]", r"expected names as a list", id="a list in a list"),
        pytest.param(
            "train:\n  - a\n  - [b]",
            r"expected folders or lists for train, got \['a', \['b'\]\]",
            id="a list in a list",
        ),
        pytest.param("names: [cat", r"expected YAML, got while parsing a flow sequence .* line 1", id="no end"),
    ],
)
def test_yaml_that_is_not_understood(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_yolo_settings(path)


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        pytest.param("d/images/train/a.jpg", "d/labels/train/a.txt", id="one folder images"),
        pytest.param("images/x/images/a.b.png", "images/x/labels/a.b.txt", id="the last of two"),
        pytest.param("d/a.jpg", "d/a.txt", id="beside the image"),
    ],
)
def test_place_of_labels(image: str, labels: str) -> None:
    assert label_path(Path(image)) == Path(labels)


@pytest.mark.parametrize(
    ("line", "edges", "remark"),
    [
        pytest.param("0 .25 .25 .75 .25 .5 .75", (10, 5, 30, 15), "corners", id="a polygon"),
        pytest.param("0 .5 0 1 .5 .5 1 0 .5", (0, 0, 40, 20), "corners", id="a turned box"),
        pytest.param("0 .5 .5 .25 .5 .91", (15, 5, 25, 15), "a score", id="a detector's score"),
    ],
)
def test_what_is_no_box_is_read_as_one_and_said(
    tmp_path: Path, line: str, edges: tuple[float, ...], remark: str
) -> None:
    add_image(tmp_path, "images/train/a.jpg", f"{line}\n")
    (tmp_path / "classes.txt").write_text("dog\n")
    dataset = open_dataset(tmp_path, strict=True)
    for _ in range(2):
        (sample,) = dataset.samples("train")
    np.testing.assert_allclose(sample.boxes_xyxy_px, [edges], atol=1e-5)
    assert any(text.startswith("1 objects given") and remark in text for text in dataset.report.lines())


@pytest.mark.parametrize(
    ("images", "files", "splits"),
    [
        pytest.param(
            ["obj_train_data/a.jpg", "obj_train_data/b.jpg"],
            {"obj.names": "dog\n", "train.txt": "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n"},
            {"train": ["obj_train_data/a.jpg", "obj_train_data/b.jpg"]},
            id="CVAT",
        ),
        pytest.param(["a.jpg"], {"classes.txt": "dog\n"}, {"all": ["a.jpg"]}, id="labelImg and darknet"),
        pytest.param(["data/a.jpg"], {"data/classes.txt": "dog\n"}, {"all": ["data/a.jpg"]}, id="a folder data"),
        pytest.param(
            ["train/a.jpg", "val/b.jpg"],
            {"data.yaml": "names: [dog]"},
            {"train": ["train/a.jpg"], "val": ["val/b.jpg"]},
            id="a folder a split",
        ),
        pytest.param(
            ["images/train/a.jpg", "images/val/b.jpg"],
            {"data.yaml": "path: C:\\x\ntrain: C:\\x\\images\\train\nval: /content/x/images/val\nnames:\t[dog]"},
            {"train": ["train/a.jpg"], "val": ["val/b.jpg"]},
            id="folders of another machine",
        ),
        pytest.param(
            ["images/train/a.jpg"],
            {"data.yaml": "train: train.txt\nnames: [dog]", "train.txt": "C:\\x\\images\\train\\a.jpg\n"},
            {"train": ["train/a.jpg"]},
            id="a list of another machine",
        ),
        pytest.param(
            ["images/train/a.jpg", "images/train/._a.jpg", "images/train/.hidden/b.jpg"],
            {"hyp.yaml": "lr0: 0.01", "data.yaml": "names: [dog]"},
            {"train": ["train/a.jpg"]},
            id="hidden files, and a second YAML file that names nothing",
        ),
    ],
)
def test_places_of_other_tools(
    tmp_path: Path, images: list[str], files: dict[str, str], splits: dict[str, list[str]]
) -> None:
    for name in images:
        add_image(tmp_path, name, "0 0.5 0.5 0.5 0.5")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.layout == "yolo"
    assert {split: dataset.sample_ids(split) for split in dataset.official_splits()} == splits
    assert all(len(sample) == 1 for split in splits for sample in dataset.samples(split))


def test_a_folder_without_an_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(InputError, match=r"expected images in YOLO's layout, got none\. Put them into images/train\."):
        open_dataset(tmp_path)


def test_several_folders_and_lists_make_one_split(tmp_path: Path) -> None:
    for name in ("images/p/a.jpg", "images/q/b.jpg", "images/q/c.jpg"):
        add_image(tmp_path, name, "0 0.5 0.5 0.5 0.5")
    (tmp_path / "some.txt").write_text("images/q/c.jpg\n")
    text = "path: ../gone\ntrain:\n  - images/p\n  - some.txt\nvalid: [images/q]\nnames: [dog]\n"
    (tmp_path / "data.yaml").write_text(text)
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.sample_ids("train") == ["p/a.jpg", "q/c.jpg"]
    assert dataset.sample_ids("val") == ["q/b.jpg", "q/c.jpg"]
    assert dataset.official_splits() == ("train", "val")


def test_one_of_several_yaml_files_can_be_named(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", "0 0.5 0.5 0.5 0.5")
    (tmp_path / "one.yaml").write_text("train: images/train\nnames: [dog]\n")
    (tmp_path / "two.yaml").write_text("train: images/train\nnames: [cat]\n")
    assert open_dataset(tmp_path / "two.yaml", strict=True).class_names == ("cat",)
    with pytest.raises(InputError, match=r"expected one YAML file, got one\.yaml, two\.yaml"):
        open_dataset(tmp_path)


def test_a_line_that_stands_twice_is_read_once(tmp_path: Path) -> None:
    add_image(tmp_path, "images/train/a.jpg", "0 .5 .5 .5 .5\n0 .5 .5 .5 .5\n0 .5 .5 .5 .25")
    (tmp_path / "classes.txt").write_text("dog\n")
    dataset = open_dataset(tmp_path, strict=True)
    assert len(next(dataset.samples("train"))) == 2
    assert "1 objects labelled again by the same box and class (read once)" in dataset.report.lines()


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        pytest.param("0 .5 .5 .5 .5 .9 .9 2 .1 .1 0", "", id="flags of which one is 2"),
        pytest.param("0 .5 .5 .5 .5 .9 .9 .1 .1", "kpt_shape: [2, 2]\n", id="without flags, as the YAML file says"),
        pytest.param("0 .5 .5 .5 .5 .9 .9 1", "kpt_shape: [1, 3]\n", id="one, as the YAML file says"),
    ],
)
def test_of_key_points_the_box_is_read(tmp_path: Path, line: str, shape: str) -> None:
    add_image(tmp_path, "images/train/a.jpg", line)
    (tmp_path / "data.yaml").write_text(f"{shape}train: images/train\nnames: [dog]\n")
    dataset = open_dataset(tmp_path, strict=True)
    (sample,) = dataset.samples("train")
    width, height = sample.width_px, sample.height_px
    assert sample.boxes_xyxy_px.tolist() == [[width / 4, height / 4, width * 3 / 4, height * 3 / 4]]
    assert "1 objects given with key points (which are not read)" in dataset.report.lines()


def test_lists_at_the_root_split_one_folder_of_images(tmp_path: Path) -> None:
    for name in "ab":
        add_image(tmp_path, f"images/{name}.jpg", "0 .5 .5 .5 .5\n")
    (tmp_path / "classes.txt").write_text("dog\n")
    (tmp_path / "train.txt").write_text("images/a.jpg\n")
    (tmp_path / "val.txt").write_text("./images/b.jpg\n")
    (tmp_path / "test.txt").write_text("notes about tests\n")
    dataset = open_dataset(tmp_path, strict=True)
    assert {split: [s.image_id for s in dataset.samples(split)] for split in dataset.official_splits()} == {
        "train": ["a.jpg"],
        "val": ["b.jpg"],
    }

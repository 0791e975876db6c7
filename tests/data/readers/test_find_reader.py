"""Which layout is meant where a folder holds several, and what is said where it holds none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import InputError

XML = (
    "<annotation><object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    "</object></annotation>"
)
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,20,cat,1,1,9,9\n"
YOLO = {"a.txt": "0 .5 .5 .5 .5\n", "classes.txt": "emu\n"}


def write(root: Path, files: dict[str, str], images: str = ".") -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / images).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / images / "a.jpg"), np.full((20, 40, 3), 90, np.uint8))


@pytest.mark.parametrize(
    ("files", "other", "names"),
    [
        pytest.param({"labels.csv": CSV}, "labels.csv", ("cat",), id="the CSV that was made of it"),
        pytest.param(YOLO, "classes.txt", ("emu",), id="YOLO's texts"),
    ],
)
def test_xml_beside_the_pictures_comes_before(
    tmp_path: Path, files: dict[str, str], other: str, names: tuple[str, ...]
) -> None:
    write(tmp_path, {"a.xml": XML, **files})
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.class_names == ("dog",)
    assert dataset.notes == (
        f"passed over, as the pictures have files of labels: {tmp_path / other} (--data names it)",
    )
    named = open_dataset(tmp_path / other, strict=True)
    assert named.class_names == names
    assert len(next(named.samples(named.official_splits()[0]))) == 1


def test_of_two_in_folders_of_their_own_one_has_to_be_named(tmp_path: Path) -> None:
    files = {"labels/a.txt": YOLO["a.txt"], "classes.txt": "emu\n", "annotations/a.xml": XML}
    write(tmp_path, files, images="images")
    with pytest.raises(
        InputError, match=r"expected one data set, got several\. Name one of .*annotations, .*labels with"
    ):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path / "annotations").class_names == ("dog",)
    assert open_dataset(tmp_path / "labels").class_names == ("emu",)


@pytest.mark.parametrize(
    ("files", "there"),
    [
        pytest.param({}, "1 .jpg", id="pictures alone"),
        pytest.param(
            {"labelTxt/a.txt": "1 2 3 4 5 6 7 8 dog 0\n"},
            r"DOTA's turned boxes, which are not read \(.*\)",
            id="DOTA's",
        ),
        pytest.param({"train/MOT17-02/gt/gt.txt": "1,1,2,3,4,5,1,1,1\n"}, r"MOT's tracks, which .*\)", id="MOT's"),
        pytest.param({"wider_face_split/a_gt.txt": "a.jpg\n0\n"}, r"WIDER FACE's lists, which .*\)", id="WIDER FACE's"),
        pytest.param({"train/a.tfrecord-00000-of-00001": "\0"}, r"TFRecords, which .*\)", id="TensorFlow's records"),
    ],
)
def test_what_is_there_is_said_where_no_labels_are(tmp_path: Path, files: dict[str, str], there: str) -> None:
    write(tmp_path, files)
    with pytest.raises(
        InputError, match=f"expected labelled images, got {there}. Name by --data what holds one of these"
    ):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [pytest.param("utf-8", "begins with 'id,colour'", id="UTF-8"), pytest.param("utf-16", "is not UTF-8", id="UTF-16")],
)
def test_the_first_line_of_a_table_of_something_else_is_said(tmp_path: Path, encoding: str, said: str) -> None:
    write(tmp_path, {})
    (tmp_path / "labels.csv").write_text("id,colour\n1,red\n", encoding=encoding)
    with pytest.raises(InputError, match=rf"got 1 \.csv, 1 \.jpg \(labels\.csv {said}.*\)\. Name"):
        open_dataset(tmp_path)


SPLIT_FOLDERS = [
    pytest.param("images", {"annotations/a.xml": XML}, "xml", id="pictures and XML in folders"),
    pytest.param("JPEGImages", {"Annotations/a.xml": XML}, "voc", id="VOC's folders"),
    pytest.param(".", {"a.txt": "0 .5 .5 .5 .5\n", "classes.txt": "dog\n"}, "yolo", id="labelImg's texts"),
]


@pytest.mark.parametrize(("images", "files", "kind"), SPLIT_FOLDERS)
def test_folders_called_like_splits_that_are_whole_themselves(
    tmp_path: Path, images: str, files: dict[str, str], kind: str
) -> None:
    for split in ("train", "valid"):
        write(tmp_path / split, files, images=images)
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.found == f"merged layout ({kind}, {kind}; a folder for each split): {tmp_path.name}"
    assert dataset.official_splits() == ("train", "val"), "in the order of the folders"
    assert [len(list(dataset.samples(split))) for split in dataset.official_splits()] == [1, 1]
    assert "dog" in dataset.class_names
    assert dataset.notes == ()


@pytest.mark.parametrize(("images", "files", "kind"), SPLIT_FOLDERS)
def test_a_data_set_in_a_folder_of_its_own_is_found(
    tmp_path: Path, images: str, files: dict[str, str], kind: str
) -> None:
    write(tmp_path / "unpacked" / "export", files, images=images)
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.found.endswith(": export")
    assert dataset.layout == kind


def test_yolos_folders_one_folder_further_in(tmp_path: Path) -> None:
    files = {"labels/a.txt": YOLO["a.txt"], "classes.txt": "emu\n"}
    write(tmp_path / "export", files, images="images")
    assert open_dataset(tmp_path, strict=True).class_names == ("emu",)


def test_an_empty_folder_and_another_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected labelled images, got an empty folder"):
        open_dataset(tmp_path)
    (tmp_path / "a.doc").write_text("dogs")
    with pytest.raises(InputError, match="expected labelled images, got a file of another form"):
        open_dataset(tmp_path / "a.doc")

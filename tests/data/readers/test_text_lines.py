"""Text of other tools: UTF-8 with and without a mark, and everything else refused by name and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.class_choice import chosen_classes
from singleshot.data.dataset import open_dataset
from singleshot.data.readers.text_lines import filled_lines, text_lines
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError

MARK = b"\xef\xbb\xbf"
CSV_HEADER = "image,label,xmin,ymin,xmax,ymax\n"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(MARK, [""], id="a mark alone"),
        pytest.param(MARK + "Möhre\n".encode(), ["Möhre\n"], id="a mark"),
        pytest.param(b"a\r\n\nb", ["a\r\n", "\n", "b"], id="ends of Windows and of Unix"),
        pytest.param("a\x85b\u2028c\n".encode(), ["a\x85b\u2028c\n"], id="ends that are none in a file"),
        pytest.param(b"a\n" + MARK + b"b\n", ["a\n", "\ufeffb\n"], id="a mark that is no mark there"),
    ],
)
def test_lines_by_hand(tmp_path: Path, data: bytes, lines: list[str]) -> None:
    (tmp_path / "some.txt").write_bytes(data)
    assert list(text_lines(tmp_path / "some.txt")) == lines
    assert filled_lines(tmp_path / "some.txt") == [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            "a\nMöhre\n".encode("cp1252"), r"some\.txt line 2: expected UTF-8, got the byte 0xf6\. Save", id="1252"
        ),
        pytest.param(
            "a\n".encode("utf-16"), r"some\.txt line 1: expected UTF-8, got the byte 0xff\. Save", id="UTF-16"
        ),
        pytest.param(b"a\n\xc3", r"some\.txt line 2: expected UTF-8, got the byte 0xc3", id="half a letter at the end"),
    ],
)
def test_everything_else_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "some.txt").write_bytes(data)
    with pytest.raises(InputError, match=message):
        list(text_lines(tmp_path / "some.txt"))


def _voc(root: Path, name: str) -> dict[Path, str]:
    year = root / "VOC2012"
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    return {
        year / "JPEGImages" / "ä.jpg": "",
        year / "Annotations" / "ä.xml": f"<annotation><object><name>{name}</name>{box}</object></annotation>",
        year / "ImageSets" / "Main" / "train.txt": "ä\n",
    }


def _yolo(root: Path, name: str) -> dict[Path, str]:
    return {
        root / "images" / "ä.jpg": "",
        root / "labels" / "ä.txt": "0 .5 .5 .5 .5\n",
        root / "data.yaml": f"train: ä.txt\nnames: [{name}]\n",
        root / "ä.txt": "images/ä.jpg\n",
    }


def _yolo_classes(root: Path, name: str) -> dict[Path, str]:
    return {
        root / "images" / "train" / "ä.jpg": "",
        root / "labels" / "train" / "ä.txt": "0 .5 .5 .5 .5\n",
        root / "classes.txt": f"{name}\n",
    }


def _csv(root: Path, name: str) -> dict[Path, str]:
    return {root / "images" / "ä.jpg": "", root / "train.csv": f"{CSV_HEADER}ä.jpg,{name},1,1,9,9\n"}


def _coco(root: Path, name: str) -> dict[Path, str]:
    return {
        root / "images" / "ä.jpg": "",
        root / "annotations" / "instances_train.json": (
            f'{{"images": [{{"id": 1, "file_name": "ä.jpg"}}],\n"categories": [{{"id": 1, "name": "{name}"}}],\n'
            '"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8]}]}'
        ),
    }


Write = Callable[[Path, str], dict[Path, str]]
KINDS = [
    pytest.param(_voc, id="VOC"),
    pytest.param(_yolo, id="YOLO by data.yaml and a list"),
    pytest.param(_yolo_classes, id="YOLO by classes.txt"),
    pytest.param(_csv, id="CSV"),
    pytest.param(_coco, id="COCO"),
]


def put(files: dict[Path, str], encoding: str) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jpg":
            path.write_bytes(cv2.imencode(".jpg", np.zeros((20, 20, 3), np.uint8))[1].tobytes())
        else:
            path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("write", KINDS)
def test_every_layout_is_read_with_and_without_a_mark(tmp_path: Path, write: Write, encoding: str) -> None:
    put(write(tmp_path, "Möhre"), encoding)
    dataset = open_dataset(tmp_path, class_names=["Möhre"])
    (sample,) = dataset.samples(dataset.official_splits()[0])
    assert (sample.image_path.name, sample.class_ids.tolist()) == ("ä.jpg", [0])
    assert dataset.report.to_dict()["problems"] == {}


@pytest.mark.parametrize("write", KINDS)
def test_no_layout_is_read_in_another_encoding(tmp_path: Path, write: Write) -> None:
    put(write(tmp_path, "Möhre"), "cp1252")
    if write is _voc:
        put({tmp_path / "VOC2012" / "ImageSets" / "Main" / "train.txt": "ä\n"}, "utf-8")
        dataset = open_dataset(tmp_path)
        assert list(dataset.samples("train")) == []
        assert (
            "ä.xml line 1: expected UTF-8, got the byte 0xf6." in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]
        )
        return
    with pytest.raises(InputError, match=r"line \d: expected UTF-8, got the byte 0x..\. Save the file as UTF-8\."):
        open_dataset(tmp_path)


def test_a_list_in_another_encoding_is_refused(tmp_path: Path) -> None:
    files = _voc(tmp_path, "dog")
    put(files, "cp1252")
    with pytest.raises(InputError, match=r"train\.txt line 1: expected UTF-8, got the byte 0xe4"):
        open_dataset(tmp_path)


def test_one_file_of_labels_in_another_encoding_is_reported(tmp_path: Path) -> None:
    put(_yolo_classes(tmp_path, "dog"), "utf-8")
    (tmp_path / "labels" / "train" / "ä.txt").write_bytes(b"0 .5 .5 .5 .5\n\xff\n")
    dataset = open_dataset(tmp_path)
    assert list(dataset.samples("train")) == []
    assert "ä.txt line 2: expected UTF-8" in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]


def test_one_of_two_csv_files_in_another_encoding_is_not_passed_over(tmp_path: Path) -> None:
    put({**_csv(tmp_path, "dog"), tmp_path / "val.csv": f"{CSV_HEADER}ä.jpg,dog,1,1,9,9\n"}, "utf-8")
    put({tmp_path / "train.csv": f"{CSV_HEADER}ä.jpg,Möhre,1,1,9,9\n"}, "cp1252")
    with pytest.raises(InputError, match=r"train\.csv line 2: expected UTF-8"):
        open_dataset(tmp_path)


def test_a_file_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "my classes.txt"
    path.write_bytes(MARK + "Möhre\nRübe\n".encode())
    assert chosen_classes(str(path), tmp_path) == ["Möhre", "Rübe"]
    path.write_bytes("Möhre\nRübe\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"my classes\.txt line 1: expected UTF-8"):
        chosen_classes(str(path), tmp_path)

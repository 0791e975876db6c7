"""Pictures and labels are found by names that another system wrote otherwise, and behind links; none is lost."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem

HW = (20, 40)
Add = Callable[[Path, str, str], None]
XML = (
    "<annotation><object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>20</ymax></bndbox>"
    "</object></annotation>"
)
DECOMPOSED = unicodedata.normalize("NFD", "Käfer")
COMPOSED = unicodedata.normalize("NFC", "Käfer")


def add_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, np.full((*HW, 3), 90, np.uint8))[1].tobytes())


def add_coco(root: Path, image: str, named: str) -> None:
    add_image(root / "images" / image)
    content = {
        "images": [{"id": 1, "file_name": named}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 20]}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    (root / "labels.JSON").write_text(json.dumps(content))


def add_voc(root: Path, image: str, named: str) -> None:
    add_image(root / "VOC" / "JPEGImages" / image)
    (root / "VOC" / "Annotations").mkdir()
    (root / "VOC" / "Annotations" / f"{Path(named).stem}.XML").write_text(XML)
    (root / "VOC" / "ImageSets" / "Main").mkdir(parents=True)
    (root / "VOC" / "ImageSets" / "Main" / "train.txt").write_text(f"{Path(named).stem}\n", encoding="utf-8")


def add_xml(root: Path, image: str, named: str) -> None:
    add_image(root / "images" / image)
    (root / "annotations").mkdir()
    (root / "annotations" / f"{Path(named).stem}.XML").write_text(XML)


def add_yolo(root: Path, image: str, named: str) -> None:
    add_image(root / "images" / image)
    (root / "labels").mkdir()
    (root / "labels" / f"{Path(named).stem}.TXT").write_text("0 0.5 0.5 1 1\n")
    (root / "data.YAML").write_text("names: [dog]\n")


@pytest.mark.parametrize("add", [add_coco, add_voc, add_xml, add_yolo], ids=["COCO", "VOC", "XML", "YOLO"])
@pytest.mark.parametrize(
    ("image", "named"),
    [
        pytest.param("a.Jpg", "a.jpg", id="capital letters of the suffix"),
        pytest.param("A.jpg", "a.jpg", id="capital letters of the name"),
        pytest.param(f"{DECOMPOSED}.jpg", f"{COMPOSED}.jpg", id="accents as a Mac writes them"),
        pytest.param("a.png", "a.jpg", id="another suffix"),
    ],
)
def test_names_of_another_system(add: Add, image: str, named: str, tmp_path: Path) -> None:
    add(tmp_path, image, named)
    dataset = open_dataset(tmp_path, strict=True)
    (sample,) = (sample for split in dataset.official_splits() for sample in dataset.samples(split))
    assert (sample.image_path.name, sample.boxes_xyxy_px.tolist()) == (image, [[0, 0, 40, 20]])


def test_names_that_two_files_may_mean_are_missing(tmp_path: Path) -> None:
    add_coco(tmp_path, "a.png", "a.jpg")
    add_image(tmp_path / "images" / "a.bmp")
    dataset = open_dataset(tmp_path)
    assert not list(dataset.samples(dataset.official_splits()[0]))
    (line,) = dataset.report.examples(Problem.MISSING_IMAGE)
    assert line.endswith("images/a.jpg: expected an image, got no such file")


def test_folders_behind_links(tmp_path: Path) -> None:
    for name in ("a", "b"):
        add_image(tmp_path / "disk" / "pictures" / f"{name}.jpg")
        (tmp_path / "disk" / "texts").mkdir(exist_ok=True)
        (tmp_path / "disk" / "texts" / f"{name}.txt").write_text("0 0.5 0.5 1 1\n")
    data = tmp_path / "data"
    for kind, real in (("images", "pictures"), ("labels", "texts")):
        (data / kind / "train").mkdir(parents=True)
        (data / kind / "train" / "cam").symlink_to(tmp_path / "disk" / real)
    (data / "images" / "train" / "round").symlink_to(data / "images")
    (data / "data.yaml").write_text("names: [dog]\n")
    dataset = open_dataset(data, strict=True)
    assert [sample.image_id for sample in dataset.samples("train")] == ["train/cam/a.jpg", "train/cam/b.jpg"]

"""VOC's XML without VOC's folders: the places where labelImg and others leave it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError


def add_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, np.full((20, 40, 3), 90, np.uint8))[1].tobytes())


def add_labels(path: Path, name: str = "dog", *, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>20</ymax></bndbox>"
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    path.write_text(f"{head}<annotation><object><name>{name}</name>{box}</object></annotation>", encoding=encoding)


@pytest.mark.parametrize(
    ("files", "splits", "dialect"),
    [
        pytest.param(
            {"a.jpg": "a.xml", "b.JPG": "b.xml"}, {"all": ["a.jpg", "b.JPG"]}, "XML beside the pictures", id="labelImg"
        ),
        pytest.param(
            {"train/a.1.png": "train/a.1.xml", "valid/b.jpg": "valid/b.xml"},
            {"val": ["valid/b.jpg"], "train": ["train/a.1.png"], "valid": ["valid/b.jpg"]},
            "XML beside the pictures",
            id="Roboflow",
        ),
        pytest.param(
            {"images/a.jpg": "annotations/a.xml", "images/b.jpg": "annotations/b.xml"},
            {"all": ["a.jpg", "b.jpg"]},
            "a folder of XML",
            id="Kaggle's small sets",
        ),
        pytest.param(
            {"images/train/a.jpg": "annotations/train/a.xml", "images/val/b.jpg": "annotations/val/b.xml"},
            {"train": ["train/a.jpg"], "val": ["val/b.jpg"]},
            "a folder of XML",
            id="trees alike",
        ),
        pytest.param(
            {"images/train/a.jpg": "Annotations/a.xml", "images/val/b.jpg": "Annotations/b.xml"},
            {"train": ["train/a.jpg"], "val": ["val/b.jpg"]},
            "a folder of XML",
            id="all labels in one folder",
        ),
        pytest.param({"my a.jpg": "xmls/my a.xml"}, {"all": ["my a.jpg"]}, "a folder of XML", id="pictures beside it"),
    ],
)
def test_places(tmp_path: Path, files: dict[str, str], splits: dict[str, list[str]], dialect: str) -> None:
    for image, labels in files.items():
        add_image(tmp_path / image)
        add_labels(tmp_path / labels, "dog" if "a" in Path(image).stem else "cat")
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.found == f"xml layout ({dialect}): {tmp_path.name}"
    assert set(dataset.class_names) <= {"cat", "dog"}
    assert {split: dataset.sample_ids(split) for split in dataset.split_names()[:-2]} == splits
    for split in dataset.official_splits():
        for sample in dataset.samples(split):
            np.testing.assert_array_equal(sample.boxes_xyxy_px, [[0, 0, 40, 20]])


def test_the_folder_of_labels_will_do_too(tmp_path: Path) -> None:
    add_image(tmp_path / "images" / "a.jpg")
    add_labels(tmp_path / "annotations" / "a.xml")
    assert open_dataset(tmp_path / "annotations").sample_ids("all") == ["a.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_xml_says_its_encoding(tmp_path: Path, encoding: str) -> None:
    add_image(tmp_path / "a.jpg")
    add_labels(tmp_path / "a.xml", "Möhre", encoding=encoding.removesuffix("-sig"))
    if encoding == "utf-8-sig":
        (tmp_path / "a.xml").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.xml").read_bytes())
    assert open_dataset(tmp_path).class_names == ("Möhre",)


def test_what_has_no_other_half_is_named(tmp_path: Path) -> None:
    add_image(tmp_path / "a.jpg")
    add_labels(tmp_path / "a.xml")
    add_image(tmp_path / "lonely.jpg")
    add_labels(tmp_path / "gone.xml")
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("all")] == ["a.jpg"]
    assert "lonely.xml: expected an annotation" in dataset.report.examples(Problem.MISSING_ANNOTATION)[0]
    assert "gone.jpg: expected an image" in dataset.report.examples(Problem.MISSING_IMAGE)[0]


def test_xml_of_something_else_is_no_label(tmp_path: Path) -> None:
    add_image(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text("<annotations><image/></annotations>")
    with pytest.raises(InputError, match=r"VOC's XML beside them, or images/ and annotations/\*\.xml \(labelImg's\)"):
        open_dataset(tmp_path)


def test_labels_without_any_picture(tmp_path: Path) -> None:
    add_labels(tmp_path / "annotations" / "a.xml")
    with pytest.raises(InputError, match="expected pictures to the XML files, got none"):
        open_dataset(tmp_path)


def test_a_class_that_the_files_do_not_hold_is_answered_with_those_they_do(tmp_path: Path) -> None:
    add_image(tmp_path / "a.jpg")
    add_labels(tmp_path / "a.xml")
    with pytest.raises(InputError, match=r"^dogs: expected one of the 1 classes of .*\. Near: dog\.$"):
        open_dataset(tmp_path, class_names=["dogs"])


@pytest.mark.parametrize(
    ("images", "labels"), [("imgs", "annots"), ("Image", "Annotation"), ("Images", "XML"), ("pictures", "label")]
)
def test_folders_of_other_names(tmp_path: Path, images: str, labels: str) -> None:
    for folder in (images, labels):
        (tmp_path / folder).mkdir()
    add_image(tmp_path / images / "a.jpg")
    add_labels(tmp_path / labels / "a.xml")
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.official_splits() == ("all",)
    assert len(next(dataset.samples("all"))) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("<annotation>", '<annotation xmlns="http://example.org/voc">', id="a namespace"),
        pytest.param("<object>", "<objects><object>", id="objects within objects"),
        pytest.param("<xmin>1<", "<xmin>1,0<", id="a decimal comma"),
        pytest.param("<?xml", "\n <?xml", id="a blank line before the declaration"),
    ],
)
def test_forms_of_other_writers(old: str, new: str, tmp_path: Path) -> None:
    add_image(tmp_path / "a.jpg")
    add_labels(tmp_path / "a.xml")
    text = (tmp_path / "a.xml").read_text().replace(old, new)
    text = text.replace("</object>", "</object></objects>") if new.startswith("<objects>") else text
    (tmp_path / "a.xml").write_text(text)
    (sample,) = open_dataset(tmp_path, strict=True).samples("all")
    assert sample.boxes_xyxy_px.tolist() == [[0, 0, 40, 20]]

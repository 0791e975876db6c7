"""Plain CSV: the convention by hand, and what can be wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError

HEADER = "image,label,xmin,ymin,xmax,ymax\n"
HW = (20, 40)


def write_csv(root: Path, text: str, *, name: str = "train.csv") -> Path:
    """Write two images and a file of boxes."""
    (root / "images").mkdir(exist_ok=True)
    for image in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(root / "images" / image), np.full((*HW, 3), 90, np.uint8))
    (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("corners", "edges"),
    [
        pytest.param("0,0,39,19", (0, 0, 40, 20), id="the whole image"),
        pytest.param("5,3,5,3", (5, 3, 6, 4), id="one pixel"),
        pytest.param("5.5,3.25,9,4", (5.5, 3.25, 10, 5), id="decimals"),
        pytest.param(" 1, 2, 3, 4 ", (1, 2, 4, 5), id="spaces"),
    ],
)
def test_boxes_by_hand(tmp_path: Path, corners: str, edges: tuple[float, ...]) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}a.jpg,dog,{corners}\nb.jpg,,,,,\n"), strict=True)
    first, second = dataset.samples("train")
    assert first.boxes_xyxy_px.tolist() == [list(edges)]
    assert (first.height_px, first.width_px) == HW
    assert len(second) == 0, "a line with an image alone"
    assert dataset.layout == "csv"


def test_boxes_in_another_convention_show_as_soon_as_they_touch_the_edge(tmp_path: Path) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,40,20\n"))
    list(dataset.samples("train"))
    assert dataset.report.count(Problem.CLIPPED_BOX) == 1


def test_columns_in_another_order_and_difficult_objects(tmp_path: Path) -> None:
    text = "label,difficult,image,ymin,xmin,ymax,xmax\ndog,1,a.jpg,1,2,3,4\n\ncat,0,b.jpg,1,2,3,4\ncat,,a.jpg,0,0,1,1\n"
    dataset = open_dataset(write_csv(tmp_path, text), strict=True)
    first, second = dataset.samples("train")
    assert dataset.class_names == ("cat", "dog")
    assert first.boxes_xyxy_px.tolist() == [[2, 1, 5, 4], [0, 0, 2, 2]]
    assert (first.class_ids.tolist(), first.difficult.tolist()) == ([1, 0], [True, False])
    assert second.difficult.tolist() == [False]


def test_every_file_is_a_split_and_one_alone_can_be_named(tmp_path: Path) -> None:
    root = write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,9,9\n")
    write_csv(tmp_path, f"{HEADER}b.jpg,cat,0,0,9,9\n", name="val.csv")
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    assert open_dataset(root).split_names()[:2] == ("train", "val")
    assert open_dataset(root / "val.csv").split_names()[:1] == ("val",)


@pytest.mark.parametrize(
    ("line", "problem", "example"),
    [
        pytest.param("a.jpg,dog,1,2,3", Problem.BROKEN_ANNOTATION, "train.csv line 2: expected a label", id="too few"),
        pytest.param("a.jpg,dog,1,2,3,4,5", Problem.BROKEN_ANNOTATION, "train.csv line 2: expected", id="too many"),
        pytest.param("a.jpg,dog,1,2,3,x", Problem.BROKEN_ANNOTATION, "four numbers, got 'dog,1,2,3,x'", id="a letter"),
        pytest.param("a.jpg,,1,2,3,4", Problem.BROKEN_ANNOTATION, "expected a label, four numbers", id="no label"),
        pytest.param("a.jpg,dog,,,,", Problem.BROKEN_ANNOTATION, "expected a label, four numbers", id="no numbers"),
        pytest.param(",dog,1,2,3,4", Problem.BROKEN_ANNOTATION, "line 2: expected an image's name", id="no image"),
        pytest.param("a.jpg,dog,9,2,3,4", Problem.EMPTY_BOX, "dog at (9.0, 2.0, 4.0, 5.0)", id="inside out"),
        pytest.param("c.jpg,dog,1,2,3,4", Problem.MISSING_IMAGE, "c.jpg: expected an image", id="no such image"),
    ],
)
def test_what_is_wrong_is_reported(tmp_path: Path, line: str, problem: Problem, example: str) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}{line}\nb.jpg,dog,1,2,3,4\n"))
    assert [sample.image_id for sample in dataset.samples("train")][-1] == "b.jpg"
    assert dataset.report.count(problem) == 1
    assert example in dataset.report.examples(problem)[0]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("image,label,xmin,ymin,xmax,ymax,width", id="a column that means nothing here"),
        pytest.param("image,label,xmin,ymin,xmax,ymax,xmin", id="a column twice"),
    ],
)
def test_columns_that_are_not_understood(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match=rf"expected a first line image,label.*got {header}\. Name the columns so"):
        open_dataset(write_csv(tmp_path, f"{header}\n"))


def test_a_layout_among_several_can_be_named(tmp_path: Path) -> None:
    write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,9,9\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .5 .5")
    (tmp_path / "classes.txt").write_text("dog\n")
    with pytest.raises(
        InputError, match=r"expected one data set, got several\. Name one of .*labels, .*train\.csv with"
    ):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path / "labels").layout == "yolo"
    assert open_dataset(tmp_path / "train.csv").layout == "csv"

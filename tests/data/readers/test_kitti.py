"""KITTI's labels: places, lines, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem

LINE = "Car 0.00 0 -1.5 {} 1.5 1.6 3.2 1 2 3 -1.6\n"
REGION = "DontCare -1 -1 -10 0 0 20 20 -1 -1 -1 -1000 -1000 -1000 -10\n"


def write(images: Path, labels: Path, text: str | None, name: str = "a") -> None:
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(images / f"{name}.png"), np.full((20, 40, 3), 90, np.uint8))
    if text is not None:
        (labels / f"{name}.txt").write_text(text)


@pytest.mark.parametrize(
    ("images", "labels", "split"),
    [
        pytest.param("training/image_2", "training/label_2", "train", id="KITTI's own folders"),
        pytest.param("val/images", "val/labels", "val", id="a folder a split"),
        pytest.param("images", "labels", "all", id="YOLO's folders"),
    ],
)
def test_places(tmp_path: Path, images: str, labels: str, split: str) -> None:
    write(tmp_path / images, tmp_path / labels, LINE.format("10.00 5.00 30.00 15.00") + REGION)
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.layout == "kitti"
    (sample,) = dataset.samples(split)
    assert sample.boxes_xyxy_px.tolist() == [[10, 5, 30, 15]]
    assert dataset.class_names == ("Car",)
    assert dict(dataset.report.remarks) == {"images with regions marked DontCare (which are not read)": 1}


@pytest.mark.parametrize(
    ("text", "problem", "message"),
    [
        pytest.param(None, Problem.MISSING_ANNOTATION, "a.txt: expected labels here, got no such file", id="none"),
        pytest.param(
            "Car 1 2\n",
            Problem.BROKEN_ANNOTATION,
            "expected KITTI's 15 words, a name and numbers, got 'Car 1 2'",
            id="few",
        ),
        pytest.param(
            LINE.format("1 2 3 x"),
            Problem.BROKEN_ANNOTATION,
            "expected KITTI's 15 words, a name and numbers",
            id="a letter",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | None, problem: Problem, message: str) -> None:
    write(tmp_path / "images", tmp_path / "labels", text)
    write(tmp_path / "images", tmp_path / "labels", LINE.format("1 2 9 9"), name="sound")
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("all")] == ["images/sound.png"]
    assert message in dataset.report.examples(problem)[0]


def test_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    write(tmp_path / "images", tmp_path / "labels", LINE.format("1 2 9 9"))
    write(tmp_path / "images", tmp_path / "labels", "", name="b")
    (tmp_path / "labels" / "b.txt").write_bytes(b"\xff")
    dataset = open_dataset(tmp_path)
    assert len(list(dataset.samples("all"))) == 1
    assert "b.txt line 1: expected UTF-8" in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]

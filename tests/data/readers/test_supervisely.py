"""Supervisely's projects: places, shapes, and what is wrong with files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError


def write(root: Path, *objects: object, dataset: str = "train") -> None:
    (root / dataset / "img").mkdir(parents=True)
    (root / dataset / "ann").mkdir()
    cv2.imwrite(str(root / dataset / "img" / "a.png"), np.full((20, 40, 3), 90, np.uint8))
    content = {"size": {"height": 20, "width": 40}, "objects": list(objects)}
    (root / dataset / "ann" / "a.png.json").write_text(json.dumps(content))


def item(kind: str = "rectangle", points: object = ((10, 5), (30, 15)), title: str = "dog") -> dict[str, object]:
    return {"classTitle": title, "geometryType": kind, "points": {"exterior": points, "interior": []}}


def test_datasets_are_splits_and_classes_are_those_of_the_project(tmp_path: Path) -> None:
    for name in ("train", "val"):
        write(
            tmp_path, item(), item("polygon", [[1, 2], [9, 2], [5, 8]], "cat"), {"geometryType": "bitmap"}, dataset=name
        )
    (tmp_path / "meta.json").write_text('{"classes": [{"title": "emu"}, {"title": "dog"}]}')
    for root in (tmp_path, tmp_path / "val"):
        dataset = open_dataset(root, strict=True)
        assert dataset.official_splits() == ("train", "val")
        assert dataset.class_names == ("emu", "dog", "cat")
        (sample,) = dataset.samples("val")
        assert sample.boxes_xyxy_px.tolist() == [[10, 5, 30, 15], [1, 2, 9, 8]]
        assert dict(dataset.report.remarks) == {
            "objects given by corners (their enclosing boxes are taken)": 1,
            "images with points, lines or bitmaps (which are not read)": 1,
        }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param({"objects": None}, "expected a list objects, got None", id="no list"),
        pytest.param({"objects": [3]}, "expected a classTitle and points.exterior, got 3", id="no object"),
        pytest.param({"objects": [item(points=3)]}, "expected a classTitle and points.exterior", id="no points"),
        pytest.param({"objects": [item(title="")]}, "expected a classTitle and points.exterior", id="no title"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: object, message: str) -> None:
    write(tmp_path)
    (tmp_path / "train" / "ann" / "a.png.json").write_text(json.dumps(content))
    dataset = open_dataset(tmp_path)
    assert list(dataset.samples("train")) == []
    assert message in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]


def test_a_broken_project_file_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, item())
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(InputError, match=r"meta\.json: expected JSON, got .*\. Export the project again\."):
        open_dataset(tmp_path)
    (tmp_path / "meta.json").write_text('{"classes": null}')
    assert open_dataset(tmp_path).class_names == ("dog",)

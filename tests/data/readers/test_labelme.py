"""LabelMe's JSON: shapes by hand, and what is wrong with files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem

POINTS = "images with points or lines (which are not read)"
OUTLINED = "objects given by corners (their enclosing boxes are taken)"


def write(folder: Path, content: object, name: str = "a") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.jpg"), np.full((20, 40, 3), 90, np.uint8))
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / f"{name}.json").write_text(text)


def shape(points: object, kind: str = "rectangle", label: object = "dog") -> dict[str, object]:
    return {"label": label, "points": points, "shape_type": kind}


def labels(*shapes: object, hw: tuple[object, object] = (20, 40)) -> dict[str, object]:
    return {"shapes": list(shapes), "imagePath": "a.jpg", "imageData": None, "imageHeight": hw[0], "imageWidth": hw[1]}


@pytest.mark.parametrize(
    ("item", "edges", "remarks"),
    [
        pytest.param(shape([[30, 5], [10, 15]]), [10, 5, 30, 15], {}, id="a rectangle from its upper right corner"),
        pytest.param(
            shape([[10, 5], [30, 5], [30, 15], [10, 15]]),
            [10, 5, 30, 15],
            {OUTLINED: 1},
            id="a rectangle of four corners",
        ),
        pytest.param(shape([[10, 9], [20, 5], [15, 15]], "polygon"), [10, 5, 20, 15], {OUTLINED: 1}, id="an outline"),
        pytest.param(shape([[20, 10], [23, 14]], "circle"), [15, 5, 25, 15], {OUTLINED: 1}, id="a circle"),
    ],
)
def test_shapes_by_hand(tmp_path: Path, item: object, edges: list[float], remarks: dict[str, int]) -> None:
    write(tmp_path, labels(item))
    dataset = open_dataset(tmp_path, strict=True)
    assert next(dataset.samples("all")).boxes_xyxy_px.tolist() == [edges]
    assert dict(dataset.report.remarks) == remarks


def test_points_and_lines_are_no_objects(tmp_path: Path) -> None:
    write(tmp_path, labels(shape([[1, 1]], "point"), shape([[1, 1], [9, 9]], "line"), shape([[10, 5], [30, 15]])))
    dataset = open_dataset(tmp_path, strict=True)
    assert len(next(dataset.samples("all"))) == 1
    assert dict(dataset.report.remarks) == {POINTS: 1}


@pytest.mark.parametrize(
    ("content", "problem", "message"),
    [
        pytest.param("{", Problem.BROKEN_ANNOTATION, "a.json: expected JSON, got ", id="no JSON"),
        pytest.param("[]", Problem.BROKEN_ANNOTATION, "expected a table of labels, got []", id="a list"),
        pytest.param({"shapes": 3}, Problem.BROKEN_ANNOTATION, "expected LabelMe's list shapes, got 3", id="no shapes"),
        pytest.param(labels(3), Problem.BROKEN_ANNOTATION, "a label and points for each shape, got 3", id="no shape"),
        pytest.param(
            labels(shape([[1, 1], [9, 9]], label=" ")), Problem.BROKEN_ANNOTATION, "a label and points", id="no label"
        ),
        pytest.param(labels(shape([[1, 1]])), Problem.BROKEN_ANNOTATION, "a label and points", id="one corner"),
        pytest.param(labels(shape([[1, 1], [9]])), Problem.BROKEN_ANNOTATION, "a label and points", id="half a corner"),
        pytest.param(labels(hw=(99, 99)), Problem.WRONG_SIZE, "expected 99 x 99 as annotated", id="another size"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: object, problem: Problem, message: str) -> None:
    write(tmp_path, content)
    write(tmp_path, labels(shape([[1, 1], [9, 9]])), name="sound")
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("all")] == ["sound.jpg"]
    assert message in dataset.report.examples(problem)[0]


def test_folders_are_splits_and_a_picture_without_labels_says_nothing(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write(tmp_path / split, labels(shape([[1, 1], [9, 9]])))
    (tmp_path / "valid" / "a.json").unlink()
    dataset = open_dataset(tmp_path)
    assert dataset.official_splits() == ("train", "val")
    assert list(dataset.samples("val")) == []
    assert (
        "valid/a.json: expected an annotation, got no such file"
        in dataset.report.examples(Problem.MISSING_ANNOTATION)[0]
    )

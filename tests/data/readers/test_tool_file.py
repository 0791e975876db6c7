"""A tool's own file: shapes by hand, splits, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError

OUTLINED = "objects given by corners (their enclosing boxes are taken)"
POINTS = "images with points or lines (which are not read)"
BROKEN = Problem.BROKEN_ANNOTATION


def add_image(root: Path, name: str = "images/a.jpg") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / name), np.full((20, 40, 3), 90, np.uint8))


def via(*regions: object) -> str:
    return json.dumps({"a.jpg1": {"filename": "a.jpg", "regions": list(regions)}})


def region(attributes: object = None, **shape: object) -> dict[str, object]:
    return {"shape_attributes": shape, "region_attributes": attributes or {"class": "dog"}}


def cvat(inner: str, more: str = "") -> str:
    image = f'<image name="a.jpg" width="40" height="20" {more}>{inner}</image>'
    return f"<annotations><version>1.1</version>{image}</annotations>"


def studio(value: dict[str, object], **task: object) -> str:
    result = [{"original_width": 40, "original_height": 20, "value": value}]
    return json.dumps([{"data": {"image": "a.jpg"}, "annotations": [{"result": result}], **task}])


def datumaro(item: dict[str, object]) -> str:
    labels = {"label": {"labels": [{"name": "dog"}]}}
    image = {"id": "a", "annotations": [{"label_id": 0, **item}], "image": {"path": "", "size": [20, 40]}}
    return json.dumps({"categories": labels, "items": [image]})


def ndjson(**annotations: object) -> str:
    image = {"type": "image", "file": "a.jpg", "split": "val", "annotations": annotations}
    return f'{{"type": "dataset", "class_names": {{"0": "dog"}}}}\n{json.dumps(image)}\n'


BOX = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["dog"]}
EDGES = [10, 5, 30, 15]


@pytest.mark.parametrize(
    ("name", "text", "edges", "remarks"),
    [
        pytest.param(
            "a.json",
            via(region(name="polygon", all_points_x=[10, 30, 20], all_points_y=[5, 9, 15])),
            EDGES,
            {OUTLINED: 1},
            id="VIA's polygon",
        ),
        pytest.param("a.json", via(region(name="circle", cx=20, cy=10, r=5)), [15, 5, 25, 15], {}, id="VIA's circle"),
        pytest.param(
            "a.json",
            via(region({"kind": {"cat": False, "dog": True}}, name="rect", x=10, y=5, width=20, height=10)),
            EDGES,
            {},
            id="VIA's boxes to tick",
        ),
        pytest.param(
            "annotations.xml",
            cvat('<polygon label="dog" points="10.0,5.0;30.0,9.0;20.0,15.0"/><tag label="night"/>'),
            EDGES,
            {OUTLINED: 1},
            id="CVAT's polygon, beside a tag",
        ),
        pytest.param(
            "annotations.xml",
            cvat(
                '<box label="dog" xtl="15" ytl="0" xbr="25" ybr="20" rotation="90"/><points label="dog" points="1,1"/>'
            ),
            [10, 5, 30, 15],
            {OUTLINED: 1, POINTS: 1},
            id="CVAT's turned box, beside points",
        ),
        pytest.param(
            "annotations.xml",
            cvat('<ellipse label="dog" cx="20" cy="10" rx="10" ry="5"/>'),
            EDGES,
            {},
            id="CVAT's ellipse",
        ),
        pytest.param(
            "annotations.xml",
            cvat('<mask label="dog" rle="1" left="10" top="5" width="20" height="10"/>'),
            EDGES,
            {OUTLINED: 1},
            id="CVAT's mask",
        ),
        pytest.param(
            "a.json",
            studio({"points": [[25, 25], [75, 50], [50, 75]], "polygonlabels": ["dog"]}),
            EDGES,
            {OUTLINED: 1},
            id="Label Studio's polygon",
        ),
        pytest.param(
            "a.json",
            studio({"x": 50, "y": 50, "radiusX": 25, "radiusY": 25, "ellipselabels": ["dog"]}),
            EDGES,
            {},
            id="Label Studio's ellipse",
        ),
        pytest.param(
            "a.json",
            studio({**BOX, "x": 75, "y": 25, "width": 25, "height": 100, "rotation": 90}),
            [10, 5, 30, 15],
            {OUTLINED: 1},
            id="Label Studio's box turned about its corner",
        ),
        pytest.param(
            "a.json", datumaro({"type": "polygon", "points": [10, 5, 30, 9, 20, 15]}), EDGES, {OUTLINED: 1}, id="D"
        ),
        pytest.param(
            "a.json",
            datumaro({"type": "mask", "rle": {"counts": [45, 2, 18, 2], "size": [20, 40]}}),
            [2, 5, 4, 7],
            {OUTLINED: 1},
            id="Datumaro's mask",
        ),
        pytest.param(
            "a.ndjson",
            ndjson(obb=[[0, 0.25, 0.25, 0.75, 0.25, 0.75, 0.75, 0.25, 0.75]]),
            EDGES,
            {OUTLINED: 1},
            id="obb",
        ),
        pytest.param("a.ndjson", ndjson(pose=[[0, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 2]]), EDGES, {}, id="U, key points"),
        pytest.param("a.ndjson", "\ufeff" + ndjson(boxes=[[0, 0.5, 0.5, 0.5, 0.5]]), EDGES, {}, id="U, a mark"),
        pytest.param(
            "a.ndjson",
            ndjson(boxes=[[0, 0.5, 0.5, 0.5, 0.5]]).replace('{"0": "dog"}', '["dog"]'),
            EDGES,
            {},
            id="U, names as a list",
        ),
        pytest.param(
            "a.json", studio(BOX).replace('"image": ', '"text": "x", "scan": '), EDGES, {}, id="S, another key"
        ),
        pytest.param(
            "a.ndjson", ndjson(segments=[[0, 0.25, 0.25, 0.75, 0.5, 0.5, 0.75]]), EDGES, {OUTLINED: 1}, id="U"
        ),
    ],
)
def test_shapes_by_hand(tmp_path: Path, name: str, text: str, edges: list[float], remarks: dict[str, int]) -> None:
    add_image(tmp_path)
    (tmp_path / name).write_text(text)
    dataset = open_dataset(tmp_path, strict=True)
    (sample,) = dataset.samples(dataset.official_splits()[0])
    np.testing.assert_allclose(sample.boxes_xyxy_px, [edges], atol=1e-4)
    assert dataset.class_names == ("dog",)
    assert sum(dataset.report.remarks.values()) >= len(remarks)
    assert {remark: dataset.report.remarks[remark] for remark in remarks} == remarks


@pytest.mark.parametrize(
    ("name", "text", "problem", "message"),
    [
        pytest.param(
            "a.json", via(region({"size": ""}, name="rect", x=1)), BROKEN, "a label and a box, got {", id="VIA"
        ),
        pytest.param("annotations.xml", cvat('<box label="dog" xtl="1"/>'), BROKEN, "got box {'label'", id="CVAT"),
        pytest.param(
            "annotations.xml", cvat('<box xtl="1" ytl="1" xbr="9" ybr="9"/>'), BROKEN, "a label", id="no label"
        ),
        pytest.param(
            "a.json", studio({**BOX, "width": None}), BROKEN, "a label and a box, got {'x': 25", id="no width"
        ),
        pytest.param(
            "a.json",
            studio(BOX, annotations=[{"was_cancelled": True, "result": []}]),
            Problem.MISSING_ANNOTATION,
            "a.json, a.jpg: expected labels, got an image that nobody labelled",
            id="a task that was skipped",
        ),
        pytest.param("a.json", datumaro({"type": "bbox", "bbox": [1, 2, 3]}), BROKEN, "a label and a box", id="three"),
        pytest.param("a.ndjson", ndjson(boxes=[[0, 0.5, 0.5, 0.5]]), BROKEN, "got [0.5, 0.5, 0.5]", id="three shares"),
        pytest.param("a.json", via().replace("a.jpg", ""), BROKEN, "expected an image's name, got none", id="no name"),
    ],
)
def test_what_is_wrong_with_one_image_is_named(
    tmp_path: Path, name: str, text: str, problem: Problem, message: str
) -> None:
    add_image(tmp_path)
    if name.endswith("a.json") and '"regions": []' in text:
        text = text.replace('"regions"', '"shape_attributes": 0, "regions"')
    (tmp_path / name).write_text(text)
    dataset = open_dataset(tmp_path)
    assert list(dataset.samples(dataset.official_splits()[0])) == []
    assert message in dataset.report.examples(problem)[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            "annotations.xml",
            '<annotations><track id="0"/></annotations>',
            r"expected CVAT's XML file, got ValueError: tracks of a video; `CVAT for images` has what is read here\. E",
            id="CVAT's tracks of a video",
        ),
        pytest.param("a.json", '{"_via_img_metadata": []}', "expected VIA's JSON file, got AttributeError", id="VIA"),
        pytest.param(
            "a.json", '{"_via_img_metadata": {', "expected VIA's JSON file, got JSONDecodeError", id="cut short"
        ),
        pytest.param(
            "a.ndjson", ndjson(classification=[0]), "annotations of the kind classification", id="Ultralytics' classes"
        ),
        pytest.param("a.ndjson", '{"class_names": {"a": 1}}\n', "expected Ultralytics' NDJSON file", id="Ultralytics'"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    add_image(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("files", "images", "splits"),
    [
        pytest.param({"a.ndjson": ndjson(boxes=[])}, ["images/a.jpg"], {"val": 1}, id="the file tells"),
        pytest.param(
            {"annotations.xml": cvat("", 'subset="Train"')}, ["images/a.jpg"], {"train": 1}, id="CVAT's subset"
        ),
        pytest.param(
            {f"{split}/x.json": via(region(name="rect", x=1, y=1, width=4, height=4)) for split in ("train", "valid")},
            ["train/a.jpg", "valid/a.jpg"],
            {"train": 1, "val": 1},
            id="folders",
        ),
        pytest.param(
            {f"via_{split}.json": via(region(name="rect", x=1, y=1, width=4, height=4)) for split in ("train", "val")},
            ["train/a.jpg", "val/a.jpg"],
            {"train": 1, "val": 1},
            id="names of files",
        ),
    ],
)
def test_splits(tmp_path: Path, files: dict[str, str], images: list[str], splits: dict[str, int]) -> None:
    for name in images:
        add_image(tmp_path, name)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    dataset = open_dataset(tmp_path, strict=True)
    assert {name: len(list(dataset.samples(name))) for name in dataset.official_splits()} == splits


def test_one_file_may_be_named(tmp_path: Path) -> None:
    add_image(tmp_path)
    first: dict[str, Any] = json.loads(via(region(name="rect", x=1, y=1, width=4, height=4)))
    (tmp_path / "mine.json").write_text(json.dumps(first))
    (tmp_path / "notes.json").write_text("{}")
    assert open_dataset(tmp_path / "mine.json", strict=True).found == "tool layout (VIA's JSON): " + tmp_path.name
    with pytest.raises(InputError, match=r"notes\.json: expected COCO's lists images, annotations and categories"):
        open_dataset(tmp_path / "notes.json")

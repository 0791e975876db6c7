"""Detections as COCO's results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from singleshot.data.readers.coco import CocoIds
from singleshot.data.sample import Sample
from singleshot.data.writers.coco_results import coco_results
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.found import detections

IDS = CocoIds(images={"val/a.jpg": 70, "val/b.jpg": "seven"}, categories={"dog": 18})
FOUND = detections((0.75, 1, [0.25, 0.5, 0.5, 1]), (0.5, 0, [0, 0, 1, 1]))


def sample(image_id: str) -> Sample:
    return Sample(
        image_id=image_id,
        image_path=Path(image_id),
        boxes_xyxy_px=np.zeros((0, 4), np.float32),
        class_ids=np.zeros(0, np.int64),
        difficult=np.zeros(0, np.bool_),
        height_px=100,
        width_px=200,
    )


def test_boxes_are_in_pixels_and_ids_are_cocos(tmp_path: Path) -> None:
    with coco_results(tmp_path / "found.json", IDS, ("cat", "dog")) as write:
        write(sample("val/a.jpg"), FOUND)
        write(sample("val/b.jpg"), FOUND)
        write(sample("val/b.jpg"), Detections.none())
    entry = {"category_id": 18, "bbox": [50, 50, 50, 50], "score": 0.75}
    written = json.loads((tmp_path / "found.json").read_text())
    assert written == [{"image_id": 70, **entry}, {"image_id": "seven", **entry}]


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    with coco_results(tmp_path / "found.json", IDS, ("cat",)) as write:
        write(sample("val/a.jpg"), FOUND.where(FOUND.class_ids == 0))
    assert json.loads((tmp_path / "found.json").read_text()) == []


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"found.json: expected a place that can be written to"),
        coco_results(tmp_path / "file" / "found.json", IDS, ("cat", "dog")),
    ):
        pytest.fail("nothing is begun")

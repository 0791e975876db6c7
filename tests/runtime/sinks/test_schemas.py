"""The tables of `docs/outputs.md` name what is written, all of it and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.rules.event import Event, PlaceCount
from singleshot.runtime.sinks.coco_results import CocoSink, images_path
from singleshot.runtime.sinks.crops import COLUMNS as CROPS_COLUMNS
from singleshot.runtime.sinks.csv_rows import COLUMNS
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.json_lines import json_line
from singleshot.runtime.sinks.mot_rows import COLUMNS as MOT_COLUMNS
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.tracking.tracks import Tracks
from singleshot.tests.fixtures.found import detections
from singleshot.tests.places import ROOT

CAME = datetime(2026, 11, 30, 9, 5, 2, tzinfo=timezone.utc)
FRAME = Frame(
    image=np.zeros((40, 100, 3), np.uint8),
    index=3,
    time_s=0.12,
    source="cam0",
    captured_at=CAME,
    captured_s=1.0,
    capture_clock="driver",
)
FULL = FrameResult(
    frame=FRAME,
    found=detections((0.9, 0, [0.1, 0.2, 0.3, 0.4])),
    drawn=None,
    camera="door",
    done_s=1.1,
    held=True,
    ages_ms={"taken": 1.0},
    drops={"replaced by a newer": 2},
    class_names=("cat",),
    tracks=Tracks(ids=np.array([5]), trails={}),
    places=[PlaceCount(name="yard", kind="zone")],
    events=[Event(id="a", rule="r", kind="absent", camera="door", at=CAME, time_s=0.12)],
)
"""A result that has something to say everywhere."""


def tables(section: str) -> list[list[str]]:
    """Give the first columns of a section's tables."""
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [re.findall(r"^\| `(\w+)` \|", table, re.M) for table in re.split(r"^\|---.*$", text, flags=re.M)[1:]]


def line_keys() -> list[str]:
    top = Classification(scores=np.array([0.9], np.float32), class_ids=np.array([0], np.int32))
    classes = json.loads(json_line(FrameResult(frame=FRAME, found=top, drawn=None, class_names=("cat",))))
    assert list(classes["classes"][0]) == object_keys()[:3]
    keys = list(json.loads(json_line(FULL)))
    return [*keys[: keys.index("places")], "classes", *keys[keys.index("places") :]]


def object_keys() -> list[str]:
    return list(json.loads(json_line(FULL))["detections"][0])


def coco_keys(folder: Path) -> tuple[list[str], list[str]]:
    sink = CocoSink(folder / "found.json")
    sink.write(FULL)
    sink.close()
    (result,) = json.loads((folder / "found.json").read_text())
    (image,) = json.loads(images_path(folder / "found.json").read_text())["images"]
    return list(result), list(image)


@pytest.mark.parametrize(
    ("section", "number", "written"),
    [
        pytest.param("JSON lines", 0, lambda _: line_keys(), id="a line"),
        pytest.param("JSON lines", 1, lambda _: object_keys(), id="an object of a line"),
        pytest.param("CSV", 0, lambda _: list(COLUMNS), id="a row"),
        pytest.param("MOT", 0, lambda _: list(MOT_COLUMNS), id="a row of MOT"),
        pytest.param("Crops", 0, lambda _: list(CROPS_COLUMNS), id="a row of labels of crops"),
        pytest.param("COCO results", 0, lambda folder: coco_keys(folder)[0], id="a result of COCO"),
        pytest.param("COCO results", 1, lambda folder: coco_keys(folder)[1], id="an image of COCO"),
    ],
)
def test_tables_name_what_is_written(
    section: str, number: int, written: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    assert tables(section)[number] == written(tmp_path)

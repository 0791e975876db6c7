"""CSV has a row per object, and a header in each file."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.sinks.csv_rows import CsvSink
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.tracking.tracks import NOT_FOLLOWED, Tracks
from singleshot.tests.fixtures.found import detections

NAMES = ("cat", "cow, brown", "Hündin")
CAME = datetime(2026, 11, 30, 9, 5, 2, 123456, tzinfo=timezone.utc)


def result(found: Detections | Classification, *, index: int = 7, tracks: Tracks | None = None) -> FrameResult:
    image = np.zeros((100, 300, 3), np.uint8)
    frame = Frame(image=image, index=index, time_s=1 / 3, source="größe.mp4", captured_at=CAME)
    return FrameResult(frame=frame, found=found, drawn=None, class_names=NAMES, camera="door", tracks=tracks)


def test_rows_are_exactly_these(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "out.csv")
    two = detections((0.97126, 2, [0.1, 0.25, 1 / 3, 0.5]), (0.5, 1, [0, 0, 1, 1]))
    sink.write(result(two, tracks=Tracks(ids=np.array([12, NOT_FOLLOWED]), trails={})))
    sink.write(result(Detections.none(), index=8))
    sink.close()
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == (
        "source,camera,frame,time_s,captured_at,label,class_id,score,xmin,ymin,xmax,ymax,track_id\n"
        "größe.mp4,door,7,0.333333,2026-11-30T09:05:02.123+00:00,Hündin,2,0.9713,30.0,25.0,100.0,50.0,12\n"
        'größe.mp4,door,7,0.333333,2026-11-30T09:05:02.123+00:00,"cow, brown",1,0.5,0.0,0.0,300.0,100.0,\n'
    )


def test_a_classifier_has_rows_without_boxes(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "out.csv")
    top = Classification(scores=np.array([0.75, 0.25], np.float32), class_ids=np.array([2, 0], np.int32))
    sink.write(result(top))
    sink.close()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["score"], row["xmin"]) for row in rows] == [("Hündin", "0.75", ""), ("cat", "0.25", "")]


def test_a_file_that_is_moved_goes_on_in_one_with_a_header(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "out.csv")
    for index in range(2):
        sink.write(result(detections((0.9, 0, [0, 0, 1, 1])), index=index))
        (tmp_path / "out.csv").rename(tmp_path / f"{index}.csv")
    sink.close()
    for index in range(2):
        lines = (tmp_path / f"{index}.csv").read_text(encoding="utf-8").splitlines()
        assert (lines[0] + "\n", len(lines)) == (CsvSink.header, 2)

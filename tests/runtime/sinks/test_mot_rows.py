"""MOTChallenge's evaluators read what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.mot_rows import MotSink
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.tracking.tracks import NOT_FOLLOWED, Tracks
from singleshot.tests.fixtures.found import detections

TWO = detections((0.97126, 0, [0.1, 0.25, 0.5, 0.5]), (0.5, 1, [0, 0, 1, 1]))
TOP = Classification(scores=np.ones(1, np.float32), class_ids=np.zeros(1, np.int32))


def written(path: Path, *found: Detections | Classification, tracks: Tracks | None = None) -> str:
    sink = MotSink(path)
    for index, one in enumerate(found):
        frame = Frame(image=np.zeros((100, 300, 3), np.uint8), index=7 + 2 * index, time_s=0.1, source="a")
        sink.write(FrameResult(frame=frame, found=one, drawn=None, tracks=tracks if len(one) else None))
    sink.close()
    return path.read_text()


@pytest.mark.parametrize(
    ("ids", "rows"),
    [
        pytest.param(
            [12, 3],
            "8,12,31.00,26.00,120.00,25.00,0.9713,-1,-1,-1\n8,3,1.00,1.00,300.00,100.00,0.5000,-1,-1,-1\n",
            id="both followed",
        ),
        pytest.param(
            [NOT_FOLLOWED, 3], "8,3,1.00,1.00,300.00,100.00,0.5000,-1,-1,-1\n", id="one that is not followed yet"
        ),
        pytest.param(
            None,
            "8,-1,31.00,26.00,120.00,25.00,0.9713,-1,-1,-1\n8,-1,1.00,1.00,300.00,100.00,0.5000,-1,-1,-1\n",
            id="none followed",
        ),
    ],
)
def test_rows_are_exactly_these(ids: list[int] | None, rows: str, tmp_path: Path) -> None:
    tracks = None if ids is None else Tracks(ids=np.array(ids), trails={})
    assert written(tmp_path / "out.txt", TWO, Detections.none(), TOP, tracks=tracks) == rows


def test_the_package_of_the_trackers_reads_it(tmp_path: Path) -> None:
    pytest.importorskip("trackers")
    from trackers import load_mot_file

    written(tmp_path / "out.txt", TWO, TWO, tracks=Tracks(ids=np.array([12, 3]), trails={}))
    read = load_mot_file(tmp_path / "out.txt")
    assert [(frame, sorted(rows.ids.tolist())) for frame, rows in read.items()] == [(8, [3, 12]), (10, [3, 12])]

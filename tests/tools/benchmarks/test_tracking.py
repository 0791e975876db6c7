"""Recorded detections are followed and compared with the truth, by one command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.found import detections
from singleshot.tools.benchmarks.tracking import as_it_comes, by_time, tracking
from singleshot.tools.benchmarks.tracking_files import load_recorded
from singleshot.tools.benchmarks.tracking_scores import scores_of
from singleshot.tools.benchmarks.tracking_sequences import Circumstances, Film

TRUTH = "".join(f"{n},{one},{10 * n + 90 * one},50,40,80,1,1,1\n" for n in range(1, 11) for one in (1, 2))
"""Two objects that move to the right side by side, ten frames."""


def run(*args: object) -> Result:
    app = Typer()
    app.command()(tracking)
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    (tmp_path / "gt.txt").write_text(TRUTH + "1,3,500,50,40,80,0,7,1\n")  # of another class, which does not count
    return tmp_path / "gt.txt"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """What `rt-detect --json` writes of it, without the fifth frame and with one that is unsure."""
    with (tmp_path / "found.jsonl").open("w") as file:
        for number in (0, 1, 2, 3, 5, 6, 7, 8, 9):
            boxes = [[10 * number + 99.0 + 90 * one, 49.0, 10 * number + 139.0 + 90 * one, 129.0] for one in (0, 1)]
            scores = [0.9, 0.3 if number == 7 else 0.8]
            objects = [{"score": score, "box_xyxy_px": box} for score, box in zip(scores, boxes, strict=True)]
            file.write(json.dumps({"frame": number, "time_s": number / 10, "detections": objects}) + "\n")
    return tmp_path / "found.jsonl"


def test_lines_are_read_as_they_were_seen(lines: Path, truth: Path) -> None:
    recorded = load_recorded(lines, truth, rate=None, threshold=0.5)
    assert [moment.frame for moment in recorded.moments] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert [round(moment.time_s, 6) for moment in recorded.moments] == [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert [len(moment.unsure) for moment in recorded.moments] == [0] * 6 + [1] + [0] * 2
    for moment in recorded.moments:
        assert moment.truth_ids.tolist() == [1, 2]
        np.testing.assert_allclose(moment.found.boxes_xyxy[0], moment.truth_boxes[0], atol=1e-6)


def test_ids_are_compared_and_written(lines: Path, truth: Path, tmp_path: Path) -> None:
    for package in ("trackers", "trackeval"):
        pytest.importorskip(package)
    result = run("--detections", lines, "--truth", truth, "--mot", tmp_path / "ids.txt", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["frames"], said["objects"], said["switches"]) == (9, 2, 0)
    assert said["mota"] == pytest.approx(1 - 3 / 18)  # two in the first frame, and what is unsure
    again = run("--detections", tmp_path / "ids.txt", "--truth", truth, "--rate", 10, "--json")
    assert json.loads(again.stdout)["switches"] == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("det.txt", TRUTH, "expected the time of each frame, got rows without. Give --rate.", id="no rate"),
        pytest.param("det.txt", "a\n", "expected MOTChallenge's rows of seven or more numbers, got", id="no rows"),
        pytest.param("none.txt", None, "expected MOTChallenge's rows of seven or more numbers, got", id="no file"),
        pytest.param("out.jsonl", '{"frame": 1}\n', "expected JSON lines of rt-detect with detections", id="classes"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        load_recorded(tmp_path / name, None, rate=None, threshold=0.5)


def test_true_ids_have_no_switch_and_swapped_ones_do() -> None:
    pytest.importorskip("trackeval")
    seen = Film(seconds=4, objects=4, seed=1).seen(Circumstances(rate=10))
    moments = [
        replace(one, found=detections(*((0.9, 0, box) for box in one.truth_boxes)))
        for one in seen
        if len(one.truth_ids) > 1
    ]
    ids = [one.truth_ids for one in moments]
    right, swapped = (
        scores_of(moments, ids),
        scores_of(moments, [one[:: 1 if n % 2 else -1] for n, one in enumerate(ids)]),
    )
    assert (right.mota, right.idf1, right.switches) == (1, 1, 0)
    assert swapped.switches > 10
    assert swapped.idf1 < 0.9


@pytest.mark.parametrize("rate", [10, 3])
def test_where_frames_are_dropped_time_is_worth_more_than_their_number(rate: int) -> None:
    for package in ("trackers", "trackeval"):
        pytest.importorskip(package)
    moments = Film(seconds=20, objects=8, seed=1).seen(Circumstances(rate=rate, kept=0.5))
    by_number, by_seconds = (
        scores_of(moments, follow(moments)) for follow in (as_it_comes(stamped=False), by_time("bytetrack"))
    )
    assert by_seconds.idf1 > by_number.idf1 + 0.05
    assert by_seconds.mota > by_number.mota
    assert by_seconds.switches < by_number.switches / 2

"""`singleshot scan`: the detections of `rt-detect`, in files that others can query, whatever ends a scan."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from singleshot.runtime.shipped import CLIP
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.running import running
from singleshot.tests.places import ROOT

pytest.importorskip("ray")
WriteVideo = Callable[..., Path]
SCAN = [sys.executable, "-m", "singleshot", "scan"]
OPTIONS = ("--score", "0.3", "--workers", "2", "--chunk", "1")


@pytest.fixture
def archive(tmp_path: Path, write_video: WriteVideo) -> Path:
    folder = tmp_path / "archive"
    (folder / "yard cam").mkdir(parents=True)
    (folder / "dog.mp4").symlink_to(CLIP)
    write_video(times_s=[number / 25 for number in range(20)]).rename(folder / "yard cam" / "ä 1.mp4")
    (folder / "broken.mp4").write_bytes(CLIP.read_bytes()[:3000])
    return folder


def lines_of(clip: Path, model: Path, out: Path) -> list[dict[str, Any]]:
    """What `rt-detect` finds, an object a row."""
    run = run_verb("rt-detect", "--video", clip, "--model", model, "--score", "0.3", "--json", out)
    assert run.exit_code == 0
    return [
        {"frame": line["frame"], "time_s": line["time_s"], **found}
        for line in map(json.loads, out.read_text().splitlines())
        for found in line["detections"]
    ]


@pytest.mark.slow
def test_same_detections_as_rt_detect_for_others_to_query(archive: Path, small_detector: Path, tmp_path: Path) -> None:
    import duckdb
    import pandas as pd

    out = tmp_path / "found"
    run = subprocess.run(
        [*SCAN, archive, "-o", out, "--model", small_detector, *OPTIONS, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    result = json.loads(run.stdout)
    assert [(one["clip"], one["frames"]) for one in result["recordings"]] == [
        ("broken.mp4", 0),
        ("dog.mp4", 282),
        ("yard cam/ä 1.mp4", 20),
    ]
    assert "broken.mp4: expected a video" in result["recordings"][0]["error"]
    assert len(list(out.glob("detections/clip=dog.mp4/*.parquet"))) > 3
    for name in ("dog.mp4", "yard cam/ä 1.mp4"):
        wanted = lines_of(archive / name, small_detector, tmp_path / "lines.jsonl")
        query = (
            f"SELECT * FROM read_parquet('{result['detections']}', hive_partitioning=true) WHERE clip = ? "
            f"ORDER BY frame, score DESC"
        )
        rows = duckdb.execute(query, [name]).df().to_dict("records")
        assert [(row["frame"], row["label"]) for row in rows] == [(row["frame"], row["label"]) for row in wanted]
        for row, one in zip(rows, wanted, strict=True):
            box = [row[side] for side in ("left_px", "top_px", "right_px", "bottom_px")]
            assert [row["time_s"], row["score"], *box] == pytest.approx(
                [one["time_s"], one["score"], *one["box_xyxy_px"]], abs=6e-3
            )
    clips = pd.read_parquet(result["clips"])
    assert clips["frames"].tolist() == [0, 282, 20]
    (block,) = re.findall(r"^```py\n(.*?)^```", (ROOT / "docs/archives.md").read_text(), re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
    assert len(pd.read_parquet(out / "detections")) == sum(
        found["boxes"] for one in result["recordings"] for found in one["found"].values()
    )
    page = html.unescape((out / "index.html").read_text(encoding="utf-8"))
    assert "yard cam/ä 1.mp4" in page
    assert "broken.mp4: expected a video" in page
    pictures = [unquote(name) for name in re.findall(r'<img loading="lazy" src="([^"]+)"', page)]
    assert pictures
    assert all((out / name).is_file() for name in pictures)


@pytest.mark.slow
def test_killed_scan_goes_on(archive: Path, small_detector: Path, tmp_path: Path) -> None:
    (archive / "broken.mp4").unlink()
    out = tmp_path / "out"
    command = [*SCAN, str(archive), "-o", str(out), "--model", str(small_detector), *OPTIONS]
    with running(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not (kept := list(out.glob("detections/*/part*.parquet"))):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert not (out / "index.html").exists()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert {path: path.stat().st_mtime_ns for path in times} == times
    again = run_verb("scan", archive, "-o", out, "--model", small_detector, *OPTIONS[:-2], "--json")  # chunks as before
    assert json.loads(again.stdout)["workers"] == 0
    assert [one["frames"] for one in json.loads(again.stdout)["recordings"]] == [282, 20]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(("--score", "bird=0.4"), "bird", id="a class that is not there"),
        pytest.param(("--model", "none.onnx"), "none.onnx: expected", id="a model that is not there"),
        pytest.param(("--tiles", "many"), "many", id="tiles that cannot be read"),
    ],
)
def test_what_is_wrong_shows_before_anything_is_made(
    options: tuple[str, str], message: str, archive: Path, tmp_path: Path
) -> None:
    run = run_verb("scan", archive, "-o", tmp_path / "out", *options)
    assert (run.exit_code, message in run.stderr, run.stderr.count("\n")) == (2, True, 1)
    assert not (tmp_path / "out").exists()


def test_folder_without_recordings(tmp_path: Path) -> None:
    run = run_verb("scan", tmp_path, "-o", tmp_path / "out")
    assert run.exit_code == 2
    assert "expected recordings" in run.stderr

"""What `rt-detect --track` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import CLIP, PHOTOS


def test_images_are_not_followed(graphs: Path) -> None:
    pytest.importorskip("trackers")
    result = run_verb("rt-detect", "--video", PHOTOS, "--model", graphs / "quarters.onnx", "--track")
    assert (result.exit_code, result.stdout) == (2, "")
    message = f"error: --track: expected a camera, a stream or a video, got images: {PHOTOS}."
    assert result.stderr.splitlines()[-1] == message


def test_ids_are_in_the_lines(graphs: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackers")
    lines = tmp_path / "out.jsonl"
    options = ("--model", graphs / "quarters.onnx", "--track", "--json", lines, "--max-frames", 5)
    result = run_verb("rt-detect", "--video", CLIP, *options)
    assert result.exit_code == 0, result.stderr
    ids = [[one.get("track_id") for one in json.loads(line)["detections"]] for line in lines.read_text().splitlines()]
    assert set(ids[0]) == {None}
    assert ids[1:] == [list(range(1, len(ids[0]) + 1))] * 4

"""`rt-detect --rule --events --clip`, and what is said where one is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.runtime.sources.open_source import open_source
from singleshot.tests.fixtures.command_line import run_verb


def test_events_leave_lines_pictures_and_clips(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackers")
    folder = tmp_path / "events"
    arguments = ["--rule", "anything enters", "--events", str(folder), "--clip", "1s+1s", "--max-frames", "60"]
    run = run_verb("rt-detect", "--video", dog_clip, "--model", graphs / "quarters.onnx", *arguments)
    assert run.exit_code == 0
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert lines
    assert f"{folder}: {len(lines)} events" in run.stdout.splitlines()
    for line in lines:
        assert (folder / line["snapshot"]).is_file()
        assert (folder / line["crop"]).is_file()
    with open_source(folder / lines[0]["clip"]) as clip:
        assert len(list(clip)) > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--events", "x"], "events: expected rules that say what is one", id="events of no rule"),
        pytest.param(["--clip", "5s+5s"], "--clip: expected --rule as well", id="clips of no rule"),
        pytest.param(
            ["--rule", "dog enters", "--clip", "5s+5s"],
            "rules.dog-enters.clip: expected a folder to write it to, got none. Give events, or --events.",
            id="clips without a folder",
        ),
    ],
)
def test_what_is_missing_is_one_line(graphs: Path, arguments: list[str], message: str) -> None:
    run = run_verb("rt-detect", "--video", "cam99", "--model", graphs / "quarters.onnx", *arguments)
    assert run.exit_code == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"error: {message}")

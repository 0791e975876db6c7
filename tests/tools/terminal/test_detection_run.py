"""Reloads come one after the other, whatever the signals do; what is counted is said."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tools.terminal import detection_run


@pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP")
def test_a_second_reload_waits_for_the_first(tmp_path: Path) -> None:
    config = tmp_path / "cameras.toml"
    config.write_text('[cameras.door]\nsource = "cam0"\n')
    may_go_on, opening, told = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)

    def reload(_config: object) -> None:
        opening.release()
        may_go_on.acquire()

    run = SimpleNamespace(reload=reload)
    with detection_run._reloaded(run, config, lambda *_lines: told.release()):  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGHUP)
        assert opening.acquire(timeout=5)
        os.kill(os.getpid(), signal.SIGHUP)
        assert not opening.acquire(timeout=0.3)
        for _ in range(2):
            may_go_on.release()
            assert told.acquire(timeout=5)
        assert opening.acquire(timeout=5)


def test_who_comes_in_is_counted_and_told(graphs: Path, tmp_path: Path) -> None:
    """The graph finds one thing in each quarter of the picture."""
    pytest.importorskip("trackers")
    lines = tmp_path / "scene.jsonl"
    places = ["--zone", "left=0,0,0.5,0,0.5,1,0,1", "--line", "gate=0.5,0,0.5,1"]
    source = "synthetic://?frames=30&width=64&height=64"
    run = run_verb(
        *("rt-detect", "--video", source, "--model", graphs / "quarters.onnx", "--score", "0.06", "--json", lines),
        *(*places, "--rule", "cat stays left for 0.5s", "--rule", "anything enters left"),
    )
    assert run.exit_code == 0
    assert "objects are followed, for the zones, lines and rules of synthetic" in run.stderr
    assert "s: cat-stays-left-for-0.5s: cat stays left for" in run.stderr.splitlines()[-1]
    assert "left: 2 (1 cat, 1 dog) in, 0 out, 2 (1 cat, 1 dog) inside" in run.stdout.splitlines()
    assert "gate: 0 in, 0 out" in run.stdout.splitlines()
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    events = [event for record in records for event in record.get("events", [])]
    assert [event["rule"] for event in events] == ["anything-enters-left"] * 2 + ["cat-stays-left-for-0.5s"]
    left, gate = records[-1]["places"]
    assert list(left) == ["name", "kind", "inside", "longest_s", "stays", "came_in", "went_out"]
    assert (gate["name"], gate["kind"], gate["came_in"], gate["went_out"]) == ("gate", "line", {}, {})

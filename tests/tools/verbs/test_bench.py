"""`singleshot bench` from the outside; also where neither torch nor onnx nor matplotlib is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from singleshot.runtime.files import sha256_of_file
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import CLIP, GRAPHS, PHOTOS
from singleshot.tools.benchmarks import contenders
from singleshot.tools.benchmarks.ledger import read_runs

GRAPH = GRAPHS / "quarters.onnx"
CLASSIFIER = GRAPHS / "quarters_classifier.onnx"
SHORT = ["--frames", 4, "--repeats", 1, "--fps", 200, "--threads", 1]


def test_json_is_all_of_stdout_and_the_ledger_has_it_too(tmp_path: Path) -> None:
    ledger = tmp_path / "l.jsonl"
    done = run_verb("bench", GRAPH, *SHORT, "--video", CLIP, "--json", "--ledger", ledger)
    assert done.exit_code == 0, done.stderr
    (tmp_path / "one.json").write_text(done.stdout)
    (run,) = read_runs(tmp_path / "one.json")
    assert read_runs(ledger) == [run]
    (measured,) = run.contenders
    assert (measured.name, measured.sha256) == (GRAPH.name, sha256_of_file(GRAPH))
    assert measured.runs_on.startswith("onnxruntime (")
    assert {mode: len(found) for mode, found in measured.repetitions.items()} == {
        "back_to_back": 1,
        "paced": 1,
        "loop": 1,
    }
    (back_to_back,) = measured.repetitions["back_to_back"]
    assert len(back_to_back.ms) == back_to_back.frames == 4
    assert set(back_to_back.stages) == {"resize", "network", "boxes"}
    assert sum(stage[0] for stage in back_to_back.stages.values()) <= back_to_back.ms[0]
    assert measured.repetitions["loop"][0].frames == 4
    assert run.versions["onnxruntime"]
    assert "onnxruntime" in done.stderr


@pytest.mark.slow
def test_tables_name_every_figure_and_who_is_faster(tmp_path: Path) -> None:
    done = run_verb("bench", GRAPH, CLASSIFIER, *SHORT, "--quick")
    assert done.exit_code == 0, done.stderr
    for words in ("load, ms", "p99, ms", "worst, ms", "throughput, frames/s", "CPU time, ms/frame", "paced p50, ms"):
        assert words in done.stdout
    assert "warning: --quick shows that all works" in done.stdout
    assert "could not be read: " in done.stdout or "nvidia" in done.stdout
    assert "times, of too few repetitions to tell" in done.stdout


@pytest.mark.slow
def test_more_frames_a_call(tmp_path: Path) -> None:
    done = run_verb("bench", GRAPH, *SHORT, "--batch", "3", "--json")
    assert done.exit_code == 0, done.stderr
    (measured,) = json.loads(done.stdout)["contenders"]
    assert list(measured["repetitions"]) == ["back_to_back"]
    assert (measured["batch"], measured["repetitions"]["back_to_back"][0]["frames"]) == (3, 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["none.onnx"], "none.onnx: expected an ONNX graph, got no such file.", id="no graph"),
        pytest.param([GRAPH, "--video", "none.mp4"], "none.mp4: expected a video", id="no clip"),
        pytest.param([GRAPH, "--video", PHOTOS], f"{PHOTOS}: expected a video, got images.", id="photos"),
        pytest.param([f"{GRAPH}@x"], f"{GRAPH}@x: expected one of auto, onnxruntime", id="unknown behind the @"),
        pytest.param([GRAPH, "--backend", "x"], "--backend x: expected one of auto, onnxruntime", id="unknown backend"),
        pytest.param([GRAPH, "--batch", "1,x"], "--batch: expected numbers of frames from 1, as 1,4", id="no batch"),
        pytest.param([GRAPH, "--batch", "0"], "--batch: expected numbers of frames from 1, as 1,4", id="batch of none"),
        pytest.param([GRAPH, "--html", "a.txt"], "a.txt: expected a name that ends in .html", id="no page"),
        pytest.param([GRAPH, "--ledger", PHOTOS], f"{PHOTOS}: expected the name of a file to write", id="a folder"),
        pytest.param([GRAPH, "--ledger", GRAPH], f"{GRAPH}: expected a ledger, or what bench", id="no ledger"),
        pytest.param([GRAPH, "--data", "none"], "none: expected", id="no data"),
        pytest.param(["--compare", "a.json", "b.json"], "a.json: expected a ledger, or what bench --json", id="none"),
        pytest.param(
            ["--compare", "a.json", "b.json", "--fps", "5"], "--compare: expected no --fps beside OLD and", id="both"
        ),
        pytest.param([GRAPH, "--compare", "a", "b"], "--compare: expected no FILE beside OLD and NEW", id="a file"),
    ],
)
def test_what_cannot_be_used_is_one_line_before_anything_is_timed(
    arguments: list[object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_verb("bench", *arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_page_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run_verb("bench", GRAPH, "--html", tmp_path / "page.html")
    assert done.exit_code == 2
    assert "pip install 'singleshot[pages]'" in done.stderr


@pytest.mark.slow
def test_without_the_demo_frames_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(contenders, "CLIP", tmp_path / "dog.mp4")
    plan = contenders.plan_on(None)
    assert plan.clip.startswith("synthetic://")
    assert plan.clip_sha256 == ""
    done = run_verb("bench", GRAPH, *SHORT, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["clip"].startswith("synthetic://")

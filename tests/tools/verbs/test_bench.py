"""`singleshot bench` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import GRAPHS
from singleshot.tools.verbs import bench

GRAPH = GRAPHS / "quarters.onnx"
QUICK = ["--frames", "3", "--repeats", "1"]


def test_json_is_all_of_stdout() -> None:
    done = run_verb("bench", GRAPH, *QUICK, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["model"] == str(GRAPH)
    assert set(report["loop_to_network"]) == {"median", "least", "most"}


def test_table_names_every_stage() -> None:
    done = run_verb("bench", GRAPH, *QUICK)
    assert done.exit_code == 0, done.stderr
    for stage in ("resize, ms", "network with post-processing, ms", "loop, frames/s", "loop / network alone"):
        assert stage in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["none.onnx"], "error: none.onnx: expected an ONNX graph, got no such file.", id="no graph"),
        pytest.param([GRAPH, "--video", "none.mp4"], "error: none.mp4: expected a video", id="no clip"),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments: list[object], message: str) -> None:
    done = run_verb("bench", *arguments, *QUICK)
    assert done.exit_code == 2
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_no_demo_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "CLIP", tmp_path / "dog.mp4")
    with pytest.raises(SystemExit) as ended:
        bench.bench(model=GRAPH)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: --video: expected a clip, as the demo's is not part of this")

"""Programs of peers: they answer as ours do, without singleshot, and nothing of Ultralytics is imported elsewhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.imports import imports_of, modules
from singleshot.tests.places import CLIP, ROOT
from singleshot.tools.benchmarks.contenders import entries_for, plan_on
from singleshot.tools.benchmarks.environments import PEERS, Peer, programs_in, python_of
from singleshot.tools.benchmarks.measure import measure
from singleshot.tools.benchmarks.tables import _entries

PROGRAMS = ROOT / "tools" / "benchmarks" / "peers"


def test_peers_know_nothing_of_singleshot_and_singleshot_nothing_of_ultralytics() -> None:
    for package, path in modules():
        names = list(imports_of(path.read_text(encoding="utf-8"), package))
        if path.parent == PROGRAMS:
            ours = [name for name in names if name.startswith("singleshot.")]
            assert all(name.startswith("singleshot.tools.benchmarks.peers.") for name in ours), path
        else:
            wrong = [name for name in names if name.startswith("singleshot.tools.benchmarks.peers.")]
            assert all(name.startswith("singleshot.tools.benchmarks.peers.timed.") for name in wrong), path
        if path != PROGRAMS / "ultralytics_predict.py":
            assert not any(name.split(".")[0] == "ultralytics" for name in names), path


@pytest.mark.slow
def test_opencv_finds_what_we_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singleshot.tools.benchmarks.tables.python_of", lambda _peer, **_tell: Path(sys.executable))
    graph = shipped_detector()
    peers = [peer for peer in PEERS if peer.program.startswith("opencv")]
    theirs = _entries(peers, graph, None, tmp_path)
    plan = replace(plan_on(str(CLIP)), frames=20, repeats=1, fps=100)
    run = measure([*entries_for([str(graph)], ["onnxruntime"], [1]), *theirs], plan)
    assert [one.name for one in run.contenders] == [graph.name, "a plain OpenCV loop", "OpenCV DNN"]
    assert {one.detections for one in run.contenders} == {run.contenders[0].detections}
    for one in run.contenders:
        assert [len(found) for found in one.repetitions.values()] == [1, 1, 1]
        assert one.repetitions["loop"][0].frames == 20


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[object] = []

    def create(folder: Path, **_options: object) -> None:
        made.append(folder)
        folder.mkdir(parents=True)

    monkeypatch.setattr("venv.create", create)
    monkeypatch.setattr("subprocess.run", lambda command, **_options: made.append(command[2:]))
    peer = Peer(name="p", program="p", environment="e", packages=("a", "b>=2"))
    told: list[str] = []
    first, second = (python_of(peer, tell=told.append) for _ in range(2))
    assert first == second
    folder = tmp_path / "singleshot" / "peers" / "e"
    assert made == [folder, ["pip", "install", "--quiet", "--disable-pip-version-check", "a", "b>=2"]]
    assert told == [f"p: installing a b>=2 in {folder}"]


def test_what_cannot_be_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(_folder: Path, **_options: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("venv.create", fail)
    peer = Peer(name="p", program="p", environment="e", packages=("a",))
    with pytest.raises(InputError, match=r"^p: expected to install a in .*, got: no room\. Leave it out by naming"):
        python_of(peer, tell=lambda _line: None)


def test_programs_are_alone(tmp_path: Path) -> None:
    variables = programs_in(tmp_path)
    assert variables["PYTHONPATH"] == str(tmp_path)
    assert {path.stem for path in (tmp_path / "peers").glob("*.py")} >= {peer.program for peer in PEERS}

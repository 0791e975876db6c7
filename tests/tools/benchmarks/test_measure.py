"""Contenders in turns, each in a process of its own: what it says, and what becomes of one that fails."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from singleshot.runtime.errors import InputError
from singleshot.tests.places import CLIP, GRAPHS, VOC_ROOT
from singleshot.tools.benchmarks.contenders import entries_for, plan_on
from singleshot.tools.benchmarks.measure import Entry, Plan, measure
from singleshot.tools.benchmarks.runs import LabelledData


@pytest.fixture(scope="module")
def plan() -> Plan:
    return replace(plan_on(str(CLIP)), frames=3, repeats=2, fps=200, threads=1)


def program(text: str) -> tuple[str, ...]:
    """Give a command that answers so."""
    return (sys.executable, "-c", f"import sys\njob = sys.stdin.readline()\n{text}")


def test_turns_are_drawn_anew(plan: Plan, tmp_path: Path) -> None:
    said = tmp_path / "said"
    say = f'open({str(said)!r}, \'a\').write(NAME)\nprint(\'{{"ms": [1.0], "wall_s": 0.001, "frames": 1}}\')'
    entries = [
        Entry(name=name, artefact="", backend="", command=program(say.replace("NAME", repr(name)))) for name in "ab"
    ]
    done: list[tuple[int, int]] = []
    run = measure(
        entries, replace(plan, repeats=4, has_loop=False), on_progress=lambda _, at, total: done.append((at, total))
    )
    order = said.read_text()
    assert order[:2] == "ab"  # each is looked at once before anything is timed
    turns = [order[start : start + 4] for start in range(2, len(order), 4)]
    assert [sorted(turn) for turn in turns] == [["a", "a", "b", "b"]] * 4
    assert len(set(turns)) > 1
    assert done[-1] == (16, 16)
    assert [len(one.repetitions["paced"]) for one in run.contenders] == [4, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sys.exit('no luck')", r"^p@: expected figures, got .* exit code 1: no luck\.$", id="it ends"),
        pytest.param(
            "import os; os.kill(os.getpid(), 11)", r"^p@: expected figures, got .* signal 11: no word\.$", id="crash"
        ),
        pytest.param('print(\'{"error": "x: expected y."}\')', r"^x: expected y\.$", id="an error of its own"),
    ],
)
def test_a_process_that_fails(plan: Plan, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure([Entry(name="p", artefact="", backend="", command=program(text))], plan)


def test_a_file_that_changes_meanwhile(plan: Plan, tmp_path: Path) -> None:
    count = tmp_path / "count"
    text = (
        f"open({str(count)!r}, 'a').write('x')\n"
        f"n = len(open({str(count)!r}).read())\n"
        'print(\'{"sha256": "%d", "ms": [1], "wall_s": 1, "frames": 1}\' % n)'
    )
    with pytest.raises(InputError, match=r"^a\.onnx: expected one and the same file through the run, got another"):
        measure([Entry(name="p", artefact="a.onnx", backend="", command=program(text))], plan)


@pytest.mark.slow
def test_accuracy_is_of_the_very_same_file(plan: Plan) -> None:
    entries = entries_for([str(GRAPHS / "quarters.onnx")], ["onnxruntime"], [1])
    data = LabelledData(root=str(VOC_ROOT), split="val")
    (measured,) = measure(entries, replace(plan, data=data, repeats=1, has_loop=False)).contenders
    assert measured.accuracy is not None
    assert (measured.accuracy.measure, measured.accuracy.split) == ("AP50:95", "val")
    assert measured.accuracy.images > 0
    with pytest.raises(InputError, match="test: expected a split of"):
        measure(entries, replace(plan, data=data.model_copy(update={"split": "test"})))

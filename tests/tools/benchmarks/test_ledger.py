"""The ledger: whole lines, a schema, and what is none of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.bench_runs import bench_run, contender
from singleshot.tools.benchmarks.ledger import add_to_ledger, read_runs, run_as_json, save_run


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    runs = [bench_run(), bench_run(contender(name="b.onnx"))]
    for run in runs:
        add_to_ledger(run, tmp_path / "deep" / "l.jsonl")
    assert read_runs(tmp_path / "deep" / "l.jsonl") == runs
    save_run(runs[0], tmp_path / "one.json")
    assert read_runs(tmp_path / "one.json") == runs[:1]
    (tmp_path / "indented.json").write_text(json.dumps(run_as_json(runs[0]), indent=1))
    assert read_runs(tmp_path / "indented.json") == runs[:1]


def test_figures_stand_beside_what_was_measured() -> None:
    (derived,) = run_as_json(bench_run())["figures"]
    assert derived["contender"] == "a.onnx, onnxruntime (CPU)"
    assert derived["p50"]["unit"] == "ms"
    assert derived["p50"]["low"] <= derived["p50"]["value"] <= derived["p50"]["high"]


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    add_to_ledger(bench_run(), path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    add_to_ledger(bench_run(contender(name="b.onnx")), path)
    assert [run.contenders[0].name for run in read_runs(path)] == ["a.onnx", "b.onnx"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "expected a run of bench, got none.", id="empty"),
        pytest.param("no JSON\n", "expected a run of bench, got none.", id="no JSON"),
        pytest.param('{"schema": 9}\n', "expected a run in schema 1, got 9.", id="a later schema"),
        pytest.param('{"schema": 1}\n', "expected a run of bench, got at that is none: Field required.", id="no run"),
        pytest.param("[1, 2]\n", "expected a run of bench, got the whole that is none:", id="a list"),
        pytest.param("\udcff", "expected a ledger, or what bench --json prints, got no text.", id="no text"),
    ],
)
def test_what_is_no_ledger(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "l.jsonl"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        read_runs(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a ledger, or what bench --json prints, got Is a directory\.$"):
        read_runs(tmp_path)
    with pytest.raises(InputError, match=r"expected a ledger that can be written to, got Is a directory\.$"):
        add_to_ledger(bench_run(), tmp_path)

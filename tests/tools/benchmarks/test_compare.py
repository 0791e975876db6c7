"""Two benchmarks against each other: what is worse, what is noise, and what cannot be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.bench_runs import MACHINE, bench_run, contender
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tools.benchmarks.compare import Comparison, compare
from singleshot.tools.benchmarks.ledger import add_to_ledger, run_as_json
from singleshot.tools.benchmarks.runs import BenchRun

SLOWER = (13, 13.1, 12.9, 13, 13.2)
NOISY_SLOWER = (9, 15, 10, 12, 13)


def compared(folder: Path, old: BenchRun, *new: BenchRun) -> Comparison:
    add_to_ledger(old, folder / "old.jsonl")
    for run in new:
        add_to_ledger(run, folder / "new.jsonl")
    return compare(folder / "old.jsonl", folder / "new.jsonl")


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {change.figure: change.verdict for change in comparison.changes}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        pytest.param(contender(), contender(SLOWER, seed=1), "worse", id="30 % slower"),
        pytest.param(contender(SLOWER), contender(seed=1), "better", id="faster"),
        pytest.param(contender(), contender(seed=1), "no difference", id="the same again"),
        pytest.param(contender(), contender(NOISY_SLOWER, seed=1), "no difference", id="slower, within the noise"),
        pytest.param(contender((10.0,) * 5), contender((10.1,) * 5), "no difference", id="1 %, which is not worth it"),
        pytest.param(contender((10, 10)), contender((20, 20)), "cannot tell", id="two repetitions"),
    ],
)
def test_verdict(tmp_path: Path, old: object, new: object, verdict: str) -> None:
    comparison = compared(tmp_path, bench_run(old), bench_run(new))  # type: ignore[arg-type]  # contenders
    assert verdicts(comparison)["p50"] == verdict
    assert bool(comparison.regressions) == (verdict == "worse")


def test_more_frames_a_second_are_better(tmp_path: Path) -> None:
    assert verdicts(compared(tmp_path, bench_run(contender(SLOWER)), bench_run()))["throughput"] == "better"


def test_memory_alone_can_be_worse(tmp_path: Path) -> None:
    comparison = compared(tmp_path, bench_run(), bench_run(contender(memory_mib=300)))
    assert comparison.regressions == ("a.onnx, onnxruntime (CPU): memory 200 [200, 200] -> 300 [300, 300] MiB",)


def test_an_artefact_that_finds_nothing_any_more_is_worse(tmp_path: Path) -> None:
    comparison = compared(tmp_path, bench_run(), bench_run(contender(detections=0.0, sha256="ef" * 32)))
    assert comparison.regressions == ("a.onnx, onnxruntime (CPU): 1.5 detections a frame -> none",)
    assert "a.onnx, onnxruntime (CPU): contents abababababab -> efefefefefef" in comparison.notes


@pytest.mark.parametrize(
    ("new", "note"),
    [
        pytest.param(
            bench_run(contender(SLOWER), too_busy="other programs had 40% of the processors' time"),
            "cannot tell: NEW was measured on a busy machine: other programs had 40%",
            id="a busy machine",
        ),
        pytest.param(
            bench_run(contender(SLOWER), machine=MACHINE.model_copy(update={"cores": 8})),
            "cannot tell: other machines: OLD on A processor, 4 cores, Linux 6 x86_64; NEW on A processor, 8 cores",
            id="another machine",
        ),
        pytest.param(bench_run(contender(SLOWER), quick=True), "cannot tell: NEW is a --quick run", id="a sanity run"),
        pytest.param(
            bench_run(contender(SLOWER)).model_copy(update={"clip_sha256": "00", "clip": "cat.mp4"}),
            "cannot tell: other frames: OLD on dog.mp4, NEW on cat.mp4",
            id="another clip",
        ),
    ],
)
def test_what_cannot_be_told_is_no_regression(tmp_path: Path, new: BenchRun, note: str) -> None:
    comparison = compared(tmp_path, bench_run(), new)
    assert set(verdicts(comparison).values()) == {"cannot tell"}
    assert not comparison.regressions
    assert comparison.notes[0].startswith(note)


def test_other_versions_and_settings_are_said_and_compared(tmp_path: Path) -> None:
    new = bench_run(contender(SLOWER))
    calm = new.conditions.model_copy(update={"settings": {"governor": "powersave"}})
    new = new.model_copy(update={"versions": {"onnxruntime": "1.33.0"}, "conditions": calm})
    comparison = compared(tmp_path, bench_run(), new)
    assert comparison.notes == ("onnxruntime: 1.32.0 -> 1.33.0", "governor: performance -> powersave")
    assert comparison.regressions


@pytest.mark.slow
def test_runs_of_the_same_are_taken_together(tmp_path: Path) -> None:
    between = [bench_run(contender((middle,) * 5, seed=at)) for at, middle in enumerate((10, 10.8, 11.5, 10.2, 9.9))]
    before = bench_run(contender((10, 10, 10, 10, 10), sha256="11" * 32))  # an older artefact does not belong
    comparison = compared(tmp_path, bench_run(contender((10.5,) * 5)), before, *between)
    assert verdicts(comparison)["p50"] == "no difference"
    assert comparison.notes[0] == f"{tmp_path / 'new.jsonl'}: 5 runs of the same, taken together"


def test_a_single_artefact_on_each_side_is_the_same_whatever_it_is_called(tmp_path: Path) -> None:
    assert compared(tmp_path, bench_run(), bench_run(contender(SLOWER, name="b.onnx"))).regressions


def test_nothing_in_common(tmp_path: Path) -> None:
    two = (contender(name="b.onnx"), contender(name="c.onnx"))
    with pytest.raises(InputError, match=r"new\.jsonl: expected an artefact, backend and batch that .*old\.jsonl has"):
        compared(tmp_path, bench_run(), bench_run(*two))


def test_the_verb_ends_with_1_where_something_is_worse(tmp_path: Path) -> None:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, run in zip(paths, (bench_run(), bench_run(contender(SLOWER))), strict=True):
        path.write_text(json.dumps(run_as_json(run)))
    done = run_verb("bench", "--compare", *paths)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {paths[1]}: expected nothing worse than in {paths[0]}, got a.onnx")
    assert len(done.stderr.splitlines()) == 1
    assert "worse" in done.stdout
    same = run_verb("bench", "--compare", paths[0], paths[0], "--json")
    assert same.exit_code == 0
    assert json.loads(same.stdout)["regressions"] == []

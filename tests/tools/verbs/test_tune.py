"""`singleshot tune` as a user runs it: its figures, its further workers, its errors in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import VOC_ROOT
from singleshot.tools.verbs import tune as tune_verb
from singleshot.train.run.train import TrainingResult, TrainingRun
from singleshot.train.tuning import study as tuning

pytest.importorskip("optuna")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the training: the smaller the learning rate, the better."""

    def train(run: TrainingRun, **_others: object) -> TrainingResult:
        Path(run.out).mkdir(parents=True)
        score = 1 - run.settings.learning_rate
        return TrainingResult(
            best=Path(run.out) / "best.ckpt", metric="val_ap50_voc", best_score=score, epochs=1, stopped_early=False
        )

    monkeypatch.setattr(tuning, "train", train)


def options(folder: Path, *more: object) -> tuple[object, ...]:
    return ("ssd_lite0", "--data", VOC_ROOT, "-o", folder, "--vary", "learning_rate", *more)


@pytest.mark.usefixtures("quick")
def test_files_and_the_best_go_to_stdout_trials_to_stderr(tmp_path: Path) -> None:
    result = run_verb("tune", *options(tmp_path, "--trials", 3))
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == str(tmp_path / "best.toml")
    assert lines[-2].startswith("best: trial ")
    assert lines[-1].endswith(f"--config {tmp_path / 'best.toml'} trains with it")
    assert result.stderr.count(" complete: 0.99") == 3
    assert "(3 of 3)" in result.stderr


@pytest.mark.usefixtures("quick")
def test_json_is_all_there_is_on_stdout(tmp_path: Path) -> None:
    result = run_verb("tune", *options(tmp_path, "--trials", 2, "--json"))
    written = json.loads(result.stdout)
    assert written["best"]["value"] == pytest.approx(1 - written["best"]["parameters"]["learning_rate"])
    assert written["files"] == [str(tmp_path / name) for name in ("best.toml", "trials.csv", "report.html")]


@pytest.mark.usefixtures("quick")
def test_further_workers_get_the_same_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    codes = iter([0, 0, 3])

    class Process:
        def __init__(self, command: list[str]) -> None:
            started.append(command)

        def wait(self) -> int:
            return next(codes)

        def terminate(self) -> None:
            """Nothing runs."""

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(sys, "argv", ["singleshot", "tune", "ssd_lite0"])
    assert run_verb("tune", *options(tmp_path, "--trials", 1, "--workers", 3)).exit_code == 0
    assert [command[-2:] for command in started] == [["--as-worker", "1"], ["--as-worker", "2"]]
    assert started[0][1:5] == ["-m", "singleshot", "tune", "ssd_lite0"]
    failed = run_verb("tune", *options(tmp_path, "--trials", 1, "--workers", 2))
    assert failed.exit_code == 2
    assert "expected every worker to come to its end, got 1 that did not" in failed.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(("--vary", "colour"), "colour: expected something that tuning varies for ssd_lite0", id="vary"),
        pytest.param(("--config", "no.toml"), "no.toml: expected a TOML file of settings, got No such file", id="file"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    result = run_verb("tune", *options(tmp_path, *more))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_trial_without_an_option_or_a_file_is_short() -> None:
    assert tune_verb._base(tune_verb.TuneOptions(network="ssd7", data=[Path()])).epochs == 10

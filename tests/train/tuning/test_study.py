"""Tuning for real, on a few images of 64 pixels: a study goes on, prunes, survives failures and says what was best."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import tomllib
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.dataset import Dataset, open_dataset
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.precision import Precision
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tools.pages.tuning_page import save_tuning_report
from singleshot.train.configuration import load_settings
from singleshot.train.networks.registry import network_named
from singleshot.train.run.train import TrainingResult, TrainingRun
from singleshot.train.settings import TrainSettings, train_settings
from singleshot.train.tuning import study as tuning
from singleshot.train.tuning.search_space import DIMENSIONS, dimensions_for, suggested_settings
from singleshot.train.tuning.study import (
    Study,
    TrialReport,
    best_settings,
    make_study,
    open_finished,
    run_trials,
    settings_of_trial,
    trial_folder,
)

optuna = pytest.importorskip("optuna")

BASE = TrainSettings(
    epochs=1, batch_size=4, height=64, width=64, validate_every=1, workers=0, precision=Precision.FP32, pretrained=False
)


def animals(root: Path) -> Dataset:
    return open_dataset(root, class_names=("horse", "dog"))


def study_of(folder: Path, *, trials: int = 4, vary: tuple[str, ...] = ("learning_rate",), **changes: object) -> Study:
    base = BASE.model_copy(update=changes)
    return make_study("ssd_lite0", folder, base, trials=trials, dimensions=vary)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[int, object]:
    """Stand in for the training: trial number -> the figure that it reaches, or the error that it ends in."""
    planned: dict[int, object] = {}

    def train(run: TrainingRun, **_others: object) -> TrainingResult:
        out = Path(run.out)
        outcome = planned.get(int(out.name), 0.5)
        out.mkdir(parents=True)
        (out / "last.ckpt").touch()
        (out / "best.ckpt").touch()
        if isinstance(outcome, BaseException):
            raise outcome
        assert outcome is None or isinstance(outcome, float)
        return TrainingResult(
            best=out / "best.ckpt", metric="val_ap50_voc", best_score=outcome, epochs=1, stopped_early=False
        )

    monkeypatch.setattr(tuning, "train", train)
    return planned


@pytest.mark.slow
def test_two_real_trainings_give_settings_that_training_takes(animals_root: Path, tmp_path: Path) -> None:
    study = study_of(tmp_path / "tuning", trials=2, vary=("learning_rate", "branch_depth", "default_box_scales"))
    run_trials(study, animals(animals_root))
    opened = open_finished(study, animals(animals_root))
    files = save_tuning_report(study, opened)
    assert [path.name for path in files] == ["best.toml", "trials.csv", "report.html"]
    assert train_settings(**load_settings(files[0])) == train_settings(**best_settings(study, opened).model_dump())
    text = tomllib.loads(files[0].read_text())
    assert text["learning_rate"] == pytest.approx(opened.best_trial.params["learning_rate"])
    assert len(text["default_box_scales"]) == len(network_named("ssd_lite0").default_boxes.scales)  # type: ignore[union-attr]
    with files[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete", "complete"]
    page = ParsedPage(files[2].read_text())
    assert page.figures[:2] == ["value", "importance"]
    assert sorted(page.figures[2:]) == sorted(opened.best_trial.params)
    assert [row["trial"] for row in page.tables[-1]] == ["0", "1"]
    assert f"in trial {opened.best_trial.number}." in page.text
    kept = {folder.name: (folder / "best.ckpt").exists() for folder in (study.folder / "trials").iterdir()}
    assert kept == {f"{number:04d}": number == opened.best_trial.number for number in (0, 1)}


def test_study_goes_on_where_it_was_and_stops_at_its_number(
    figures: dict[int, object], animals_root: Path, tmp_path: Path
) -> None:
    figures.update({0: 0.1, 1: 0.7, 2: 0.3})
    data = animals(animals_root)
    reports: list[TrialReport] = []
    run_trials(study_of(tmp_path, trials=2), data, on_trial=reports.append)
    assert [(item.number, item.state, item.best, item.done) for item in reports] == [
        (0, "complete", 0.1, 1),
        (1, "complete", 0.7, 2),
    ]
    opened = run_trials(study_of(tmp_path, trials=3), data, on_trial=reports.append)
    assert [trial.value for trial in opened.trials] == [0.1, 0.7, 0.3]
    assert len(run_trials(study_of(tmp_path, trials=3), data).trials) == 3
    assert [trial_folder(study_of(tmp_path), number).joinpath("best.ckpt").exists() for number in range(3)] == [
        False,
        True,
        False,
    ]


def test_failed_trial_says_why_and_the_others_go_on(
    figures: dict[int, object], animals_root: Path, tmp_path: Path
) -> None:
    figures[0] = CheckError("epoch 1, step 3: expected a finite loss, got nan.")
    reports: list[TrialReport] = []
    opened = run_trials(study_of(tmp_path, trials=2), animals(animals_root), on_trial=reports.append)
    assert [(item.state, item.reason) for item in reports] == [
        ("failed", "epoch 1, step 3: expected a finite loss, got nan."),
        ("complete", ""),
    ]
    assert opened.best_trial.number == 1


def test_interrupted_trial_is_taken_up_again_with_its_values(
    figures: dict[int, object], animals_root: Path, tmp_path: Path
) -> None:
    figures[0] = KeyboardInterrupt()
    data = animals(animals_root)
    with pytest.raises(KeyboardInterrupt):
        run_trials(study_of(tmp_path, trials=1), data)
    opened = run_trials(study_of(tmp_path, trials=1), data)
    assert [trial.state.name for trial in opened.trials] == ["FAIL", "COMPLETE"]
    assert opened.trials[0].params == opened.trials[1].params


def test_hopeless_trial_is_pruned(animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real callback, told by a training that validates three times: trial 5 lies below the others' median."""

    class Trainer:
        callback_metrics: dict[str, float]
        current_epoch: int

    def train(run: TrainingRun, *, callbacks: list[object], **_others: object) -> TrainingResult:
        out = Path(run.out)
        out.mkdir(parents=True)
        trainer = Trainer()
        for epoch in range(3):
            trainer.current_epoch = epoch
            trainer.callback_metrics = {"val_ap50_voc": 0.01 if out.name == "0005" else 0.5 + epoch / 10}
            callbacks[0].on_validation_end(trainer, None)  # type: ignore[attr-defined]
        return TrainingResult(
            best=out / "best.ckpt", metric="val_ap50_voc", best_score=0.7, epochs=3, stopped_early=False
        )

    monkeypatch.setattr(tuning, "train", train)
    reports: list[TrialReport] = []
    run_trials(study_of(tmp_path, trials=6), animals(animals_root), on_trial=reports.append)
    assert [item.state for item in reports] == ["complete"] * 5 + ["pruned"]
    assert reports[-1].value == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"epochs": 3}, "expected a study of epochs 1, got 3. Tune with the same", id="settings"),
        pytest.param(
            {"vary": ("weight_decay",)}, r"expected a study of dimensions \['learning_rate'\]", id="dimensions"
        ),
    ],
)
def test_another_study_in_the_folder_is_refused(
    figures: dict[int, object], animals_root: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    data = animals(animals_root)
    run_trials(study_of(tmp_path, trials=1), data)
    with pytest.raises(InputError, match=message):
        run_trials(study_of(tmp_path, **changes), data)  # type: ignore[arg-type]


def test_a_study_of_an_older_version_goes_on(figures: dict[int, object], animals_root: Path, tmp_path: Path) -> None:
    data, study = animals(animals_root), study_of(tmp_path, trials=1)
    opened = run_trials(study, data)
    known = json.loads(opened.user_attrs["identity"])
    del known["settings"]["frozen_norms"]  # as a version wrote it that did not have the setting
    opened.set_user_attr("identity", json.dumps(known))
    with pytest.raises(InputError, match="expected a study of frozen_norms True, got False"):
        run_trials(study_of(tmp_path, frozen_norms=False), data)
    assert len(run_trials(study_of(tmp_path, trials=2), data).trials) == 2


def test_storage_that_cannot_be_opened_is_one_line(animals_root: Path, tmp_path: Path) -> None:
    study = make_study("ssd_lite0", tmp_path, BASE, trials=1, storage="nonsense://here")
    with pytest.raises(InputError, match="nonsense://here: expected a storage that Optuna can open, got: ") as caught:
        run_trials(study, animals(animals_root))
    assert "\n" not in str(caught.value)


def test_nothing_to_choose_by_is_refused(figures: dict[int, object], animals_root: Path, tmp_path: Path) -> None:
    figures[0] = None
    with pytest.raises(InputError, match="VOC2012: expected enough objects of a class to measure a validation by"):
        run_trials(study_of(tmp_path), animals(animals_root))


def test_study_without_a_result_is_refused(figures: dict[int, object], animals_root: Path, tmp_path: Path) -> None:
    figures[0] = CheckError("no")
    study = study_of(tmp_path, trials=1)
    run_trials(study, animals(animals_root))
    with pytest.raises(InputError, match="expected a trial that came to its end, got 1 that were pruned or failed"):
        open_finished(study, animals(animals_root))


def test_every_dimension_that_a_network_follows_is_varied() -> None:
    assert set(dimensions_for("ssd_lite0")) == set(DIMENSIONS) - {"dropout"}
    with pytest.raises(InputError, match="dropout: expected something that tuning varies for ssd_lite0: learning_rate"):
        dimensions_for("ssd_lite0", ["dropout"])


@given(st.integers(0, 2**16))
def test_sampled_settings_keep_what_was_asked_for(seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    base = train_settings(batch_size=7, augmentation={"colour": 0.9})
    sampled = suggested_settings(trial, "ssd_lite0", base, dimensions_for("ssd_lite0"))
    assert (sampled.batch_size, sampled.augmentation.colour) == (7, 0.9)
    assert sampled.default_box_scales is not None
    assert list(sampled.default_box_scales) == sorted(sampled.default_box_scales)
    assert sampled.augmentation.strength == trial.params["augmentation.strength"]


def test_trials_validate_every_epoch_unless_told_otherwise() -> None:
    assert settings_of_trial(train_settings(), epochs=7).validate_every == 1
    told = settings_of_trial(train_settings(validate_every=3, epochs=9), epochs=None)
    assert (told.validate_every, told.epochs) == (3, 9)

"""The paper's runs, trained for real on a few small images: once, in order, and on after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.tools.paper.report import write_paper_report
from singleshot.train.checkpoints.checkpoint import load_checkpoint
from singleshot.train.feed.batches import AugmentedImages
from singleshot.train.paper.plan import PaperPlan, PaperRun
from singleshot.train.paper.results import RUNS, all_finished, load_boxes
from singleshot.train.paper.runs import PaperRunner

NAMES = ("scorpion", "German shepherd", "basketball")


def runner_of(root: Path, out: Path) -> PaperRunner:
    return PaperRunner(root=root, class_names=NAMES, out=out, workers=0, precision="fp32", progress=False)


def test_runs_are_trained_once_and_a_failed_one_does_not_keep_the_others(
    kaggle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runner = runner_of(kaggle, tmp_path / "out")
    plan = PaperPlan(
        classes=3,
        networks=("vgg_joint_normalised", "ssd7"),
        size=64,
        epochs_classification=2,
        epochs_localization=2,
    )
    told: list[tuple[str, int, int]] = []
    trained = PaperRunner.train

    def vgg_diverges(self: PaperRunner, run: PaperRun) -> None:
        if run.network == "vgg_joint_normalised":
            raise CheckError("epoch 1: expected a finite loss, got nan.")
        trained(self, run)

    with monkeypatch.context() as patch:
        patch.setattr(PaperRunner, "train", vgg_diverges)
        with pytest.raises(CheckError, match=r"1 of 2 runs did not reach .*vgg_joint_normalised-.*: epoch 1: expected"):
            runner.train_all(plan, lambda *_: None)
    runner.train_all(plan, lambda run, number, count: told.append((run.network, number, count)))
    assert told == [("vgg_joint_normalised", 1, 2), ("ssd7", 2, 2)]
    joint, ssd7 = all_finished(tmp_path / "out")
    assert joint.original_px == (64, 64)
    assert joint.last("val_localization_error_top1") is not None
    assert load_boxes(tmp_path / "out", joint.run) is not None
    for column in ("val_loss", "val_class_loss", "val_box_loss", "val_localization_error_top5"):
        assert ssd7.last(column) is not None
    assert not (tmp_path / "out" / RUNS / ssd7.run.folder / "last.ckpt").exists()
    monkeypatch.setattr(PaperRunner, "train", None)  # nothing is left to train
    runner.train_all(plan, lambda *_: None)
    others = replace(runner, class_names=("scorpion", "German shepherd", "bee"))
    with pytest.raises(InputError, match=r"vgg_joint.*: expected a finished run of the classes .*basketball makes"):
        others.train_all(plan, lambda *_: None)


def test_an_interrupted_run_goes_on(kaggle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    runner = runner_of(kaggle, out)
    plan = PaperPlan(classes=3, networks=("ssd7_classifier",), size=64, epochs_classification=2)
    (run,) = plan.runs()
    untouched = AugmentedImages.__getitem__

    def press_ctrl_c(self: AugmentedImages, key: tuple[int, int]) -> object:
        if key[0] == 1:
            raise KeyboardInterrupt
        return untouched(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(AugmentedImages, "__getitem__", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            runner.train_all(plan, lambda *_: None)
    before = (out / RUNS / run.folder / "metrics.csv").read_text()
    assert all_finished(out) == []
    runner.train_all(plan, lambda *_: None)
    (finished,) = all_finished(out)
    assert finished.resumed
    assert [row["epoch"] for row in finished.rows] == [1, 2]
    assert (out / RUNS / run.folder / "metrics.csv").read_text().startswith(before)


def test_fewer_classes_are_sampled_alike_however_many_are_asked_for(kaggle: Path, tmp_path: Path) -> None:
    one, two = (replace(PaperPlan(classes=3).runs()[0], classes=count) for count in (1, 2))
    runner = PaperRunner(root=kaggle, class_names=NAMES, out=tmp_path)
    sampled = PaperRunner(root=kaggle, class_names=tuple(runner.names(two)), classes_asked="2", out=tmp_path)
    assert sampled.names(one) == runner.names(one)
    assert runner.names(one) == ["scorpion"]
    named = ("German shepherd", "basketball")
    asked = PaperRunner(root=kaggle, class_names=named, classes_asked="names.txt", out=tmp_path)
    assert set(asked.names(one)) < set(named)


def test_an_image_that_cannot_be_read_does_not_keep_a_run_from_its_end(
    kaggle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan = PaperPlan(classes=3, networks=("ssd7_classifier",), size=64, epochs_classification=1)
    validated = open_dataset(kaggle_copy, class_names=NAMES).sample_ids("seeded-val")
    next(kaggle_copy.rglob(f"{validated[0]}.JPEG")).write_bytes(b"no image")
    runner = runner_of(kaggle_copy, tmp_path / "out")
    runner.train_all(plan, lambda *_: None)
    (finished,) = all_finished(tmp_path / "out")
    assert finished.original_px == (64, 64)


def test_a_detector_starts_from_its_trained_base(kaggle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    runner = runner_of(kaggle, out)
    plan = PaperPlan(
        classes=3, networks=("ssd7",), size=64, epochs_classification=1, epochs_localization=1, trained_base=True
    )
    base, detector = plan.runs()
    with monkeypatch.context() as patch:
        patch.setattr(PaperRunner, "train", lambda *_: None)
        with pytest.raises(CheckError, match=r"ssd7-.*: expected its base classification.ssd7_classifier-.* before it"):
            runner.train_all(plan, lambda *_: None)
    runner.train_all(plan, lambda *_: None)
    card = load_checkpoint(out / RUNS / detector.folder / "best.ckpt").card
    measured = {item.metric: item.value for item in card.measurements}
    assert measured["ILSVRC localization error, top-1"] == all_finished(out)[1].last("val_localization_error_top1")
    assert card.origin.parent_sha256 == sha256_of_file(out / RUNS / base.folder / "last.ckpt")
    report = write_paper_report(out)
    assert report is not None
    assert "| ssd7 | 3 | paper | 64 px | 1, 1 before as a classifier | 0 |" in report.read_text()
    assert (
        "--trained-base --epochs-classification 1 --epochs-localization 1 --models ssd7 --seeds 0" in report.read_text()
    )

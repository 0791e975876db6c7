"""What the report of the paper's runs says."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from singleshot.tests.fixtures.paper_runs import RUN, accuracy, finish
from singleshot.tools.paper.report import write_paper_report
from singleshot.train.paper.results import RUNS, load_boxes, save_boxes

WAY = "--size 224 --recipe paper"
COMMAND = f"    singleshot reproduce-paper --data DATA -o OUT {WAY}"


def write_all_rounds(out: Path) -> None:
    for seed in (0, 1, 2):
        better = 0.1 * seed
        for network in ("resnet50", "resnet_dropout", "vgg_lite", "vgg_joint"):
            finish(out, replace(RUN, network=network, seed=seed), accuracy(1, 0.2), accuracy(2, 0.5 + better))
        finish(out, replace(RUN, round="classes", network="vgg_lite", classes=5, seed=seed), accuracy(1, 0.8))
        plain = {**accuracy(1, 0.4 + 0.03 * (seed - 1)), "val_class_loss": 2.0 + 0.1 * (seed - 1)}
        finish(out, replace(RUN, network="ssd7_classifier", seed=seed), plain)
        finish(out, replace(RUN, network="ssd7_classifier", classes=10, seed=seed), accuracy(1, 0.6))
        for name, gain in (("horizontal flip", 0.2), ("rotation", 0.02), ("crop", -0.2)):
            run = replace(RUN, round="ablation", network="ssd7_classifier", augmentation=name, seed=seed)
            finish(
                out,
                run,
                {**accuracy(1, 0.4 + gain + 0.03 * (seed - 1)), "val_class_loss": 2.0 - gain + 0.1 * (seed - 1)},
            )
        for network, loss, ap50 in (("ssd7", 4.0, 0.3), ("ssd_resnet", 3.0, 0.35)):
            run = replace(RUN, round="localization", network=network, seed=seed)
            figures = {"epoch": 1, "loss": loss, "val_loss": loss, "val_class_loss": loss - 1, "val_box_loss": 1.0}
            finish(out, run, {**figures, "val_ap50_voc": ap50, "val_localization_error_top1": 0.7})
    joint = out / RUNS / replace(RUN, network="vgg_joint").folder
    true = np.random.default_rng(0).uniform(0.2, 0.8, (100, 2))
    save_boxes(joint, np.concatenate([true, np.full((100, 2), 0.5)], axis=1).astype(np.float32))


def test_the_report_says_all_of_it(tmp_path: Path) -> None:
    write_all_rounds(tmp_path)
    boxes = load_boxes(tmp_path, replace(RUN, network="vgg_joint"))
    assert boxes is not None
    assert boxes.shape == (100, 4)
    path = write_paper_report(tmp_path)
    assert path is not None
    text = path.read_text()
    for said in (
        f"{COMMAND} --epochs-classification 100 --models resnet50,ssd7_classifier,resnet_dropout,vgg_lite,vgg_joint "
        "--seeds 0,1,2\n",
        f"{COMMAND} --epochs-classification 100 --ablation ssd7_classifier --models ssd7_classifier --seeds 0,1,2\n",
        f"singleshot reproduce-paper --data DATA -o OUT --classes cat,dog {WAY} --epochs-classification 100 "
        "--models ssd7_classifier --seeds 0,1,2\n",
        f"{COMMAND} --epochs-localization 100 --models ssd7,ssd_resnet --seeds 0,1,2\n",
        "The images are 64 x 80 pixels (median) and were fitted to 224 x 224",
        "| resnet_dropout | 25 | paper | 224 px | 100 | 0, 1, 2 | 60.0% [35.2%, 84.8%] | 95.0% [95.0%, 95.0%] |",
        "| 66% | 91% |",
        "`resnet_dropout` less `resnet50`, top-1, 25 classes, paper recipe, 100 epochs: "
        "+0.0 [+0.0, +0.0] points (3 seeds)",
        "`ssd_resnet` less `ssd7`, 25 classes, paper recipe, 100 epochs: -1.000 [-1.000, -1.000], -25.0% of the loss; "
        "AP50 +5.0 [+5.0, +5.0] points (3 seeds).",
        "| vgg_joint | 60.0% [35.2%, 84.8%] |  |  | 0.00 | 0.00 |",
        "| 5 | paper | 224 px | 100 | 0, 1, 2 | 20.0% | 80.0% [80.0%, 80.0%] |",
        "| ssd7_classifier | 10 | paper | 224 px | 100 | 0, 1, 2 | 60.0% [60.0%, 60.0%] "
        "| 95.0% [95.0%, 95.0%] | 90.0% [90.0%, 90.0%] |  |  |",
        "Of `ssd7_classifier`:",
        # Dunnett's table: 2.88 for 3 treatments, 8 degrees of freedom
        "| +20.0 [+12.9, +27.1] points | helps | -0.200 [-0.435, 0.035] | not told apart from none |",
        "points | hurts |",
        "points | not told apart from none |",
        "| classification | resnet50-paper-25classes-224px-100epochs | 1 | 1.5 (resumed) |",
    ):
        assert said in text
    for picture in (
        "accuracy",
        "ssd_loss",
        "boxes",
        "classes-paper-224px-100epochs",
        "ablation-ssd7_classifier-paper-25classes-224px-100epochs",
    ):
        assert f"({picture}.png)" in text
        image = cv2.imread(str(tmp_path / f"{picture}.png"))
        assert image is not None
        assert len(np.unique(image)) > 10  # something is drawn
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    top1 = [row for row in rows if row["network"] == "resnet_dropout" and row["figure"] == "val_top1"]
    assert [row["paper"] for row in top1 if row["round"] == "classification"] == ["0.66"]
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 * 12


def test_the_same_training_in_two_rounds_is_one_seed(tmp_path: Path) -> None:
    full = replace(RUN, network="vgg_lite")
    for run in (full, replace(full, classes=10), replace(full, round="classes", classes=10)):
        finish(tmp_path, run, accuracy(1, 0.5))
    report = write_paper_report(tmp_path)
    assert report is not None
    assert "| 10 | paper | 224 px | 100 | 0 | 10.0% | 50.0% | 90.0% |" in report.read_text()
    with (tmp_path / "table.csv").open(newline="") as file:
        assert {row["seeds"] for row in csv.DictReader(file)} == {"1"}


def test_without_a_finished_run_there_is_no_report(tmp_path: Path) -> None:
    assert write_paper_report(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_detectors_are_told_apart_by_how_they_were_trained_with_or_without_an_ap50(tmp_path: Path) -> None:
    for base_epochs, found in ((10, {}), (20, {"val_ap50_voc": 0.3})):
        for network, better in (("ssd7", 0.0), ("ssd_resnet", 0.1)):
            run = replace(RUN, round="localization", network=network, base_epochs=base_epochs)
            ap50 = {name: value + better for name, value in found.items()}
            finish(tmp_path, run, {"epoch": 1, "loss": 2.0, "val_loss": 2.0 - better, **ap50})
    report = write_paper_report(tmp_path)
    assert report is not None
    said = [line for line in report.read_text().splitlines() if line.startswith("`ssd_resnet` less")]
    assert said == [
        f"`ssd_resnet` less `ssd7`, 25 classes, paper recipe, 100 epochs, {before} before as a classifier: "
        f"-0.100, -5.0% of the loss{ap50} (one seed, so without an interval)."
        for before, ap50 in ((10, ""), (20, "; AP50 +10.0 points"))
    ]

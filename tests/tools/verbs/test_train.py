"""`singleshot train`: what a newcomer sees, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import tomllib

from singleshot.tests.fixtures.animals import write_animals
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tools.verbs.train import TrainOptions
from singleshot.train.feed.batches import AugmentedImages
from singleshot.train.networks import registry as networks
from singleshot.train.settings import TrainSettings

HORSES = "two horses and two people"
SMALL = ("--epochs", "2", "--batch-size", "4", "--workers", "0", "--no-pretrained", "--validate-every", "2")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data of a few horses, and a network for 64 pixels, so that a run takes seconds."""
    network = networks.NETWORKS["ssd_lite0"]
    small = network.input.model_copy(update={"height": 64, "width": 64})
    monkeypatch.setitem(networks.NETWORKS, "ssd_lite0", dataclasses.replace(network, input=small))
    return write_animals(tmp_path, {"train": [HORSES] * 8, "val": [HORSES] * 5})


def test_a_run_tells_the_data_then_the_result_and_nothing_of_lightning(root: Path) -> None:
    result = run_verb("train", "ssd_lite0", "--data", root, "--classes", "horse", "-o", root / "run", *SMALL)
    assert result.exit_code == 0, result.stderr
    best = root / "run" / "best.ckpt"
    assert result.stdout.startswith(f"{best}: val_ap50_voc 0.")
    assert result.stdout.endswith(f", 2 epochs\n{root / 'run' / 'report.html'}: written\n")
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert "voc layout: VOC2012, training on train, validating on val" in lines
    assert "13 images read, 0 of them without objects; 26 objects, 0 of them difficult" in lines
    for chatter in ("GPU", "TPU", "Tip", "litlogger", "Warning", "warn", "deprecat", "lr_scheduler", "Restor"):
        assert chatter not in result.stderr, result.stderr
    _evaluates(best, root)


def test_a_run_that_cannot_be_measured_says_why(root: Path) -> None:
    (root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main" / "few.txt").write_text("val_0\nval_1")
    few = ("--val-split", "few", "--epochs", "1", "--batch-size", "4", "--workers", "0", "--no-pretrained")
    result = run_verb("train", "ssd_lite0", "--data", root, "--classes", "horse", "-o", root / "run", *few)
    assert result.exit_code == 0, result.stderr
    assert "val_ap50_voc not measured (no class has 10 objects in the images that validate), 1 epoch\n" in result.stdout


def _evaluates(checkpoint: Path, root: Path) -> None:
    result = run_verb("evaluate", checkpoint, "--data", root)
    assert result.exit_code == 0, result.stderr
    assert "5 images. Means over horse." in result.stdout


@pytest.mark.usefixtures("ctrl_c_raises")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_go_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    untouched = AugmentedImages.__getitem__
    handlers = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))

    def interrupt(self: AugmentedImages, key: tuple[int, int]) -> object:
        if key[0] == 1:
            os.kill(os.getpid(), number)
        return untouched(self, key)

    arguments = ("ssd_lite0", "--data", root, "--classes", "horse", "-o", root / "run", *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(AugmentedImages, "__getitem__", interrupt)
        result = run_verb("train", *arguments)
    assert result.exit_code == code, result.stderr
    last = root / "run" / "last.ckpt"
    assert (
        f"Interrupted. {last} holds the last whole epoch; the same command with --resume goes on from there."
        in result.stderr
    )
    assert "Traceback" not in result.stderr
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    if number == signal.SIGINT:
        resumed = run_verb("train", *arguments, "--resume")
        assert resumed.exit_code == 0, resumed.stderr
        assert ", 2 epochs\n" in resumed.stdout


def test_before_the_first_epoch_there_is_nothing_to_resume(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: AugmentedImages, key: tuple[int, int]) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(AugmentedImages, "__getitem__", interrupt)
    result = run_verb("train", "ssd_lite0", "--data", root, "--classes", "horse", "-o", root / "run", *SMALL)
    assert result.exit_code == 130
    assert "Interrupted. No epoch was finished: there is nothing to resume from." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--classes", "horse,dog"],
            "error: VOC2012 train: expected objects of every class to learn, got none of dog.",
            id="a class without objects",
        ),
        pytest.param(["--learning-rate", "0"], "error: learning_rate: expected greater than 0, got 0.0.", id="setting"),
        pytest.param(
            ["--no-pretrained", "--frozen-stages", "2"],
            "error: frozen_stages: expected 0 without pretrained weights, got 2.",
            id="random stages frozen",
        ),
        pytest.param(["--train-split", "tset"], "error: tset: expected a split of VOC2012, one of", id="split"),
        pytest.param(["--config", "none.toml"], "error: none.toml: expected a TOML file of settings, got", id="config"),
        pytest.param(["--resume"], "last.ckpt: expected a checkpoint to resume from, got no such file.", id="resume"),
    ],
)
def test_a_mistake_is_one_line_and_makes_no_folder(root: Path, arguments: list[str], message: str) -> None:
    start = ["ssd_lite0", "--data", root, "-o", root / "run"]
    if "--classes" not in arguments:
        start += ["--classes", "horse"]
    result = run_verb("train", *start, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert not (root / "run").exists()


def test_an_unknown_network_is_one_line(root: Path) -> None:
    result = run_verb("train", "ssd_none", "--data", root, "-o", root / "run")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("error: ssd_none: expected a network, one of ")


@pytest.mark.parametrize(("given", "missing"), [("-o", "--data"), ("--data", "--out")])
def test_a_folder_that_is_not_named_is_one_line(tmp_path: Path, given: str, missing: str) -> None:
    result = run_verb("train", "ssd_lite0", given, tmp_path)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"error: {missing}: expected the folder of ")


def test_options_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("epochs = 7\nbatch_size = 3\n[augmentation]\ncolour = 0.5\n")
    result = run_verb(
        "train", "ssd_lite0", "--config", config, "--epochs", "9", "--fit-default-boxes", "--print-config"
    )
    assert result.exit_code == 0, result.stderr
    printed = tomllib.loads(result.stdout)
    assert (printed["epochs"], printed["batch_size"], printed["augmentation"]["colour"]) == (9, 3, 0.5)
    assert (printed["default_boxes"], printed["learning_rate"]) == ("fitted", TrainSettings().learning_rate)


def test_help_shows_the_defaults_of_the_settings() -> None:
    result = run_verb("train", "--help", columns=200, TERM="dumb")
    in_words = {"pretrained": "if there are any", "balanced": "no", "quantization_aware": "no"}
    text = " ".join(result.stdout.split())
    settings = [field.name for field in dataclasses.fields(TrainOptions) if field.name in TrainSettings.model_fields]
    assert len(settings) == 15
    for name in settings:
        _, _, after = text.partition(f" --{name.replace('_', '-')} ")
        default = in_words.get(name, str(getattr(TrainSettings(), name)))
        assert after.partition("[default: (")[2].startswith(f"{default})]"), name


@pytest.mark.slow
def test_the_result_as_json_and_the_page(root: Path) -> None:
    arguments = ("--classes", "horse", "-o", root / "run", "--fit-default-boxes", "--json", *SMALL)
    result = run_verb("train", "ssd_lite0", "--data", root, *arguments)
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["best"] == str(root / "run" / "best.ckpt")
    assert (told["metric"], told["epochs"], told["stopped_early"]) == ("val_ap50_voc", 2, False)
    page = ParsedPage((root / "run" / "report.html").read_text(encoding="utf-8"))
    assert page.title == "ssd_lite0 on VOC2012"
    assert page.figures == ["loss", "validation", "learning rate"]
    for part in ("Confusion", "Worst images", "learning_rate = 0.001", 'default_boxes = "fitted"'):
        assert part in page.text
    assert [row["class"] for row in page.tables[0]] == ["horse", "mean"]
    assert page.pictures

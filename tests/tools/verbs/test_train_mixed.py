"""`singleshot train --data A --data B`: data sets that label different classes, from the command line to the page."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from singleshot.data.dataset import open_dataset
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.mixed_data import CLASSES, write_mixed
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.train.checkpoints.checkpoint import load_checkpoint
from singleshot.train.feed.batches import Batch
from singleshot.train.learn.detector_training import DetectorTraining
from singleshot.train.learn.losses import multibox_loss
from singleshot.train.learn.matching import match_targets
from singleshot.train.networks import registry as networks
from singleshot.train.run.train import TrainingRun, train
from singleshot.train.settings import TrainSettings

NAMES = ",".join(CLASSES)
SMALL = ("--batch-size", "4", "--workers", "0", "--no-pretrained", "--validate-every", "1")


@pytest.fixture(scope="module", autouse=True)
def small_network() -> Iterator[None]:
    """A network for 64 pixels, so that a run takes seconds."""
    network = networks.NETWORKS["ssd_lite0"]
    small = network.input.model_copy(update={"height": 64, "width": 64})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "ssd_lite0", dataclasses.replace(network, input=small))
        yield


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_mixed(tmp_path_factory.mktemp("mixed"), images=4)


@pytest.fixture(scope="module")
def run_of(roots: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder of a run of one epoch, and what it told."""
    out = tmp_path_factory.mktemp("runs") / "run"
    pets, people = roots
    result = run_verb(
        "train", "ssd_lite0", "--data", pets, "--data", people, "--classes", NAMES, "--epochs", "1", "-o", out, *SMALL
    )
    assert result.exit_code == 0, result.stderr
    return out, result.stderr


def test_what_each_data_set_brings_is_told_before_training(run_of: tuple[Path, str]) -> None:
    lines = run_of[1].splitlines()
    told = [
        "merged layout (voc, coco): pets + people, training on train, validating on val",
        "pets: 8 / 10 images of train / val; objects: cat 4 / 5, dog 4 / 5; not labelled: person",
        "people: 4 / 5 images of train / val; objects: person 8 / 10; not labelled: cat, dog",
    ]
    places = [lines.index(line) for line in told]
    first_epoch = next(at for at, line in enumerate(lines) if line.startswith("epoch 1/1"))
    assert places == sorted(places)
    assert places[-1] < first_epoch


def test_the_card_and_the_page_say_what_is_left_open(run_of: tuple[Path, str]) -> None:
    out, _ = run_of
    card = load_checkpoint(out / "best.ckpt").card
    assert card.class_names == CLASSES
    assert card.origin.data == (
        "merged pets + people train, 12 images (pets without labels of person; people without labels of cat, dog)"
    )
    text = ParsedPage((out / "report.html").read_text(encoding="utf-8")).text
    assert "objects: cat 4 / 5, dog 4 / 5; not labelled: person" in text
    assert "A class that a data set does not label is not taught as background in its images" in text


@pytest.mark.parametrize(
    ("order", "classes", "message"),
    [
        pytest.param((0, 1), NAMES, None, id="the same"),
        pytest.param((1, 0), NAMES, "expected to go on with training data merged pets + people train", id="exchanged"),
        pytest.param((0,), "cat,dog", "expected to go on with classes cat, dog, person, got cat, dog.", id="one alone"),
    ],
)
def test_a_resume_goes_on_with_the_same_data_sets(
    run_of: tuple[Path, str],
    roots: tuple[Path, Path],
    tmp_path: Path,
    order: tuple[int, ...],
    classes: str,
    message: str | None,
) -> None:
    shutil.copytree(run_of[0], tmp_path / "run")
    data = [argument for at in order for argument in ("--data", roots[at])]
    arguments = (*data, "--classes", classes, "--epochs", "1", "-o", tmp_path / "run", *SMALL)
    result = run_verb("train", "ssd_lite0", *arguments, "--resume")
    assert result.exit_code == (0 if message is None else 2), result.stderr
    assert message is None or message in result.stderr


def test_a_step_leaves_open_what_a_data_set_does_not_label(
    roots: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradients by the logits in real steps, image by image."""
    seen: list[int] = []
    untouched = DetectorTraining.losses

    def losses(self: DetectorTraining, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        parts = untouched(self, images, batch)
        heads = self.network(images)
        variances = self.card.postprocess.variances
        targets = match_targets(batch.objects, self.network.default_cxcywh, variances=variances)
        loss = multibox_loss(heads, targets, labelled=batch.labelled)
        assert torch.equal(loss.classification, parts["class_loss"])
        (gradient,) = torch.autograd.grad(loss.classification, heads.class_logits)
        assert batch.labelled is not None
        for labelled, of_image, labels in zip(batch.labelled, gradient, targets.labels, strict=True):
            negatives = of_image[labels <= 0][:, 1:]
            assert (negatives[:, ~labelled] == 0).all()
            assert (negatives[:, labelled] > 0).any()
            seen.append(int(labelled.sum()))
        return parts

    monkeypatch.setattr(DetectorTraining, "losses", losses)
    data = open_dataset(*roots, class_names=CLASSES)
    settings = TrainSettings(epochs=1, batch_size=4, workers=0, pretrained=False, frozen_stages=0)
    train(TrainingRun(network="ssd_lite0", data=data, out=tmp_path / "run", settings=settings), progress=False)
    assert (seen.count(2), seen.count(1)) == (8, 4), "cats and dogs in pets' images, people in the others"


def test_a_class_is_measured_on_the_images_of_those_that_label_it(
    run_of: tuple[Path, str], roots: tuple[Path, Path]
) -> None:
    checkpoint = run_of[0] / "last.ckpt"
    both = [argument for root in roots for argument in ("--data", root)]
    together = run_verb("evaluate", checkpoint, *both, "--json")
    assert together.exit_code == 0, together.stderr
    parts = [run_verb("evaluate", checkpoint, "--data", root, "--json") for root in roots]
    by_class = [{item["name"]: item for item in json.loads(part.stdout)["result"]["classes"]} for part in parts]
    for item in json.loads(together.stdout)["result"]["classes"]:
        assert item == by_class[item["name"] == "person"][item["name"]]


def test_check_data_counts_by_data_set(roots: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run_verb("check-data", *roots, "--classes", NAMES, "--html", page)
    assert result.exit_code == 0, result.stderr
    line = "people: 4 / 5 images of train / val; objects: person 8 / 10; not labelled: cat, dog"
    assert line in result.stdout
    assert line in page.read_text(encoding="utf-8")
    found = json.loads(run_verb("check-data", *roots, "--classes", NAMES, "--json").stdout)
    assert found["data_sets"]["val"]["people"] == {"images": 5, "objects": {"person": 10}}


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        pytest.param("quantize", ("a.onnx", "--data", "a", "--data", "b"), id="two words"),
        pytest.param("bench-training", ("--data=a", "--data=b"), id="one word"),
    ],
)
def test_what_reads_one_data_set_refuses_two(verb: str, arguments: tuple[str, ...]) -> None:
    result = run_verb(verb, *arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"error: --data: expected one data set for {verb}, got 2. train,")


@pytest.mark.parametrize("verb", ["train", "tune"])
def test_two_data_sets_are_checked_before_anything_is_looked_at(
    roots: tuple[Path, Path], tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "out"
    result = run_verb(verb, "ssd_lite0", "--data", roots[0], "--data", roots[0], "--classes", "cat,dog", "-o", out)
    assert result.exit_code == 2
    assert "expected different data sets, got pets and pets-2, which lie in the same place" in result.stderr
    assert not out.exists()

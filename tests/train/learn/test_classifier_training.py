"""Classifiers, trained for real on a few images of 32 pixels: targets, losses, figures, what goes on after a stop."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torchmetrics import Metric

from singleshot.calib.accuracy.top_k import evaluate_accuracy
from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.metrics_table import metrics_rows
from singleshot.tests.fixtures.training_run import run_training
from singleshot.train.augmentation_settings import AugmentationSettings
from singleshot.train.checkpoints.checkpoint import load_checkpoint, open_checkpoint_session
from singleshot.train.feed.batches import Batch
from singleshot.train.learn.classifier_training import ClassifierTraining, classifier_targets
from singleshot.train.learn.progressive_resizing import share_of_side, shrunk
from singleshot.train.networks.classifier import Classifier
from singleshot.train.settings import TrainSettings, train_settings

Row = dict[str, str]


def settings(**changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "epochs": 2,
        "batch_size": 8,
        "height": 32,
        "width": 32,
        "validate_every": 1,
        "workers": 0,
        "precision": "fp32",
        "augmentation": AugmentationSettings.none().model_dump(),
    }
    return train_settings(**{**values, **changes})


run = functools.partial(run_training, classes=None)


@pytest.fixture(scope="module")
def trained(kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of the paper's classifier, which draws dropout."""
    out = tmp_path_factory.mktemp("trained") / "run"
    run(kaggle, out, settings(), network="resnet_dropout")
    return out


def test_a_run_measures_accuracy_every_epoch(trained: Path) -> None:
    table = metrics_rows(trained)
    assert len(table) == 2
    for row in table:
        assert float(row["loss"]) == pytest.approx(float(row["class_loss"]), rel=1e-4)
        assert 0 <= float(row["val_top1"]) <= float(row["val_top5"]) == 1  # there are three classes
        assert 0 <= float(row["top1"]) <= 1
        assert "val_localization_error_top1" not in row


def test_training_accuracy_is_of_images_with_a_class(
    trained: Path, kaggle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = load_checkpoint(trained / "best.ckpt").card
    chosen = settings(train_split="seeded-train", val_split="seeded-val", pretrained=False)
    frames = np.zeros((0, 32, 32, 3), np.uint8)
    module = ClassifierTraining(card, open_dataset(kaggle), chosen, steps_per_epoch=1, frames=frames)
    monkeypatch.setattr(module.network, "forward", lambda images: torch.tensor([[9.0, 0.0, 0.0]] * len(images)))
    logged: dict[str, object] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: value}))
    shown = [objects(1), objects(2), objects(1, 2), objects()]
    images = torch.zeros(4, 3, 32, 32)
    module.losses(images, Batch(images=images.byte(), objects=shown, image_ids=("a", "b", "c", "d")))
    top1 = logged["top1"]
    assert isinstance(top1, Metric)
    assert float(top1.compute()) == 0.5
    module.losses(images[:1], Batch(images=images[:1].byte(), objects=[objects()], image_ids=("e",)))
    assert float(top1.compute()) == 0.5


def test_the_card_says_what_the_checkpoint_reaches(trained: Path, kaggle: Path) -> None:
    checkpoint = load_checkpoint(trained / "best.ckpt")
    assert checkpoint.card.task == "classifier"
    measured = {item.metric: item.value for item in checkpoint.card.measurements}
    session = open_checkpoint_session(trained / "best.ckpt")
    result = evaluate_accuracy(session, open_dataset(kaggle), "seeded-val")
    assert measured == {"top-1 accuracy": result.top1, "top-5 accuracy": result.top5}


def test_a_resumed_run_draws_the_same_dropout(trained: Path, kaggle: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    untouched = ClassifierTraining.losses

    def press_ctrl_c(self: ClassifierTraining, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return untouched(self, images, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierTraining, "losses", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run(kaggle, out, settings(), network="resnet_dropout")
    run(kaggle, out, settings(), network="resnet_dropout", resume=True)
    whole, resumed = (load_checkpoint(folder / "last.ckpt").network.state_dict() for folder in (trained, out))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_class_and_a_box(kaggle: Path, tmp_path: Path) -> None:
    run(kaggle, tmp_path / "run", settings(epochs=1), network="vgg_joint_normalised")
    (row,) = metrics_rows(tmp_path / "run")
    total = float(row["class_loss"]) + float(row["box_loss"])
    assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
    top1, top5 = (float(row[f"val_localization_error_top{count}"]) for count in (1, 5))
    assert 0 <= top5 <= top1 <= 1
    assert top1 >= 1 - float(row["val_top1"])  # who does not name it has not found it
    metrics = [item.metric for item in load_checkpoint(tmp_path / "run" / "best.ckpt").card.measurements]
    assert "ILSVRC localization error, top-5" in metrics


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"mixup": 0.2}, id="mixup"),
        pytest.param({"cutmix": 1.0, "mixup": 0.2, "label_smoothing": 0.1, "ema_decay": 0.9}, id="the modern recipe"),
        pytest.param({"progressive_resizing": 0.5, "mixup": 0.2}, id="images that grow"),
        pytest.param({"training_resolution": 0.8, "mixup": 0.2}, id="images smaller than the input"),
        pytest.param({"schedule": "constant", "weight_decay": 0.0, "ema_decay": 0.0}, id="the paper's recipe"),
    ],
)
def test_recipes(kaggle: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    run(kaggle, tmp_path / "run", settings(height=64, width=64, **changes), network="ssd7_classifier")
    table = metrics_rows(tmp_path / "run")
    assert all(math.isfinite(float(row["loss"])) for row in table)
    assert ("top1" in table[0]) == ("mixup" not in changes)  # a mixed image has no one class
    if changes.get("schedule") == "constant":
        assert [float(row["learning_rate"]) for row in table] == [0.001, 0.001]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "resolution", "sides"),
    [
        pytest.param(32, 1.0, [(16, 32)] * 5 + [(16, 40), (24, 48), (32, 64), (32, 64), (32, 64)], id="to the input's"),
        pytest.param(
            40, 0.8, [(16, 24)] * 5 + [(16, 32), (24, 40), (32, 48), (32, 48), (32, 48)], id="to a part of it"
        ),
    ],
)
def test_images_grow_while_a_classifier_trains(
    height: int,
    resolution: float,
    sides: list[tuple[int, int]],
    kaggle: Path,
    tmp_path: Path,
) -> None:
    seen: list[tuple[int, ...]] = []
    validated: set[tuple[int, ...]] = set()

    def look(part: nn.Module, images: tuple[Tensor, ...]) -> None:
        if isinstance(part, Classifier):
            shape = tuple(images[0].shape[2:])
            seen.append(shape) if part.training else validated.add(shape)

    chosen = settings(
        epochs=10, height=height, width=64, validate_every=10, progressive_resizing=0.5, training_resolution=resolution
    )
    watching = register_module_forward_pre_hook(look)
    run(kaggle, tmp_path / "run", chosen, network="resnet_dropout_linear")
    watching.remove()
    assert seen[:: len(seen) // 10] == sides
    assert validated == {(height, 64)}


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.4), (0.5, 0.4), (0.65, 0.7), (0.8, 1.0), (0.99, 1.0)])
def test_the_share_of_the_side_rises(progress: float, share: float) -> None:
    assert share_of_side(0.4, progress) == pytest.approx(share)


def test_images_are_shrunk_no_further_than_a_network_can_see() -> None:
    images = torch.rand(2, 3, 65, 48)
    assert shrunk(images, 1.0, least_side=2) is images
    assert tuple(shrunk(images, 0.5, least_side=2).shape) == (2, 3, 32, 24)
    assert tuple(shrunk(images, 0.01, least_side=30).shape) == (2, 3, 30, 30)
    flat = torch.full((1, 3, 64, 64), 0.25)
    assert torch.allclose(shrunk(flat, 0.5, least_side=2), flat[..., :32, :32])


@pytest.mark.slow
def test_a_classifier_learns_by_heart(kaggle: Path, tmp_path: Path) -> None:
    result = run(kaggle, tmp_path / "run", settings(epochs=12, dropout=0.0, validate_every=12), network="vgg_lite")
    assert (result.metric, result.best_score) == ("val_top1", 1.0)  # the copies of six pictures are in both splits


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        pytest.param("ssd7", {"mixup": 0.2}, "mixup: expected none for ssd7, to which it means nothing", id="detector"),
        pytest.param("vgg_joint", {"cutmix": 1.0}, "cutmix: expected none for vgg_joint", id="mixed boxes"),
        pytest.param("resnet50", {"localization_loss": "l2"}, "localization_loss: expected none for", id="no boxes"),
        pytest.param("resnet50", {"dropout": 0.2}, "dropout: expected none for resnet50", id="no dropout"),
        pytest.param(
            "vgg_lite", {"progressive_resizing": 0.5}, "progressive_resizing: expected none for vgg_lite", id="flattens"
        ),
        pytest.param("vgg_joint", {"training_resolution": 0.8}, "training_resolution: expected none", id="one size"),
        pytest.param("resnet50", {"pretrained": True}, "pretrained: expected false for resnet50", id="no weights"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    network: str, changes: dict[str, object], message: str, kaggle: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run(kaggle, tmp_path / "run", settings(**changes), network=network)


def objects(*labels: int) -> tuple[Tensor, Tensor]:
    boxes = torch.arange(4 * len(labels), dtype=torch.float32).reshape(-1, 4)
    return boxes, torch.tensor(labels, dtype=torch.int64)


@pytest.mark.parametrize(
    ("labels", "expected", "box"),
    [
        pytest.param([3], 2, 0, id="one object"),
        pytest.param([2, 2], 1, 0, id="two of a class: the first one's box"),
        pytest.param([-1, 4], 3, 1, id="a difficult one does not count"),
        pytest.param([1, 2], -100, None, id="two classes"),
        pytest.param([-1], -100, None, id="a difficult one alone"),
        pytest.param([], -100, None, id="none"),
    ],
)
def test_targets(labels: list[int], expected: int, box: int | None) -> None:
    boxes, object_labels = objects(*labels)
    targets = classifier_targets([(boxes, object_labels)])
    assert targets.labels.tolist() == [expected]
    assert torch.equal(targets.boxes_xyxy[0], torch.zeros(4) if box is None else boxes[box])

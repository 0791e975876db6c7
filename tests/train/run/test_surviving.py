"""What a training survives, and what ends it: bad numbers, a full disk, no progress, a network of other boxes."""

from __future__ import annotations

import errno
import functools
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.progress import Progress
from singleshot.tests.fixtures.metrics_table import metrics_rows
from singleshot.tests.fixtures.training_run import run_training
from singleshot.train.checkpoints.checkpoint import load_checkpoint
from singleshot.train.feed.batches import Batch
from singleshot.train.learn.detector_training import DetectorTraining
from singleshot.train.learn.training_module import Validation
from singleshot.train.run.callbacks import WholeCheckpoints
from singleshot.train.settings import TrainSettings

SETTINGS = TrainSettings(
    epochs=3, batch_size=4, height=64, width=64, validate_every=1, workers=0, pretrained=False, frozen_stages=0
)


run = functools.partial(run_training, settings=SETTINGS)

KILLED = """
import os, signal, sys
from pathlib import Path
from singleshot.data.dataset import open_dataset
from singleshot.train.learn.detector_training import DetectorTraining
from singleshot.train.settings import TrainSettings
from singleshot.train.run.train import TrainingRun, train

untouched = DetectorTraining.losses

def losses(self, images, batch):
    if self.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return untouched(self, images, batch)

DetectorTraining.losses = losses
data = open_dataset(Path(sys.argv[1]), class_names=("horse", "dog"))
settings = TrainSettings.model_validate_json(sys.argv[3])
train(TrainingRun(network="ssd_lite0", data=data, out=Path(sys.argv[2]), settings=settings), progress=False)
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(animals_root: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(animals_root, whole)
    arguments = [sys.executable, "-c", KILLED, str(animals_root), str(killed), SETTINGS.model_dump_json()]
    done = subprocess.run(arguments, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [row["epoch"] for row in metrics_rows(killed)] == ["1"]
    run(animals_root, killed, resume=True)
    assert (killed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    first, second = (torch.load(out / "last.ckpt", weights_only=True)["state_dict"] for out in (whole, killed))
    assert all(torch.equal(first[name], second[name]) for name in first)


def spoil_losses(monkeypatch: pytest.MonkeyPatch, spoil: str) -> None:
    """In the second epoch make the loss, or the gradient alone, something that is no number."""
    untouched = DetectorTraining.losses

    def losses(self: DetectorTraining, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        parts = untouched(self, images, batch)
        if self.current_epoch == 0:
            return parts
        if spoil == "loss":
            return {**parts, "box_loss": parts["box_loss"] * float("nan")}
        root_of_zero = (parts["box_loss"] * 0).sqrt()  # finite itself, its slope is not
        return {**parts, "box_loss": parts["box_loss"] + root_of_zero}

    monkeypatch.setattr(DetectorTraining, "losses", losses)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            "loss", r"epoch 2, step 4: expected a finite loss, got class_loss [\d.]+, box_loss nan\.", id="loss"
        ),
        pytest.param("gradient", r"epoch 2, step 4: expected a finite gradient, got norm (nan|inf)\.", id="gradient"),
    ],
)
def test_what_is_no_number_stops_the_run_and_names_the_files(
    animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str, message: str
) -> None:
    spoil_losses(monkeypatch, spoil)
    with pytest.raises(CheckError, match=message) as caught:
        run(animals_root, tmp_path)
    named = [word for word in str(caught.value).replace(",", " ").replace(". ", " ").split() if word.endswith(".jpg")]
    assert len(named) == 4
    assert all(Path(name).is_file() for name in named)
    good = load_checkpoint(tmp_path / "last.ckpt")
    assert good.epochs == 1
    assert all(bool(tensor.isfinite().all()) for tensor in good.network.state_dict().values())
    assert [row["epoch"] for row in metrics_rows(tmp_path)] == ["1"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to write more than that into a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    files = WholeCheckpoints()
    files.save_checkpoint({"epoch": 0, "tensor": torch.zeros(100_000)}, path)
    with (
        files_of_at_most(50_000),
        pytest.raises(InputError, match=r"last\.ckpt: could not be written \(File too large"),
    ):
        files.save_checkpoint({"epoch": 1, "tensor": torch.zeros(100_000)}, path)
    assert torch.load(path, weights_only=True)["epoch"] == 0
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.slow
def test_a_run_on_a_full_disk_ends_in_one_line_and_goes_on_later(
    animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = WholeCheckpoints.save_checkpoint

    def full_in_the_second_epoch(
        self: WholeCheckpoints, checkpoint: dict[str, object], path: str | Path, storage_options: object = None
    ) -> None:
        if checkpoint["epoch"] == 1:
            with files_of_at_most(50_000):
                untouched(self, checkpoint, path, storage_options)
        untouched(self, checkpoint, path, storage_options)

    with monkeypatch.context() as patch:
        patch.setattr(WholeCheckpoints, "save_checkpoint", full_in_the_second_epoch)
        with pytest.raises(InputError, match=r"nothing was changed\. Make room there, then go on with --resume\."):
            run(animals_root, tmp_path)
    assert load_checkpoint(tmp_path / "last.ckpt").epochs == 1
    assert run(animals_root, tmp_path, resume=True).epochs == 3
    assert [row["epoch"] for row in metrics_rows(tmp_path)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device", "/runs/a/events"),
            r"/runs/a/events: expected room to write, got a full disk\. The checkpoints are whole: make room, then go",
            id="of a file",
        ),
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device"),
            "disk: expected room to write, got a full disk",
            id="of none",
        ),
    ],
)
def test_whatever_meets_a_full_disk_ends_in_one_line(
    animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: OSError, message: str
) -> None:
    def refuse(*_arguments: object) -> None:
        raise refusal

    monkeypatch.setattr(DetectorTraining, "losses", refuse)
    with pytest.raises(InputError, match=f"^{message}"):
        run(animals_root, tmp_path)


def test_another_trouble_with_files_keeps_its_trace(
    animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(DetectorTraining, "losses", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        run(animals_root, tmp_path)


@pytest.fixture
def falling_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every validation be worse than the one before."""

    def validate(self: DetectorTraining, on_progress: Progress) -> Validation:
        return Validation(figures={self.monitor: 1 / (2 + self.current_epoch)})

    monkeypatch.setattr(DetectorTraining, "validate", validate)


@pytest.mark.usefixtures("falling_figures")
def test_patience_ends_a_run_and_a_resume_does_not_undo_it(animals_root: Path, tmp_path: Path) -> None:
    first = run(animals_root, tmp_path, epochs=6, patience=2)
    assert (first.epochs, first.stopped_early, first.best_score) == (3, True, 0.5)
    again = run(animals_root, tmp_path, epochs=6, patience=2, resume=True)
    assert (again.epochs, again.stopped_early) == (3, True)
    assert [row["epoch"] for row in metrics_rows(tmp_path)] == ["1", "2", "3"]


def test_patience_needs_a_figure_to_watch(animals_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="patience: expected 0 where the split train has too few objects"):
        run(animals_root, tmp_path, train_split="val", val_split="train", patience=1)


@pytest.mark.slow
def test_fitted_boxes_are_trained_with_and_restored(animals_root: Path, tmp_path: Path) -> None:
    run(animals_root, tmp_path, epochs=1, default_boxes="fitted")
    checkpoint = load_checkpoint(tmp_path / "last.ckpt")
    settings = checkpoint.card.origin.settings
    assert settings["default_boxes"] == "fitted"
    plain = load_checkpoint_of(animals_root, tmp_path / "plain")
    assert not np.array_equal(checkpoint.detector.default_cxcywh.numpy(), plain)
    resumed = run(animals_root, tmp_path, epochs=1, default_boxes="fitted", resume=True)
    assert resumed.epochs == 1


def load_checkpoint_of(root: Path, out: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    run(root, out, epochs=1)
    return load_checkpoint(out / "last.ckpt").detector.default_cxcywh.numpy()


def test_progress_counts_from_one_and_shows_validations(
    animals_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(animals_root, tmp_path, epochs=2, validate_every=2, progress=True)
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.strip()]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert ["val_ap50_voc" in line for line in lines] == [False, True]
    assert shown.out == ""


def test_figures_are_logged_for_tensorboard(animals_root: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(animals_root, tmp_path, epochs=2)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"loss", "class_loss", "box_loss", "val_ap50_voc", "learning_rate"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("loss")) == 2

"""What a terminal shows while a network trains."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, EarlyStopping, ProgressBar, WeightAveraging
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ...runtime.errors import InputError
from ...runtime.files import whole_file
from ..learn.training_module import Training

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


class TrainingProgress(ProgressBar):
    """A bar of the steps of an epoch, one of the images while a validation runs, and a line when an epoch ends.

    Lightning's own bar counts epochs from 0 and stands still during a validation.
    """

    def __init__(self) -> None:
        super().__init__()
        self._talk = Console(stderr=True)
        self._bar = Progress(*_COLUMNS, console=self._talk, transient=True, disable=not self._talk.is_terminal)
        self._steps = self._bar.add_task("")
        self._images = self._bar.add_task("", visible=False)
        self._started = 0.0
        self._validated = False

    def disable(self) -> None:
        """Show nothing: of several processes one speaks."""
        self._talk.quiet = True

    def enable(self) -> None:
        """Show again."""
        self._talk.quiet = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put up the bar and listen to validations."""
        if isinstance(pl_module, Training):
            pl_module.on_validated_image = self._show_image
        self._bar.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin the bar anew."""
        self._started = time.monotonic()
        self._validated = False
        self._bar.reset(self._steps, total=int(self.total_train_batches), description=_epoch(trainer))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # Lightning's: what the step returned
        batch: object,
        batch_idx: int,
    ) -> None:
        """Move the bar."""
        self._bar.update(self._steps, completed=batch_idx + 1)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the second bar."""
        self._bar.reset(self._images, total=None, description="validating", visible=True)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the second bar away."""
        self._validated = True
        self._bar.update(self._images, visible=False)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Leave a line, which a log file keeps too."""
        figures = trainer.progress_bar_metrics
        shown = [
            f"{name} {float(value):.4g}"
            for name, value in figures.items()
            if self._validated or not name.startswith("val_")
        ]
        seconds = time.monotonic() - self._started
        line = f"{_epoch(trainer)}: {', '.join(shown)} ({seconds:.0f} s)"
        self._talk.print(line, highlight=False, markup=False, soft_wrap=True)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Take the bar away."""
        self._bar.stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Take the bar away before anything is said about it."""
        self._bar.stop()

    def _show_image(self, _split: str, done: int, total: int) -> None:
        self._bar.update(self._images, completed=done, total=total)


def _epoch(trainer: lightning.Trainer) -> str:
    return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"


_WARMUP_STEPS = 10


def moving_average(decay: float) -> WeightAveraging:
    """Make the callback that averages weights and batch norm statistics exponentially.

    The decay starts small and grows to its value: with a constant one the untrained weights, and batch norm's first
    statistics, would spoil the average for thousands of steps.

    Args:
        decay: share of the average that survives a step, once warmed up.
    """

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        steps = int(count)
        warm = min(decay, (1 + steps) / (_WARMUP_STEPS + steps))
        get_ema_multi_avg_fn(warm)(averaged, current, count)  # type: ignore[no-untyped-call]

    return WeightAveraging(multi_avg_fn=update)


class Patience(EarlyStopping):
    """Counts validations in a row without a better one; what it counted is in the checkpoint."""

    def __init__(self, monitor: str, *, patience: int) -> None:
        super().__init__(monitor, mode="max", patience=patience, check_on_train_epoch_end=False)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Do not train on when a run is resumed that had ended by this."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class MetricsTable(Callback):
    """Writes the table anew after each epoch; Lightning's own CSV logger deletes the earlier rows on a resume.

    Rows from the resumed epoch on, if any, are replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._validated = False

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember that this epoch's validation figures are its own, not an earlier epoch's."""
        self._validated = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the epoch's row: the learning rate and every figure that was logged. Of several processes one writes."""
        if not trainer.is_global_zero:
            return
        row = {
            "epoch": str(trainer.current_epoch + 1),
            "learning_rate": f"{trainer.optimizers[0].param_groups[-1]['lr']:.6g}",
        }
        for name, value in sorted(trainer.callback_metrics.items()):
            if self._validated or not name.startswith("val_"):
                row[name] = f"{float(value):.6g}"
        self._validated = False
        rows = [*(old for old in _rows(self._path) if int(old["epoch"]) <= trainer.current_epoch), row]
        names = list(dict.fromkeys(name for each in rows for name in each))
        with whole_file(self._path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the old file, waits for the disk, then replaces.

    Lightning's own way moves a file from the folder for temporary files, which may be another disk: a move that
    breaks off there, on a full disk or by `kill -9`, leaves half a checkpoint under the old name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            InputError: the disk is full, or the folder cannot be written to; an earlier checkpoint is as it was.
        """
        content = io.BytesIO()  # first to memory: PyTorch's writer hides the disk's own error
        torch.save(checkpoint, content)
        try:
            with whole_file(Path(path)) as temporary:
                # Not a view of it: Python 3.12 crashes when it collects one that an error's trace still holds.
                temporary.write_bytes(content.getvalue())
        except InputError as error:
            raise InputError(f"{error} Make room there, then go on with --resume.") from error

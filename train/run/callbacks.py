"""What a terminal shows while a network trains."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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

    def _show_image(self, done: int, total: int) -> None:
        self._bar.update(self._images, completed=done, total=total)


def _epoch(trainer: lightning.Trainer) -> str:
    return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"

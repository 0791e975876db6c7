"""Ends a run that no longer gets better."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import EarlyStopping


class Patience(EarlyStopping):
    """Counts validations in a row without a better one; what it counted is in the checkpoint."""

    def __init__(self, monitor: str, *, patience: int) -> None:
        super().__init__(monitor, mode="max", patience=patience, check_on_train_epoch_end=False)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Do not train on when a run is resumed that had ended by this."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience

"""A run's figures as a CSV file with one row an epoch, kept across resumes."""

from __future__ import annotations

import csv
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback

from ..runtime.files import whole_file


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

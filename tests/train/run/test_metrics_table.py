"""The table of figures: a row an epoch, whatever stops and starts."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import lightning
import pytest
import torch

from singleshot.train.run.callbacks import MetricsTable


def end_epoch(table: MetricsTable, epoch: int, *, validated: bool = False, **figures: float) -> None:
    trainer = SimpleNamespace(
        is_global_zero=True,
        current_epoch=epoch,
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}, {"lr": 0.001}])],
        callback_metrics={name: torch.tensor(value) for name, value in figures.items()},
    )
    if validated:
        table.on_validation_end(cast(lightning.Trainer, trainer), lightning.LightningModule())
    table.on_train_epoch_end(cast(lightning.Trainer, trainer), lightning.LightningModule())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_validation_figures_stand_in_the_row_of_their_epoch_alone(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    end_epoch(table, 0, loss=4.0)
    end_epoch(table, 1, validated=True, loss=3.0, val_ap50=0.5)
    end_epoch(table, 2, loss=2.0, val_ap50=0.5)  # Lightning still holds the earlier figure
    assert rows(tmp_path / "metrics.csv") == [
        {"epoch": "1", "learning_rate": "0.001", "loss": "4", "val_ap50": ""},
        {"epoch": "2", "learning_rate": "0.001", "loss": "3", "val_ap50": "0.5"},
        {"epoch": "3", "learning_rate": "0.001", "loss": "2", "val_ap50": ""},
    ]


@pytest.mark.parametrize(
    ("resumed_at", "epochs"), [(3, ["1", "2", "3", "4"]), (1, ["1", "2"]), (0, ["1"])], ids=["goes on", "back", "anew"]
)
def test_a_resume_keeps_the_rows_before_it(tmp_path: Path, resumed_at: int, epochs: list[str]) -> None:
    path = tmp_path / "metrics.csv"
    table = MetricsTable(path)
    for epoch in range(3):
        end_epoch(table, epoch, loss=float(epoch))
    end_epoch(MetricsTable(path), resumed_at, loss=9.0)
    assert [row["epoch"] for row in rows(path)] == epochs
    assert rows(path)[-1]["loss"] == "9"

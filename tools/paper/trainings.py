"""`python -m singleshot.tools.paper.trainings NAME=METRICS.csv... -o FIGURE.png`: accuracy over trainings in a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ...runtime.require import require
from ...train.paper.plan import OURS
from ...train.paper.results import metrics_rows
from ..terminal.exits import exit_codes
from .figures import save_figure
from .report import PAPER_ACCURACY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = {"val_top1": ("top-1", "-"), "val_top5": ("top-5", ":")}


def trainings_figure(trainings: Sequence[tuple[str, Path]]) -> Figure:
    """Draw validation accuracy over the epochs of trainings each of which began where the one before ended.

    Args:
        trainings: a name and the `metrics.csv` of each.

    Raises:
        InputError: one has no validation of a classifier.
    """
    require("matplotlib", extra="train", why="figures")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panel = figure.subplots()
    before = 0.0
    for number, (name, path) in enumerate(trainings):
        rows = metrics_rows(path)
        for column, (label, line) in _COLUMNS.items():
            points = [(before + row["epoch"], row[column]) for row in rows if column in row]
            if not points:
                raise InputError(
                    f"{path}: expected {column}, got none. Name the metrics.csv of a classifier's training."
                )
            panel.plot(*zip(*points, strict=True), line, marker=".", color=f"C{number}", label=f"{label}, {name}")
        before += rows[-1]["epoch"]
    for label, accuracy in zip(("top-1, at 224 x 224", "top-5"), PAPER_ACCURACY[OURS], strict=True):
        panel.axhline(accuracy, color="grey", linewidth=0.8)
        panel.text(1, accuracy + 0.01, f"the paper's {label}", color="grey", fontsize="small")
    panel.set(xlabel="epoch", ylabel="accuracy, seeded-val", ylim=(0, 1))
    panel.set_title(f"{OURS}, 25 classes, seed 0", fontsize="medium")
    panel.legend(fontsize="small")
    return figure


def main(
    trainings: Annotated[list[str], typer.Argument(metavar="NAME=METRICS.csv...", help="In their order.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FIGURE.png")],
) -> None:
    """Draw the figure."""
    with exit_codes():
        parts = [training.rpartition("=") for training in trainings]
        for name, _, path in parts:
            if not name or not Path(path).is_file():
                raise InputError(f"{path}: expected NAME=METRICS.csv, got no such file or no name. Name each training.")
        save_figure(trainings_figure([(name, Path(path)) for name, _, path in parts]), out)
        print(out)


if __name__ == "__main__":
    typer.run(main)

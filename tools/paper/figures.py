"""The paper's figures, drawn from what was measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.files import whole_file
from ...runtime.require import require
from ...train.paper.results import FinishedRun, over_seeds
from ...train.paper.seed_interval import SeedMean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_CELL_INCHES = (4.2, 3.2)


def accuracy_figure(groups: Mapping[str, Sequence[FinishedRun]]) -> Figure:
    """Draw the paper's figure 2: a panel a network, accuracy of training and validation over the epochs."""
    figure, panels = _panels(len(groups))
    for panel, (name, group) in zip(panels, groups.items(), strict=False):
        _curves(
            panel, group, {"top1": "training, top-1", "val_top1": "validation, top-1", "val_top5": "validation, top-5"}
        )
        panel.set_title(_title(name), fontsize="medium")
        panel.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
    return figure


def ssd_loss_figure(groups: Mapping[str, Sequence[FinishedRun]]) -> Figure:
    """Draw the paper's figure 3: SSD's loss, classification + localization, of training and validation."""
    figure, panels = _panels(len(groups))
    columns = {
        "loss": "training",
        "val_loss": "validation",
        "val_class_loss": "of it, classes",
        "val_box_loss": "of it, boxes",
    }
    shown = (item.curve(column)[1] for group in groups.values() for item in group for column in ("loss", "val_loss"))
    top = max((value for values in shown for value in values), default=1.0)
    for panel, (name, group) in zip(panels, groups.items(), strict=False):
        _curves(panel, group, columns)
        panel.set_title(_title(name), fontsize="medium")
        panel.set(xlabel="epoch", ylabel="SSD loss", ylim=(0, top * 1.05))
    return figure


def classes_figure(points: Mapping[int, Sequence[FinishedRun]]) -> Figure:
    """Draw accuracy against the number of classes, training and validation, beside what guessing gives.

    Args:
        points: number of classes -> the runs of one network with it.
    """
    figure, (panel,) = _panels(1)
    counts = sorted(points)
    for column, label in (("top1", "training, top-1"), ("val_top1", "validation, top-1")):
        means = [over_seeds(points[count], column) for count in counts]
        known = [(count, mean) for count, mean in zip(counts, means, strict=True) if mean is not None]
        bars = [mean.mean - mean.interval.low if mean.interval else 0.0 for _, mean in known]
        panel.errorbar(
            [count for count, _ in known], [mean.mean for _, mean in known], yerr=bars, marker="o", label=label
        )
    panel.plot(counts, [1 / count for count in counts], linestyle=":", color="grey", label="guessing")
    panel.set(title="vgg_lite", xlabel="classes", ylabel="accuracy after the last epoch", ylim=(0, 1), xticks=counts)
    panel.legend(fontsize="small")
    return figure


def ablation_figure(accuracies: Mapping[str, SeedMean], losses: Mapping[str, SeedMean]) -> Figure:
    """Draw what each augmentation changes in top-1 accuracy and in cross-entropy, with the intervals.

    Args:
        accuracies: name of the augmentation -> change of the share against none.
        losses: name of the augmentation -> change of the cross-entropy; empty where it was not measured.
    """
    figures = [("top-1 accuracy, points", 100, accuracies)]
    if losses:
        figures.append(("cross-entropy", 1, losses))
    figure, panels = _panels(len(figures), cell_inches=(5.0, 3.8))
    for panel, (label, unit, changes) in zip(panels, figures, strict=True):
        names = list(changes)[::-1]
        for place, name in enumerate(names):
            change = changes[name]
            panel.plot(unit * change.mean, place, marker="o", color="C0")
            if change.interval is not None:
                panel.plot([unit * change.interval.low, unit * change.interval.high], [place, place], color="C0")
        panel.axvline(0, color="grey", linewidth=0.8)
        panel.set(yticks=range(len(names)), yticklabels=names, xlabel=f"change against none: {label}")
    figure.suptitle("one augmentation at a time, 95 % intervals over seeds", fontsize="medium")
    return figure


def boxes_figure(centres: Mapping[str, NDArray[np.float32]]) -> Figure:
    """Draw where boxes have their middle, true against predicted: on the diagonal if they are right.

    Args:
        centres: network -> [n, 4], true x and y, predicted x and y.
    """
    figure, panels = _panels(len(centres))
    for panel, (name, points) in zip(panels, centres.items(), strict=False):
        for axis, label in enumerate("xy"):
            panel.scatter(points[:, axis], points[:, 2 + axis], s=6, alpha=0.5, label=label)
        panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        panel.set_title(_title(name), fontsize="medium")
        panel.set(xlabel="true middle", ylabel="predicted middle", xlim=(0, 1), ylim=(0, 1))
        panel.legend(fontsize="small")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG.

    Raises:
        InputError: the folder cannot be written to.
    """
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": ""})


def _panels(count: int, *, cell_inches: tuple[float, float] = _CELL_INCHES) -> tuple[Figure, list[Axes]]:
    require("matplotlib", extra="train", why="figures")
    from matplotlib.figure import Figure

    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(cell_inches[0] * columns, cell_inches[1] * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, list(axes[:count])


def _title(name: str) -> str:
    """Put how a network was trained, where its name says so, on a line of its own."""
    return name.replace("-", "\n", 1)


def _curves(panel: Axes, group: Sequence[FinishedRun], columns: Mapping[str, str]) -> None:
    """Draw each column: a thin line a seed, one colour a column."""
    from matplotlib.ticker import MaxNLocator

    for number, (column, label) in enumerate(columns.items()):
        for place, item in enumerate(group):
            epochs, values = item.curve(column)
            if epochs:
                panel.plot(
                    epochs,
                    values,
                    color=f"C{number}",
                    linewidth=1.2,
                    marker="." if len(epochs) < 30 else "",
                    label=label if place == 0 else None,
                )
    panel.legend(fontsize="x-small")
    panel.grid(alpha=0.3)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))

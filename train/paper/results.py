"""What the paper's runs measured: read back from their folders, and brought together over seeds."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...runtime.errors import InputError
from ...runtime.files import whole_file
from ..networks.registry import NETWORKS
from ..run.run_folder import RunFolder
from .plan import CLASSIFICATION, LOCALIZATION, PaperRun, Recipe, Round
from .seed_interval import SeedMean, seed_mean

RUNS = "runs"
LATE = 5
"""Validations at the end of a run that are taken together where runs are told apart."""
_FINISHED = "finished.json"
_BOXES = "boxes.csv"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    round: Round
    network: str
    recipe: Recipe
    augmentation: str | None
    classes: Annotated[int, Field(gt=0)]
    size: Annotated[int, Field(gt=0)]
    epochs: Annotated[int, Field(gt=0)]
    seed: int
    base_epochs: Annotated[int, Field(ge=0)] = 0
    class_names: tuple[str, ...]
    classes_asked: str | None = None
    """What `--classes` was; none where all of the data's were taken."""
    data: str
    """Name of the data, and how many images were trained on and validated on."""
    original_px: tuple[int, int]
    """Median height and width of the images before they were fitted to the input."""
    seconds: float
    """Wall time of the process that finished the run."""
    resumed: bool
    """Whether an earlier process had begun it, whose time is not counted."""


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run that reached its last epoch.

    Args:
        run: what it was.
        class_names: the classes that it told apart.
        classes_asked: what `--classes` was; None where all of the data's were taken.
        data: name of the data, and how many images.
        original_px: median height and width of the images as they lie on disk.
        seconds: wall time of the process that finished it.
        resumed: whether an earlier process had begun it, whose time is not counted.
        rows: of `metrics.csv`, one an epoch: column -> value, where there is one.
    """

    run: PaperRun
    class_names: tuple[str, ...]
    classes_asked: str | None = None
    data: str
    original_px: tuple[int, int]
    seconds: float
    resumed: bool
    rows: tuple[dict[str, float], ...]

    def last(self, column: str) -> float | None:
        """The value after the last epoch; None where it was not measured."""
        return self.rows[-1].get(column)

    def late(self, column: str) -> float | None:
        """The mean over the last `LATE` validations; None where it was not measured.

        At a constant learning rate accuracy goes up and down by points from epoch to epoch, which one epoch's figure
        takes for a difference between runs.
        """
        values = self.curve(column)[1][-LATE:]
        return float(np.mean(values)) if values else None

    def curve(self, column: str) -> tuple[list[float], list[float]]:
        """Epochs, and the values after them."""
        points = [(row["epoch"], row[column]) for row in self.rows if column in row]
        return [epoch for epoch, _ in points], [value for _, value in points]


def is_finished(folder: Path) -> bool:
    """Whether the run in a folder reached its last epoch."""
    return (folder / _FINISHED).is_file()


def save_finished(folder: Path, finished: FinishedRun) -> None:
    """Mark a run as finished; its figures stay in `metrics.csv`.

    Raises:
        InputError: the folder cannot be written to.
    """
    record = _Record(
        **vars(finished.run),
        class_names=finished.class_names,
        classes_asked=finished.classes_asked,
        data=finished.data,
        original_px=finished.original_px,
        seconds=finished.seconds,
        resumed=finished.resumed,
    )
    with whole_file(folder / _FINISHED) as temporary:
        temporary.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def load_finished(folder: Path) -> FinishedRun:
    """Read a finished run.

    Raises:
        InputError: what lies in the folder cannot be understood.
    """
    path = folder / _FINISHED
    try:
        record = _Record.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}: expected a record of a finished run, got {'.'.join(map(str, first['loc']))}: {first['msg']}. "
            f"Remove the folder to have it run again."
        ) from error
    values = record.model_dump()
    run = PaperRun(**{name: values.pop(name) for name in PaperRun.__dataclass_fields__})
    return FinishedRun(run=run, rows=tuple(metrics_rows(RunFolder(path=folder).metrics)), **values)


def metrics_rows(path: Path) -> list[dict[str, float]]:
    """Read a run's table; what was not measured in an epoch is not in its row."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def all_finished(out: Path) -> list[FinishedRun]:
    """Read every finished run below a folder of results, in the order of the networks, then of the runs' names.

    Raises:
        InputError: one of them cannot be understood.
    """
    found = [load_finished(path.parent) for path in sorted((out / RUNS).rglob(_FINISHED))]
    order = [*CLASSIFICATION, *LOCALIZATION, *NETWORKS]
    return sorted(found, key=lambda item: order.index(item.run.network))


def save_boxes(folder: Path, centres: NDArray[np.float32]) -> None:
    """Keep where boxes are and where they were predicted: [n, 4], true x and y of the centre, predicted x and y."""
    with whole_file(folder / _BOXES) as temporary:
        np.savetxt(temporary, centres, delimiter=",", fmt="%.4f", header="true_x,true_y,x,y", comments="")


def load_boxes(out: Path, run: PaperRun) -> NDArray[np.float32] | None:
    """Read them back; None where a run kept none."""
    path = out / RUNS / run.folder / _BOXES
    return np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32, ndmin=2) if path.is_file() else None


def by_experiment(finished: Iterable[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """Group runs by what they share but for the seed: round and variant."""
    groups: dict[str, list[FinishedRun]] = {}
    for item in finished:
        groups.setdefault(item.run.folder.parent.as_posix(), []).append(item)
    return groups


def named_groups(finished: Iterable[FinishedRun], round_: Round) -> dict[str, list[FinishedRun]]:
    """Group a round's runs and name each group by its network, and by everything where a network has several."""
    groups = by_experiment(item for item in finished if item.run.round == round_)
    networks = [group[0].run.network for group in groups.values()]
    return {
        network if networks.count(network) == 1 else group[0].run.variant: group
        for network, group in zip(networks, groups.values(), strict=True)
    }


def over_seeds(group: Iterable[FinishedRun], column: str) -> SeedMean | None:
    """Average a figure of the last epoch over the seeds; None where it was not measured."""
    values = [value for item in group if (value := item.last(column)) is not None]
    return seed_mean(values) if values else None


def late_values(group: Iterable[FinishedRun], column: str) -> list[float]:
    """Give `FinishedRun.late` of those runs where the figure was measured."""
    return [value for item in group if (value := item.late(column)) is not None]


def gap(ours: Iterable[FinishedRun], theirs: Iterable[FinishedRun], column: str) -> SeedMean | None:
    """Average the difference of a figure, ours less theirs, over the seeds that both have; None where there is none."""
    first, second = ({item.run.seed: item.last(column) for item in group} for group in (ours, theirs))
    differences = [
        mine - other for seed, mine in first.items() if mine is not None and (other := second.get(seed)) is not None
    ]
    return seed_mean(differences) if differences else None

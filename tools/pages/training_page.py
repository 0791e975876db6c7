"""How a training run went, as one page that needs no other file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.mixed_data import counts_by_part
from .data_tables import part_lines
from .figure import lines
from .page import Picture, picture, save_page, shrunk

if TYPE_CHECKING:
    from markupsafe import Markup

    from ...calib.records.mistakes import Review, WorstImage
    from ...data.dataset import Dataset
    from ...runtime.card import Card

_SIDE_PX = 320
_MOST_CLASSES = 40
"""Of more the matrix would be too large to read; the commonest mistakes are named alone."""
_PAIRS = 20
_LABELLED, _RIM = (255, 255, 255), (0, 0, 0)

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name -> epochs and values."""


def save_training_page(card: Card, metrics: Path, review: Review, dataset: Dataset, path: Path) -> None:
    """Write the page.

    Args:
        card: of the run's best checkpoint.
        metrics: the run's table of figures.
        review: what the best checkpoint gets right and wrong on the validation split.
        dataset: the images, for pictures.
        path: where the page is written.

    Raises:
        InputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    from ...train.configuration import settings_text
    from ...train.settings import train_settings

    settings = train_settings(**card.origin.settings)
    splits = (settings.train_split, settings.val_split)
    parts = {split: counts_by_part(dataset, split, seed=settings.split_seed) for split in splits}
    save_page(
        path,
        "training",
        title=f"{card.network} on {dataset.name}",
        card=card,
        review=review,
        curves=_curves(_columns(metrics)),
        is_confusion_shown=len(review.classes) <= _MOST_CLASSES,
        confusion=review.confusion.tolist(),
        mistakes=_mistakes(review),
        worst=[_picture(item, dataset) for item in review.worst],
        part_lines=part_lines(parts),
        settings=settings_text(card.network, settings),
    )


def _columns(metrics: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Read the table by column, without the epochs that a column has no value of."""
    columns: dict[str, tuple[list[float], list[float]]] = {}
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name != "epoch":
                    epochs, values = columns.setdefault(name, ([], []))
                    epochs.append(float(row["epoch"]))
                    values.append(float(value))
    return columns


def _curves(columns: Series) -> list[Markup]:
    losses = {name: series for name, series in columns.items() if name.endswith("loss")}
    validated = {name: series for name, series in columns.items() if name.startswith("val_") and name not in losses}
    rate = {name: series for name, series in columns.items() if name == "learning_rate"}
    charts = {"loss": losses, "validation": validated, "learning rate": rate}
    return [lines(title, series) for title, series in charts.items() if series]


def _mistakes(review: Review) -> list[tuple[str, str, int]]:
    """Name what was taken for what, the commonest first."""
    counts = review.confusion
    pairs = [(int(counts[row, to]), row, to) for row, to in zip(*counts.nonzero(), strict=True) if row != to]
    return [(review.classes[row], review.classes[to], count) for count, row, to in sorted(pairs, reverse=True)[:_PAIRS]]


def _picture(item: WorstImage, dataset: Dataset) -> Picture:
    import cv2

    from ...runtime.image_files import read_image_bgr
    from ...runtime.sinks.overlay import draw_detections

    sample = dataset.sample(item.image_id)
    image, scale = shrunk(read_image_bgr(sample.image_path), _SIDE_PX)
    if item.found is not None:
        image = draw_detections(image, item.found, dataset.class_names)
        for box in sample.boxes_xyxy_px:
            left, top, right, bottom = (round(float(corner) * scale) for corner in box)
            for colour, line_px in ((_RIM, 3), (_LABELLED, 1)):
                cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour, line_px)
    return picture(image, f"{item.image_id}: {item.wrong}")

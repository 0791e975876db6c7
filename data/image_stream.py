"""The usable images of a split, one by one, for whatever measures an artefact on them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..runtime.card import Card
from ..runtime.errors import InputError
from ..runtime.progress import Progress, no_progress
from .dataset import Dataset
from .sample import Sample
from .usable_samples import check_enough, read_or_leave_out


def check_same_classes(card: Card, dataset: Dataset) -> None:
    """Refuse data whose class ids mean something else than the artefact's.

    Raises:
        InputError: the names differ or stand in another order.
    """
    if dataset.class_names != card.class_names:
        raise InputError(
            f"{dataset.name}: expected the {card.task}'s classes {', '.join(card.class_names)}, "
            f"got {', '.join(dataset.class_names)}. Open the data with open_dataset_for(card, root)."
        )


def streamed_images(
    dataset: Dataset, split: str, *, seed: int = 0, on_progress: Progress = no_progress
) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """Give each usable image [h, w, 3] uint8 BGR of a split with its labels; the others are counted in the report.

    Args:
        dataset: labelled images.
        split: one of the data set's splits.
        seed: of a seeded split.
        on_progress: called after each image.

    Raises:
        InputError: too few images can be used, see `check_enough`, or the data set is strict and something is wrong.
    """
    total = len(dataset.sample_ids(split, seed=seed))
    images = 0
    for done, sample in enumerate(dataset.samples(split, seed=seed), start=1):
        image = read_or_leave_out(dataset, sample)
        if image is not None:
            images += 1
            yield sample, image
        on_progress(split, done, total)
    check_enough(dataset, split, listed=total, usable=images)

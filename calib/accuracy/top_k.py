"""Top-1 and top-5 accuracy of a classifier on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.image_stream import check_same_classes, streamed_images
from ...data.sample import Sample
from ...runtime.detection.classifications import TOP, Classification
from ...runtime.errors import InputError
from ...runtime.progress import Progress, no_progress
from ...runtime.session import Session, classify


@dataclass(frozen=True, kw_only=True)
class ClassAccuracy:
    """One class's figures; the shares are in [0, 1], None where the split has no image of the class."""

    name: str
    images: int
    top1: float | None
    top5: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class AccuracyResult:
    """Accuracy over the images of one split.

    Args:
        class_names: in the order of class ids.
        image_ids: the images that counted.
        labels: [n] int64, their classes.
        ranks: [n] int64, the place at which the classifier named the label; TOP where it did not.
        first: [n] int64, the class that it named first.
        ambiguous: images left out because they show objects of several classes, or of none.
    """

    class_names: tuple[str, ...]
    image_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    ranks: NDArray[np.int64]
    first: NDArray[np.int64]
    ambiguous: int

    @property
    def images(self) -> int:
        """Images that counted."""
        return len(self.labels)

    @property
    def top1(self) -> float:
        """Share of images whose class came first."""
        return float((self.ranks < 1).mean())

    @property
    def top5(self) -> float:
        """Share of images whose class was among the first five."""
        return float((self.ranks < TOP).mean())

    @property
    def classes(self) -> tuple[ClassAccuracy, ...]:
        """The same per class."""
        found = []
        for class_id, name in enumerate(self.class_names):
            ranks = self.ranks[self.labels == class_id]
            shares = [float((ranks < limit).mean()) if len(ranks) else None for limit in (1, TOP)]
            found.append(ClassAccuracy(name=name, images=len(ranks), top1=shares[0], top5=shares[1]))
        return tuple(found)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Return [C, C] images by their class (row) and the class named first (column)."""
        count = len(self.class_names)
        return np.bincount(self.labels * count + self.first, minlength=count * count).reshape(count, count)

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "images": self.images,
            "ambiguous": self.ambiguous,
            "top1": self.top1,
            "top5": self.top5,
            "classes": [
                {"name": item.name, "images": item.images, "top1": item.top1, "top5": item.top5}
                for item in self.classes
            ],
        }


class AccuracyEvaluator:
    """Collects classifications image by image."""

    def __init__(self, class_names: Sequence[str]) -> None:
        """Start with no images; `class_names` are in the order of class ids."""
        self._class_names = tuple(class_names)
        self._rows: list[tuple[str, int, int, int]] = []
        self._ambiguous = 0

    def add(self, sample: Sample, found: Classification) -> None:
        """Count one image."""
        label = label_of(sample)
        if label is None:
            self._ambiguous += 1
            return
        places = np.flatnonzero(found.class_ids == label)
        rank = int(places[0]) if len(places) else TOP
        self._rows.append((sample.image_id, label, rank, int(found.class_ids[0])))

    def result(self) -> AccuracyResult:
        """Return the figures.

        Raises:
            InputError: no image counted.
        """
        if not self._rows:
            raise InputError(
                f"accuracy: expected images that show one of the classes {', '.join(self._class_names)}, got none "
                f"({self._ambiguous} with objects of several classes or of none). Evaluate on data with its classes."
            )
        image_ids, labels, ranks, first = zip(*self._rows, strict=True)
        return AccuracyResult(
            class_names=self._class_names,
            image_ids=image_ids,
            labels=np.array(labels, np.int64),
            ranks=np.array(ranks, np.int64),
            first=np.array(first, np.int64),
            ambiguous=self._ambiguous,
        )


def label_of(sample: Sample) -> int | None:
    """Return the class of an image whose objects are all of one class; None for any other."""
    class_ids = np.unique(sample.class_ids)
    return int(class_ids[0]) if len(class_ids) == 1 else None


def evaluate_accuracy(
    session: Session, dataset: Dataset, split: str, *, seed: int = 0, on_progress: Progress = no_progress
) -> AccuracyResult:
    """Measure a classifier on one split; images are streamed.

    Images that cannot be read are left out and counted in the data set's report; images whose objects are not all of
    one class are left out and counted in the result.

    Args:
        session: the classifier.
        dataset: labelled images with the classes of the classifier's card, see `open_dataset_for`.
        split: one of the data set's splits.
        seed: of a seeded split.
        on_progress: called after each image.

    Raises:
        InputError: the classes differ, no image can be used, or the data set is strict and something is wrong.
    """
    check_same_classes(session.card, dataset)
    evaluator = AccuracyEvaluator(dataset.class_names)
    for sample, image in streamed_images(dataset, split, seed=seed, on_progress=on_progress):
        evaluator.add(sample, classify(session, image))
    return evaluator.result()

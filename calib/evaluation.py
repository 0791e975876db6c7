"""Run a detector over labelled images and measure it."""

from __future__ import annotations

from pathlib import Path

from ..runtime.card import Card
from ..runtime.detector import detect
from ..runtime.errors import InputError
from ..runtime.session import Session
from .average_precision import DetectionEvaluator, EvaluationResult
from .datasets import Dataset
from .finding import find_layout
from .sample_check import Progress, no_usable_images, read_or_leave_out


def open_dataset_for(card: Card, root: Path, *, strict: bool = False) -> Dataset:
    """Open labelled images through a detector's classes; those that the data do not know have no objects.

    Args:
        card: of the detector.
        root: as `open_dataset` takes it.
        strict: raise at the first problem of the data instead of counting it.

    Raises:
        InputError: there is no layout below `root`.
    """
    return Dataset(find_layout(root), class_names=card.class_names, strict=strict)


def evaluate(
    session: Session, dataset: Dataset, split: str, *, seed: int = 0, on_progress: Progress | None = None
) -> EvaluationResult:
    """Measure average precision on one split; images are streamed.

    Images that cannot be used are left out and counted in the data set's report.

    Args:
        session: the detector.
        dataset: labelled images with the classes of the detector's card, see `open_dataset_for`.
        split: one of the data set's splits.
        seed: of a seeded split.
        on_progress: called after each image.

    Raises:
        InputError: the classes differ, no image can be used, no object is of the detector's classes, or the data
            set is strict and something is wrong.
        MissingDependencyError: faster-coco-eval is not installed.
    """
    if dataset.class_names != session.card.class_names:
        raise InputError(
            f"{dataset.name}: expected the detector's classes {', '.join(session.card.class_names)}, "
            f"got {', '.join(dataset.class_names)}. Open the data with open_dataset_for(card, root)."
        )
    total = len(dataset.sample_ids(split, seed=seed))
    _check_objects(dataset, split, seed=seed, listed=total)
    evaluator = DetectionEvaluator(dataset.class_names)
    images = 0
    for done, sample in enumerate(dataset.samples(split, seed=seed), start=1):
        image = read_or_leave_out(dataset, sample)
        if image is not None:
            evaluator.add(sample, detect(session, image))
            images += 1
        if on_progress is not None:
            on_progress(done, total)
    if not images:
        raise no_usable_images(dataset, split, listed=total)
    return evaluator.result()


def _check_objects(dataset: Dataset, split: str, *, seed: int, listed: int) -> None:
    """Find the first object of the detector's classes, before any time is spent on detecting."""
    images = 0
    for sample in dataset.samples(split, seed=seed):
        images += 1
        if len(sample):
            return
    if not images:
        raise no_usable_images(dataset, split, listed=listed)
    theirs = [name for name, _ in dataset.report.unlisted.most_common(20)]
    raise InputError(
        f"{dataset.name} {split}: expected objects of the detector's classes {', '.join(dataset.class_names)}, "
        f"got {'objects of ' + ', '.join(theirs) if theirs else 'no object at all'}. Evaluate on data with its classes."
    )

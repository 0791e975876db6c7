"""Run a detector over labelled images and measure it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...data.dataset import Dataset
from ...data.image_stream import check_same_classes, streamed_images
from ...data.readers.find_reader import find_layout
from ...data.sample import Sample
from ...data.usable_samples import check_enough
from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.detection.tiles import Tiles
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from ...runtime.session import Session, detect
from .average_precision import DetectionEvaluator, EvaluationResult

OnDetections = Callable[[Sample, Detections], None]


def open_dataset_for(
    card: Card, *roots: StrPath, strict: bool = False, missing_is_background: bool = False, anyway: bool = False
) -> Dataset:
    """Open labelled images through an artefact's classes; those that the data do not know have no objects.

    Args:
        card: of the detector or classifier.
        roots: as `open_dataset` takes them.
        strict: raise at the first problem of the data instead of counting it.
        missing_is_background: as `open_dataset` takes it.
        anyway: likewise.

    Raises:
        InputError: there is no layout below one of them.
    """
    return Dataset(
        find_layout(*roots),
        class_names=card.class_names,
        strict=strict,
        missing_is_background=missing_is_background,
        anyway=anyway,
    )


def evaluate(
    session: Session,
    dataset: Dataset,
    split: str,
    *,
    seed: int = 0,
    tiles: Tiles | None = None,
    on_progress: Progress = no_progress,
    on_detections: OnDetections | None = None,
) -> EvaluationResult:
    """Measure average precision on one split; images are streamed.

    COCO's own figures tell small objects from large ones. Of data in COCO's layout they are those of pycocotools, which
    counts objects marked to be ignored and those without area, too.

    Images that cannot be used are left out and counted in the data set's report.

    Args:
        session: the detector.
        dataset: labelled images with the classes of the detector's card, see `open_dataset_for`.
        split: one of the data set's splits.
        seed: of a seeded split.
        tiles: look at the parts of each image too; the result has what is found without them beside it.
        on_progress: called after each image.
        on_detections: called with each image and what was found in it, normalised to the image.

    Raises:
        InputError: the classes differ, no image can be used, no object is of the detector's classes, or the data
            set is strict and something is wrong.
    """
    check_same_classes(session.card, dataset)
    _check_objects(dataset, split, seed=seed, listed=len(dataset.sample_ids(split, seed=seed)))
    evaluator, of_whole = DetectionEvaluator(dataset.class_names), DetectionEvaluator(dataset.class_names)
    for sample, image in streamed_images(dataset, split, seed=seed, on_progress=on_progress):
        found = detect(session, image, tiles=tiles)
        written = dataset.as_written(sample) if dataset.layout == "coco" else None
        evaluator.add(sample, found, written=written)
        if tiles is not None:
            of_whole.add(sample, detect(session, image), written=written)
        if on_detections is not None:
            on_detections(sample, found)
    result = evaluator.result(with_coco=True)
    return result if tiles is None else replace(result, without_tiles=of_whole.result(with_coco=True))


def _check_objects(dataset: Dataset, split: str, *, seed: int, listed: int) -> None:
    """Look at all labels, before any time is spent on detecting."""
    images = objects = 0
    for sample in dataset.samples(split, seed=seed):
        images += 1
        objects += len(sample)
    check_enough(dataset, split, listed=listed, usable=images)
    if objects:
        return
    theirs = [name for name, _ in dataset.report.unlisted.most_common(20)]
    raise InputError(
        f"{dataset.name} {split}: expected objects of the detector's classes {', '.join(dataset.class_names)}, "
        f"got {'objects of ' + ', '.join(theirs) if theirs else 'no object at all'}. Evaluate on data with its classes."
    )

"""Look at every image before the work starts, so that nothing fails hours into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError
from ..runtime.image_files import read_image_bgr
from ..runtime.progress import Progress, no_progress
from .dataset import Dataset
from .report import DataReport, Problem
from .sample import Sample

_THREADS = 2
_FEW = 3
"""Boxes that say nothing of how all are written."""
_IN_FLIGHT = 32
"""Samples handed to the threads at a time: the set is streamed, not collected."""


Found = tuple[Problem, str]
"""What is wrong, and the line for the report."""

_Looked = TypeVar("_Looked")


def check_samples(dataset: Dataset, split: str, *, seed: int = 0, on_progress: Progress = no_progress) -> DataReport:
    """Decode every image of a split; leave those out of later streams that are broken or of another size.

    Args:
        dataset: its report and its streams are changed.
        split: one of the data set's splits.
        seed: of a seeded split.
        on_progress: called after each image.

    Returns:
        The data set's report.

    Raises:
        InputError: the data set is strict and something is wrong, or no usable image is left.
    """
    total = len(dataset.sample_ids(split, seed=seed))
    usable = 0
    for done, (sample, found) in enumerate(looked_at(dataset.samples(split, seed=seed), _look_at), start=1):
        if found is None:
            usable += 1
        else:
            dataset.leave_out(sample, *found)
        on_progress(split, done, total)
    on_progress(split, total, total)  # images that the stream itself left out never came by
    check_enough(dataset, split, listed=total, usable=usable)
    return dataset.report


def check_enough(dataset: Dataset, split: str, *, listed: int, usable: int) -> None:
    """Refuse to work on a split of which half or more was lost: what is left says little of what was meant.

    Args:
        dataset: its report knows the reasons.
        split: its name.
        listed: images of the split.
        usable: those that were not left out.

    Raises:
        InputError: no image is left; or, unless the data set goes on anyway, at most half of the images or of the
            objects, or a third of the boxes reach far out of their images. Objects of classes that somebody did not
            choose are no loss.
    """
    where = f"{dataset.name} {split}"
    reasons = dataset.report.reason()
    if not usable:
        raise InputError(
            f"{where}: expected labelled images, got none that can be used of {listed} listed. "
            f"{reasons or 'Choose another split'}."
        )
    if dataset.goes_on_anyway:
        return
    if usable * 2 <= listed:
        missing = dataset.report.count(Problem.MISSING_ANNOTATION)
        mend = ", or take them for images without objects by --missing-is-background" if missing * 2 >= listed else ""
        raise InputError(
            f"{where}: expected most of {listed} images to be usable, got {usable}. {reasons}. Mend them{mend}, or go "
            f"on with the rest by --anyway."
        )
    kept, lost = dataset.report.objects.total(), _lost_objects(dataset)
    if lost and lost >= kept:
        raise InputError(
            f"{where}: expected most of {kept + lost} objects to be usable, got {kept}. {reasons}. Mend the labels, or "
            f"go on with the rest by --anyway."
        )
    far = dataset.report.far_out
    if far >= max(_FEW, kept / 3):
        first = dataset.report.examples(Problem.CLIPPED_BOX)[0]
        raise InputError(
            f"{where}: expected boxes within their images, got {far} of {kept} that reach far out of them ({first}). "
            f"Two corners may be written where a size is expected. Mend the labels, or go on with them by --anyway."
        )


def _lost_objects(dataset: Dataset) -> int:
    problems = [Problem.EMPTY_BOX, Problem.IN_FIRST_PIXEL, Problem.OUTSIDE_BOX]
    if not dataset.has_chosen_classes:
        problems.append(Problem.UNLISTED_CLASS)
    return sum(map(dataset.report.count, problems))


def read_or_leave_out(dataset: Dataset, sample: Sample) -> NDArray[np.uint8] | None:
    """Decode a sample's image, or leave it out of the data set if it is broken or of another size.

    Returns:
        [height_px, width_px, 3] uint8, BGR; None if it was left out.

    Raises:
        InputError: the data set is strict and the image cannot be used.
    """
    image = image_or_problem(sample)
    if isinstance(image, np.ndarray):
        return image
    dataset.leave_out(sample, *image)
    return None


def looked_at(
    samples: Iterator[Sample], look: Callable[[Sample], _Looked], *, threads: int = _THREADS
) -> Iterator[tuple[Sample, _Looked]]:
    """Yield samples in order, each with what a look at its pixels gave; a few threads look ahead.

    Args:
        samples: a stream.
        look: reads the image; what it returns is kept for the few samples that are looked at ahead.
        threads: that look at once.
    """
    waiting: deque[tuple[Sample, Future[_Looked]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="check-samples") as pool:
        for sample in samples:
            waiting.append((sample, pool.submit(look, sample)))
            if len(waiting) >= _IN_FLIGHT:
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        while waiting:
            oldest, future = waiting.popleft()
            yield oldest, future.result()


def _look_at(sample: Sample) -> Found | None:
    """Forget the pixels at once: waiting results would hold them."""
    image = image_or_problem(sample)
    return None if isinstance(image, np.ndarray) else image


def image_or_problem(sample: Sample) -> NDArray[np.uint8] | Found:
    """Decode a sample's image: [height_px, width_px, 3] uint8 BGR, or what is wrong with it."""
    try:
        image = read_image_bgr(sample.image_path)
    except InputError as error:
        return Problem.BROKEN_IMAGE, str(error)
    height, width = image.shape[:2]
    if (height, width) != (sample.height_px, sample.width_px):
        annotated = f"{sample.width_px} x {sample.height_px}"
        return Problem.WRONG_SIZE, f"{sample.image_path}: expected {annotated} as annotated, got {width} x {height}"
    return image

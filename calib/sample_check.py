"""Look at every image before the work starts, so that nothing fails hours into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError
from ..runtime.images import read_image_bgr
from .data_report import DataReport, Problem
from .datasets import Dataset
from .samples import Sample

_THREADS = 2
_IN_FLIGHT = 32
"""Samples handed to the threads at a time: the set is streamed, not collected."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

_Found = tuple[Problem, str]


def check_samples(dataset: Dataset, split: str, *, seed: int = 0, on_progress: Progress | None = None) -> DataReport:
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
    for done, (sample, found) in enumerate(_looked_at(dataset.samples(split, seed=seed)), start=1):
        if found is None:
            usable += 1
        else:
            dataset.leave_out(sample, *found)
        if on_progress is not None:
            on_progress(done, total)
    if on_progress is not None:
        on_progress(total, total)  # images that the stream itself left out never came by
    if not usable:
        raise no_usable_images(dataset, split, listed=total)
    return dataset.report


def no_usable_images(dataset: Dataset, split: str, *, listed: int) -> InputError:
    """Say that a split gives nothing to work with, and the first reason."""
    reasons = "; ".join(line.strip() for line in dataset.report.lines()[1:3])
    return InputError(
        f"{dataset.name} {split}: expected labelled images, got none that can be used of {listed} listed. "
        f"{reasons or 'Choose another split'}."
    )


def read_or_leave_out(dataset: Dataset, sample: Sample) -> NDArray[np.uint8] | None:
    """Decode a sample's image, or leave it out of the data set if it is broken or of another size.

    Returns:
        [height_px, width_px, 3] uint8, BGR; None if it was left out.

    Raises:
        InputError: the data set is strict and the image cannot be used.
    """
    image = _image_or_problem(sample)
    if isinstance(image, np.ndarray):
        return image
    dataset.leave_out(sample, *image)
    return None


def _looked_at(samples: Iterator[Sample]) -> Iterator[tuple[Sample, _Found | None]]:
    """Yield samples in order, each with what is wrong with its pixels."""
    waiting: deque[tuple[Sample, Future[_Found | None]]] = deque()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="check-samples") as pool:
        for sample in samples:
            waiting.append((sample, pool.submit(_look_at, sample)))
            if len(waiting) >= _IN_FLIGHT:
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        while waiting:
            oldest, future = waiting.popleft()
            yield oldest, future.result()


def _look_at(sample: Sample) -> _Found | None:
    """Forget the pixels at once: waiting results would hold them."""
    image = _image_or_problem(sample)
    return None if isinstance(image, np.ndarray) else image


def _image_or_problem(sample: Sample) -> NDArray[np.uint8] | _Found:
    try:
        image = read_image_bgr(sample.image_path, upright=False)
    except InputError as error:
        return Problem.BROKEN_IMAGE, str(error)
    height, width = image.shape[:2]
    if (height, width) != (sample.height_px, sample.width_px):
        annotated = f"{sample.width_px} x {sample.height_px}"
        return Problem.WRONG_SIZE, f"{sample.image_path}: expected {annotated} as annotated, got {width} x {height}"
    return image

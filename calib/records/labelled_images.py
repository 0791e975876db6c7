"""A fixed list of labelled images that several artefacts are measured on, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...data.sample import Sample
from ...data.splits import strata_from_classes
from ...data.usable_samples import Found, image_or_problem, looked_at
from ...runtime.card import InputSpec
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images of a data set by id; every pass streams them again, so that memory does not grow with their number.

    Args:
        dataset: with the classes of the artefacts.
        image_ids: which images, in this order.
    """

    dataset: Dataset
    image_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image_ids)

    def samples(self) -> Iterator[Sample]:
        """Give the labels of every image that was not left out."""
        for image_id in self.image_ids:
            sample = None
            with suppress(InputError):  # left out, and counted in the data set's report
                sample = self.dataset.sample(image_id)
            if sample is not None:
                yield sample

    def frames(self, spec: InputSpec) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
        """Give every usable image fitted to the input, [1, H, W, 3] uint8 BGR; the others are left out for good."""

        def look(sample: Sample) -> NDArray[np.uint8] | Found:
            image = image_or_problem(sample)
            return fit_frame(image, spec)[np.newaxis] if isinstance(image, np.ndarray) else image

        for sample, looked in looked_at(self.samples(), look):
            if isinstance(looked, np.ndarray):
                yield sample, looked
            else:
                self.dataset.leave_out(sample, *looked)

    def first(self, count: int) -> LabelledImages:
        """Take the first of them; the order is sampled, so these are a sample."""
        return LabelledImages(dataset=self.dataset, image_ids=self.image_ids[:count])

    def only(self, image_ids: Collection[str]) -> LabelledImages:
        """Take those of them that are named, in their order."""
        return LabelledImages(
            dataset=self.dataset, image_ids=tuple(name for name in self.image_ids if name in image_ids)
        )


def sampled_images(dataset: Dataset, split: str, *, seed: int, most: int) -> LabelledImages:
    """Sample images of a split, in an order that depends on the ids and the seed alone.

    Args:
        dataset: labelled images.
        split: one of its splits; a seeded one is split by the same seed.
        seed: of the sample.
        most: images at most.

    Raises:
        InputError: there is no such split.
    """
    ordered = sorted(dataset.sample_ids(split, seed=seed), key=lambda image_id: _rank(image_id, seed=seed))
    return LabelledImages(dataset=dataset, image_ids=tuple(ordered[:most]))


def halves(images: LabelledImages, *, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Split images into two disjoint halves, each class in proportion.

    Returns:
        One half to choose by, and one to judge by what was chosen.
    """
    part_of = folds(images, 2, seed=seed)
    choosing, judging = (frozenset(name for name, part in part_of.items() if part == at) for at in range(2))
    return images.only(choosing), images.only(judging)


def folds(images: LabelledImages, count: int, *, seed: int) -> dict[str, int]:
    """Deal images into so many parts, each class in proportion.

    Returns:
        The part of every image that was not left out, from 0.
    """
    names = images.dataset.class_names
    strata = strata_from_classes(
        {sample.image_id: (names[class_id] for class_id in sample.class_ids) for sample in images.samples()}
    )
    ordered = sorted(strata, key=lambda image_id: (strata[image_id], _rank(image_id, seed=seed)))
    return {image_id: at % count for at, image_id in enumerate(ordered)}


def _rank(image_id: str, *, seed: int) -> bytes:
    return hashlib.sha256(f"gate:{seed}:{image_id}".encode()).digest()

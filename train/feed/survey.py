"""What a run's splits hold, looked at before training starts, so that nothing fails hours into it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...calib.accuracy.average_precision import MIN_OBJECTS
from ...data.dataset import Dataset
from ...data.parts import listed
from ...data.sample import Sample, data_sha256
from ...data.usable_samples import check_enough, check_samples
from ...runtime.errors import InputError
from ...runtime.progress import Progress, no_progress


@dataclass(frozen=True, kw_only=True)
class SplitSurvey:
    """One split, after every image was looked at.

    Args:
        split: its name.
        image_ids: images that can be used, in the split's order.
        sha256: fingerprint of images, boxes and classes.
        objects: [number of classes] int64, objects per class, difficult ones not counted.
    """

    split: str
    image_ids: tuple[str, ...]
    sha256: str
    objects: NDArray[np.int64]

    @property
    def supports_ap(self) -> bool:
        """Whether one class at least has enough objects for its average precision to mean something."""
        return bool((self.objects >= MIN_OBJECTS).any())


def survey_split(
    data: Dataset, split: str, *, seed: int, decode: bool = True, on_progress: Progress = no_progress
) -> SplitSurvey:
    """Read every label of a split and, if asked to, decode every image; they stream by.

    Args:
        data: its report counts what is wrong.
        split: one of the data's splits.
        seed: of a seeded split.
        decode: whether to leave out images that cannot be decoded. A cache of the images does so by itself.
        on_progress: called after each image that is decoded.

    Raises:
        InputError: there is no such split, no image in it that can be decoded, or the data set is strict and
            something is wrong.
    """
    if decode:
        check_samples(data, split, seed=seed, on_progress=on_progress)
    image_ids: list[str] = []
    objects = np.zeros(len(data.class_names), np.int64)

    def noted() -> Iterator[Sample]:
        for sample in data.samples(split, seed=seed):
            image_ids.append(sample.image_id)
            np.add.at(objects, sample.class_ids[~sample.difficult], 1)
            yield sample

    sha256 = data_sha256(noted())
    check_enough(data, split, listed=len(data.sample_ids(split, seed=seed)), usable=len(image_ids))
    return SplitSurvey(split=split, image_ids=tuple(image_ids), sha256=sha256, objects=objects)


def check_surveys(data: Dataset, train: SplitSurvey, val: SplitSurvey) -> None:
    """Refuse splits that a detector cannot be trained and judged with.

    Raises:
        InputError: a class has no object to learn, there is no object to validate on, or an image is in both splits.
    """
    missing = [name for name, count in zip(data.class_names, train.objects, strict=True) if not count]
    if missing:
        raise InputError(
            f"{data.name} {train.split}: expected objects of every class to learn, got none of {listed(missing)}. "
            f"{_what_there_is(data, train, missing)}"
        )
    if not val.objects.any():
        raise InputError(
            f"{data.name} {val.split}: expected objects to validate on, got none of {listed(data.class_names)}. "
            f"Choose another split by --val-split."
        )
    if shared := _files(data, train) & _files(data, val):
        raise InputError(
            f"{train.split}, {val.split}: expected splits without a common image, got {len(shared)} in both: "
            f"what is learned says nothing of what is new. Choose another by --train-split or --val-split."
        )


def _files(data: Dataset, split: SplitSurvey) -> set[object]:
    """Images by id; those of several data sets by file, as two may label the same pictures."""
    return {data.parts.image_path(image_id).resolve() if data.parts else image_id for image_id in split.image_ids}


def _what_there_is(data: Dataset, train: SplitSurvey, missing: list[str]) -> str:
    """Say what to name instead: the likeliest slips of the pen, else what the split holds."""
    there = [name for name, _ in data.report.unlisted.most_common()]
    near = dict.fromkeys(match for name in missing for match in difflib.get_close_matches(name, there, n=1))
    if near:
        return f"Did you mean {listed(list(near))}?"
    present = [name for name, count in zip(data.class_names, train.objects, strict=True) if count]
    return f"Name by --classes what the split holds: {listed([*present, *there]) or 'nothing'}."

"""Labelled images from one layout to another, with nothing lost that the other can hold."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.image_files import IMAGE_SUFFIXES
from ...runtime.progress import Progress, no_progress
from ..dataset import Dataset
from ..sample import Sample
from ..usable_samples import check_enough
from .whole_folder import whole_folder
from .writers import CocoWriter, CsvWriter, LabelledFiles, LayoutWriter, VocWriter, YoloWriter

Target = Literal["coco", "yolo", "voc", "csv"]

WRITERS: dict[Target, Callable[[Path, tuple[str, ...]], LayoutWriter]] = {
    "coco": CocoWriter,
    "yolo": YoloWriter,
    "voc": VocWriter,
    "csv": CsvWriter,
}


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was written.

    Args:
        images: how many images in each split; a split without any is not written.
        lost: what the target cannot hold, a line each.
    """

    images: dict[str, int]
    lost: tuple[str, ...]


def convert_data(
    dataset: Dataset,
    target: Target,
    out: StrPath,
    *,
    splits: Mapping[str, str] | None = None,
    seed: int = 0,
    link: bool = False,
    on_progress: Progress = no_progress,
) -> Conversion:
    """Write a data set in another layout, whole or not at all; its own splits keep their names.

    Labels are written as they are read: what the data set's report says of boxes clipped and dropped and images left
    out holds for the result. Images are not decoded.

    Args:
        dataset: what is converted.
        target: the layout to write.
        out: a folder that is not there yet, or is empty.
        splits: split of the data -> its name there; all of the official ones, by their names, if not given.
        seed: of seeded splits.
        link: hard-link the images instead of copying them.
        on_progress: called after each image.

    Returns:
        What was written and what could not be.

    Raises:
        InputError: the folder holds something, an image cannot be brought there, two images would get one name, no
            object or too few images can be used (see `check_enough`; a test set may have no labels); or the data set
            is strict and something is wrong.
    """
    out = Path(out)
    plan = splits or {name: name for name in dataset.official_splits()}
    for name in plan:
        dataset.sample_ids(name, seed=seed)  # a wrong one is found out at once
    with whole_folder(out) as folder:
        writer = WRITERS[target](folder, dataset.class_names)
        writer.images.mkdir()
        placing = _Placing(writer.images, target, link=link)
        images = _convert(dataset, writer, placing, plan, seed=seed, on_progress=on_progress)
    empty = [f"{name}: it has no usable image" for name, count in images.items() if not count]
    return Conversion(
        images={name: count for name, count in images.items() if count},
        lost=(*writer.cannot_hold(dataset.report), *placing.lost(), *empty),
    )


def _convert(
    dataset: Dataset,
    writer: LayoutWriter,
    placing: _Placing,
    plan: Mapping[str, str],
    *,
    seed: int,
    on_progress: Progress,
) -> dict[str, int]:
    """Write all splits: name there -> images."""
    images: dict[str, int] = {}
    for split, name in plan.items():
        total = len(dataset.sample_ids(split, seed=seed))
        samples = dataset.samples(split, seed=seed)
        images[name] = _write_split(
            writer, name, _placed(samples, placing, split=split, total=total, on_progress=on_progress)
        )
        if images[name] or not split.startswith("test"):
            check_enough(dataset, split, listed=total, usable=images[name])
    _check_objects(dataset)
    writer.finish()
    return images


def _write_split(writer: LayoutWriter, name: str, files: LabelledFiles) -> int:
    """Write a split, nothing where there is no image, and count its images."""
    first = next(files, None)
    if first is None:
        return 0
    counting = _Counting(first, files)
    writer.write_split(name, iter(counting))
    return counting.count


def _check_objects(dataset: Dataset) -> None:
    if not dataset.report.objects.total() and not dataset.goes_on_anyway:
        raise InputError(
            f"{dataset.name}: expected objects of the classes {', '.join(dataset.class_names) or 'of the data'}, got "
            f"none in {dataset.report.images} images. Name others by --classes, or write them all the same by --anyway."
        )


class _Counting:
    """Gives a stream's first item and the rest, and counts them."""

    def __init__(self, first: tuple[Sample, str], rest: LabelledFiles) -> None:
        self._first = first
        self._rest = rest
        self.count = 0

    def __iter__(self) -> LabelledFiles:
        self.count = 1
        yield self._first
        for item in self._rest:
            self.count += 1
            yield item


class _Placing:
    """Brings each image once, under a name that the target can hold."""

    def __init__(self, images: Path, target: Target, *, link: bool) -> None:
        self._images = images
        self._link = link
        self._is_keyed_by_stem = target in ("voc", "yolo")
        self._is_voc = target == "voc"  # its lists end an id at a space, its suffixes are in lower case
        self._names: dict[str, str] = {}
        self._taken: dict[str, str] = {}
        self._renamed = 0

    def place(self, sample: Sample) -> str:
        """Return the image's path below the images' folder."""
        if sample.image_id not in self._names:
            self._names[sample.image_id] = name = self._name(sample)
            self._bring(sample.image_path, self._images / name)
        return self._names[sample.image_id]

    def lost(self) -> list[str]:
        """Say which names could not be kept."""
        return [f"spaces in {self._renamed} file names: they become _"] if self._renamed else []

    def _name(self, sample: Sample) -> str:
        stem = "/".join(part for part in sample.image_id.split("/") if part != "..")
        if Path(stem).suffix.lower() in IMAGE_SUFFIXES:
            stem = stem[: -len(Path(stem).suffix)]
        if self._is_voc and re.search(r"\s", stem):
            stem = re.sub(r"\s", "_", stem)
            self._renamed += 1
        suffix = sample.image_path.suffix
        name = stem + (suffix.lower() if self._is_voc else suffix)
        key = stem if self._is_keyed_by_stem else name
        if self._taken.setdefault(key, sample.image_id) != sample.image_id:
            raise InputError(
                f"{sample.image_id}: expected a name of its own, got that of {self._taken[key]}: both would become "
                f"{key}. Rename one of them."
            )
        return name

    def _bring(self, source: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not self._link:
            shutil.copyfile(source, place)
            return
        try:
            os.link(source.resolve(), place)
        except OSError as error:
            raise InputError(
                f"{source}: expected a file that can be linked to, got {error.strerror}. Leave out --link to copy."
            ) from error


def _placed(
    samples: Iterator[Sample], placing: _Placing, *, split: str, total: int, on_progress: Progress
) -> LabelledFiles:
    for done, sample in enumerate(samples, 1):
        yield sample, placing.place(sample)
        on_progress(split, done, total)

"""One look at everything that a data set holds, before a detector is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ...runtime.errors import InputError
from ...runtime.progress import Progress, no_progress
from ..dataset import Dataset
from ..mixed_data import PartCount, counts_by_part
from ..report import DataReport
from ..sample import Sample
from ..usable_samples import Found, check_enough, image_or_problem, looked_at
from .data_statistics import SplitStatistics
from .duplicates import Fingerprint, duplicate_groups, fingerprint


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """Images that are the same, or nearly.

    Args:
        image_ids: two or more.
        splits: for each, the checked splits that list it.
    """

    image_ids: tuple[str, ...]
    splits: tuple[tuple[str, ...], ...]

    @property
    def spans_splits(self) -> bool:
        """Whether one is in a split that another is not in: what is learned would be met again in the judging."""
        return len(set(self.splits)) > 1


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """What was found.

    Args:
        found: layout, dialect and name, for a person.
        notes: what else to know of it, a line each.
        layout: of the data.
        name: of the data.
        seed: of seeded splits.
        splits: split -> its numbers, images that cannot be used left out.
        report: what is wrong with files and labels.
        exact: groups of files with the same bytes.
        near: groups of nearly the same picture, see `duplicates`.
        shared: (split, split, images in both), where neither holds all of the other.
        parts: split -> what each of several data sets brings to it; empty where it is one.
    """

    found: str
    notes: tuple[str, ...]
    layout: str
    name: str
    seed: int
    splits: dict[str, SplitStatistics]
    report: DataReport
    exact: tuple[DuplicateGroup, ...]
    near: tuple[DuplicateGroup, ...]
    shared: tuple[tuple[str, str, int], ...]
    parts: dict[str, dict[str, PartCount]]

    def to_dict(self) -> dict[str, Any]:
        """Write everything for a machine, ready for JSON."""
        return {
            "layout": self.layout,
            "name": self.name,
            "seed": self.seed,
            "splits": {name: split.to_dict() for name, split in self.splits.items()},
            "report": self.report.to_dict(),
            "duplicates": {"exact": _listed(self.exact), "near": _listed(self.near)},
            "data_sets": {
                name: {part: asdict(count) for part, count in counts.items()} for name, counts in self.parts.items()
            },
            "images_in_both": [{"splits": [first, second], "images": count} for first, second, count in self.shared],
        }


def check_data(
    dataset: Dataset, splits: Sequence[str] = (), *, seed: int = 0, on_progress: Progress = no_progress
) -> DataCheck:
    """Decode every image once, count what there is and find what is there twice.

    Memory grows by some 400 bytes an image and 16 an object; images are streamed.

    Args:
        dataset: its report is added to.
        splits: names of splits; all official ones if none is given.
        seed: of seeded splits.
        on_progress: called after each image.

    Raises:
        InputError: there is no such split, or no usable image in one; or the data set is strict and something is
            wrong.
    """
    names = tuple(dict.fromkeys(splits)) or dataset.official_splits()
    prints: dict[str, Fingerprint] = {}
    statistics: dict[str, SplitStatistics] = {}
    members: dict[str, set[str]] = {}
    for name in names:
        total = len(dataset.sample_ids(name, seed=seed))
        statistics[name], members[name] = SplitStatistics(dataset.class_names), set()
        unseen = looked_at(dataset.samples(name, seed=seed), lambda sample: _look(sample, prints))
        for done, (sample, found) in enumerate(unseen, 1):
            if isinstance(found, Fingerprint):
                prints[sample.image_id] = found
                statistics[name].add(sample)
                members[name].add(sample.image_id)
            else:
                dataset.leave_out(sample, *found)
            on_progress(name, done, total)
        if not members[name] and splits:
            check_enough(dataset, name, listed=total, usable=0)
    used = {name: split for name, split in statistics.items() if split.images}
    if not used:
        raise InputError(f"{dataset.name}: expected usable images, got none. {dataset.report.reason()}")
    exact, near = _groups(prints, members)
    return DataCheck(
        found=dataset.found,
        notes=dataset.notes,
        layout=dataset.layout,
        name=dataset.name,
        seed=seed,
        splits=used,
        report=dataset.report,
        exact=exact,
        near=near,
        shared=_shared(members),
        parts={name: counts_by_part(dataset, name, seed=seed) for name in used} if dataset.parts else {},
    )


def _look(sample: Sample, prints: dict[str, Fingerprint]) -> Fingerprint | Found:
    """Images of several splits are looked at once; the pixels are forgotten."""
    if sample.image_id in prints:
        return prints[sample.image_id]
    image = image_or_problem(sample)
    return fingerprint(sample.image_path.read_bytes(), image) if isinstance(image, np.ndarray) else image


def _groups(
    prints: dict[str, Fingerprint], members: dict[str, set[str]]
) -> tuple[tuple[DuplicateGroup, ...], tuple[DuplicateGroup, ...]]:
    image_ids = list(prints)

    def group(indices: list[int]) -> DuplicateGroup:
        ids = tuple(image_ids[index] for index in indices)
        splits = tuple(tuple(name for name, held in members.items() if image_id in held) for image_id in ids)
        return DuplicateGroup(image_ids=ids, splits=splits)

    exact, near = duplicate_groups(list(prints.values()))
    return tuple(map(group, exact)), tuple(map(group, near))


def _shared(members: dict[str, set[str]]) -> tuple[tuple[str, str, int], ...]:
    pairs = combinations(members.items(), 2)
    return tuple(
        (first, second, len(ours & theirs))
        for (first, ours), (second, theirs) in pairs
        if ours & theirs and not (ours <= theirs or theirs <= ours)
    )


def _listed(groups: tuple[DuplicateGroup, ...]) -> list[dict[str, Any]]:
    return [{"images": list(group.image_ids), "splits": [list(names) for names in group.splits]} for group in groups]

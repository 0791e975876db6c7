"""Several data sets that are learned from together: what must hold of them, and what each brings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

from ..runtime.errors import InputError
from .class_choice import spelled_alike
from .dataset import Dataset
from .parts import listed


@dataclass(frozen=True, kw_only=True)
class PartCount:
    """What a split has of one data set.

    Args:
        images: that can be used.
        objects: of each class that it labels, difficult ones not counted.
    """

    images: int
    objects: dict[str, int]


def counts_by_part(dataset: Dataset, split: str, *, seed: int = 0) -> dict[str, PartCount]:
    """Count images and objects of each data set; nothing where it is one.

    Raises:
        InputError: there is no such split, or the data set is strict and something is wrong.
    """
    images: Counter[str] = Counter()
    objects: dict[str, Counter[int]] = {part: Counter() for part in dataset.parts.labelled}
    for sample in dataset.samples(split, seed=seed) if objects else ():
        part = dataset.parts.of(sample.image_id)
        images[part] += 1
        objects[part].update(sample.class_ids[~sample.difficult].tolist())
    return {
        part: PartCount(
            images=images[part],
            objects={
                name: objects[part][class_id] for class_id, name in enumerate(dataset.class_names) if labelled[class_id]
            },
        )
        for part, labelled in dataset.parts.labelled.items()
    }


def check_parts(dataset: Dataset, *splits: str) -> None:
    """Refuse several data sets that cannot be meant together; one is let through.

    Labels are read, no image is.

    Raises:
        InputError: two are the same, or one has not each of the splits, or labels none of the classes, or writes a
            class's name with other capital letters than another.
    """
    if not dataset.parts:
        return
    for (first, ours), (second, theirs) in combinations(dataset.parts.layouts.items(), 2):
        if ours.kind == theirs.kind and {path.resolve() for path in ours.lists.values()} & {
            path.resolve() for path in theirs.lists.values()
        }:
            raise InputError(
                f"{dataset.name}: expected different data sets, got {first} and {second}, which lie in the same place. "
                f"Name each once."
            )
    for split in splits:
        _check_split(dataset, split)
    _check_spelling(dataset)
    for part, labelled in dataset.parts.labelled.items():
        if not labelled.any():
            there = listed(sorted(dataset.parts.layouts[part].names_of_objects())) or "none at all"
            raise InputError(
                f"{part}: expected objects of one of the classes {listed(dataset.class_names)}, got {there}. "
                f"Leave this data set out, or name one of its classes by --classes."
            )


def _check_split(dataset: Dataset, split: str) -> None:
    if split in dataset.split_names():
        return
    for part, layout in dataset.parts.layouts.items():
        if split not in layout.official_lists:
            raise InputError(
                f"{split}: expected a split of every data set, got {part} with {listed(layout.official_lists)}. "
                f"Name one that all have: {', '.join(dataset.split_names())}."
            )


def _check_spelling(dataset: Dataset) -> None:
    places = {name: at for at, name in enumerate(dataset.class_names)}
    for names in spelled_alike(dataset.class_names):
        owners = {
            name: [part for part, labelled in dataset.parts.labelled.items() if labelled[places[name]]]
            for name in names
        }
        if len({tuple(parts) for parts in owners.values()}) > 1:
            got = " and ".join(f"{name} in {', '.join(parts) or 'none'}" for name, parts in owners.items())
            raise InputError(
                f"classes: expected one spelling of each in all data sets, got {got}. Write one data set anew with "
                f"`singleshot convert-data DIR --rename {names[1]}={names[0]} --to coco --link -o NEW`."
            )

"""The seeded split: four fifths to train on, one fifth to validate on, each class in proportion."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SEEDED_TRAIN = "seeded-train"
SEEDED_VAL = "seeded-val"
SEEDED_SPLITS = (SEEDED_TRAIN, SEEDED_VAL)
BACKGROUND_STRATUM = ""
"""Images without objects form a stratum of their own."""


@dataclass(frozen=True, kw_only=True)
class SeededSplit:
    """Two disjoint, sorted lists of image ids that together are the whole."""

    train: tuple[str, ...]
    val: tuple[str, ...]


def strata_from_classes(classes_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Give each image one stratum: the rarest of its classes (counted in images; ties go by name), or background.

    Args:
        classes_of: image id -> names of the classes in it.
    """
    distinct = {image_id: frozenset(names) for image_id, names in classes_of.items()}
    images_with = Counter(name for names in distinct.values() for name in names)
    return {
        image_id: min(names, key=lambda name: (images_with[name], name), default=BACKGROUND_STRATUM)
        for image_id, names in distinct.items()
    }


def seeded_split(strata: Mapping[str, str], *, seed: int) -> SeededSplit:
    """Split 80/20, stratified. Depends on the ids, their strata and the seed alone: not on order or library versions.

    Within a stratum ids are ordered by a hash of seed and id, and the first fifth goes to val. What rounding leaves
    over is carried to the next stratum, so that val as a whole is a fifth, rounded, and each stratum is off by
    less than one image.

    Args:
        strata: image id -> stratum.
        seed: any integer.
    """
    members: dict[str, list[str]] = {}
    for image_id in sorted(strata):
        members.setdefault(strata[image_id], []).append(image_id)
    val: set[str] = set()
    seen = 0
    for stratum in sorted(members):
        ordered = sorted(members[stratum], key=lambda image_id: _rank(image_id, seed=seed))
        seen += len(ordered)
        val.update(ordered[: _fifth(seen) - len(val)])
    return SeededSplit(train=_without(sorted(strata), val), val=tuple(sorted(val)))


def _fifth(count: int) -> int:
    return (count + 2) // 5


def _without(image_ids: Sequence[str], left_out: set[str]) -> tuple[str, ...]:
    return tuple(image_id for image_id in image_ids if image_id not in left_out)


def _rank(image_id: str, *, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{image_id}".encode()).digest()

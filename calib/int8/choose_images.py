"""Which images calibrate: as different from each other as the network sees them, and no picture twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.check.duplicates import Fingerprint, distinct, fingerprint
from ...runtime.errors import InputError
from ...runtime.progress import Progress, no_progress
from .domain_gap import DomainGap, Evidence
from .image_pool import ImagePool

LOOKED_AT = 2
"""Images looked at for each one asked for."""
LEAST = 8
"""Different images without which there is no calibration."""
FEW = 64
"""Fewer different images than this are used, with a warning."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """What the network makes of an image.

    Args:
        embedding: [e] float32; images that the network sees alike have close ones.
        evidence: whether this is a picture of its kind.
    """

    embedding: NDArray[np.float32]
    evidence: Evidence


Look = Callable[[NDArray[np.uint8]], Looked]
"""Takes an image of any size."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images chosen, and from what.

    Args:
        names: of the images, the one nearest to the mean first, then each the farthest from all before it.
        asked_for: how many were wanted.
        seed: decided which were looked at.
        listed: images in the folder, or frames of the video.
        looked_at: sampled from these and read.
        duplicates: of the ones looked at, left out as the same picture as another.
        blank: of the ones looked at, left out as pictures of one colour.
        broken: what could not be read, a sentence each.
        coverage: mean distance from an image looked at to the nearest chosen one, as a share of the mean distance of
            two images; 0 where all were chosen.
        gap: what speaks for or against these being pictures of the detector's kind.
    """

    names: tuple[str, ...]
    asked_for: int
    seed: int
    listed: int
    looked_at: int
    duplicates: int
    blank: int
    broken: tuple[str, ...]
    coverage: float
    gap: DomainGap

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know before trusting the ranges."""
        found = []
        if len(self.names) < self.asked_for:
            found.append(
                f"{len(self.names)} images instead of {self.asked_for}: {self.listed} listed, {self.duplicates} the "
                f"same as another, {self.blank} of one colour, {len(self.broken)} broken."
            )
        if len(self.names) < FEW:
            found.append(f"fewer than {FEW} images seldom show a network's whole range; name more by --images.")
        return (*found, *self.gap.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {**asdict(self), "warnings": self.warnings}


def choose_images(
    pool: ImagePool,
    look: Look,
    *,
    count: int,
    seed: int,
    without: Collection[str] = frozenset(),
    on_progress: Progress = no_progress,
) -> Selection:
    """Sample images with a seed, drop what is there twice, and choose the ones that cover the network's answers best.

    The choice is greedy and farthest first (k-centre): it seeks the unusual, which is what ranges depend on.

    Args:
        pool: to choose from.
        look: what the network makes of an image.
        count: images wanted.
        seed: of the sample; the same pool, network and seed give the same images.
        without: names that are set aside for another use.
        on_progress: called after each image.

    Raises:
        InputError: `count` is too small, there are too few different images, or half of them or more are broken.
    """
    if count < LEAST:
        raise InputError(f"--count: expected at least {LEAST} images, got {count}. 256 is usual.")
    names = [name for name in pool.names if name not in without]
    sampled = np.random.default_rng(seed).permutation(len(names))[: LOOKED_AT * count]
    seen = _seen([names[index] for index in sampled], pool, look, on_progress)
    has_contrast = [index for index, item in enumerate(seen.prints) if item.has_contrast]
    different = [has_contrast[place] for place in distinct([seen.prints[index] for index in has_contrast])]
    if len(different) < LEAST:
        raise InputError(
            f"{pool.path}: expected at least {LEAST} images that differ, got {len(different)} ({len(names)} "
            f"listed, {len(has_contrast) - len(different)} the same as another, {len(seen.names) - len(has_contrast)} "
            f"of one colour, {len(pool.problems)} broken). Name a folder of more photos."
        )
    if len(pool.problems) * 2 >= len(sampled):
        raise InputError(
            f"{pool.path}: expected most of {len(sampled)} images to be readable, got {len(seen.names)}. "
            f"{pool.problems[0]} Take away those that are broken."
        )
    points = standardised(np.stack([seen.looks[index].embedding for index in different]))
    chosen = farthest_first(points, count)
    return Selection(
        names=tuple(seen.names[different[index]] for index in chosen),
        asked_for=count,
        seed=seed,
        listed=len(names),
        looked_at=len(sampled),
        duplicates=len(has_contrast) - len(different),
        blank=len(seen.names) - len(has_contrast),
        broken=tuple(pool.problems),
        coverage=_coverage(points, chosen),
        gap=DomainGap.of([look.evidence for look in seen.looks]),
    )


def farthest_first(points: NDArray[np.float32], count: int) -> list[int]:
    """Choose points greedily, each the farthest from all chosen before it; the first is the nearest to the mean.

    Args:
        points: [n, e] float32, n at least 1.
        count: wanted; all points where there are fewer.

    Returns:
        Indices; ties go to the lower one.

    Source: Gonzalez 1985, clustering to minimize the maximum intercluster distance.
    """
    chosen = [int(np.argmin(_distances(points, points.mean(axis=0))))]
    nearest = _distances(points, points[chosen[0]])
    while len(chosen) < min(count, len(points)):
        nearest[chosen[-1]] = -1  # equal points would be chosen twice
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1]]))
    return chosen


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What was noted of the images looked at, one entry an image that could be read."""

    names: list[str]
    prints: list[Fingerprint]
    looks: list[Looked]


def _seen(names: Sequence[str], pool: ImagePool, look: Look, on_progress: Progress) -> _Seen:
    seen = _Seen(names=[], prints=[], looks=[])
    for done, (name, image) in enumerate(pool.images(names), start=1):
        seen.names.append(name)
        seen.prints.append(fingerprint(image.tobytes(), image))
        seen.looks.append(look(image))
        on_progress("choosing images", done, len(names))
    return seen


def standardised(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give every dimension a mean of 0 and a deviation of 1; one that never changes is 0."""
    spread = points.std(axis=0)
    scaled = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.asarray(scaled, np.float32)


def _distances(points: NDArray[np.float32], point: NDArray[np.float32]) -> NDArray[np.float32]:
    distances: NDArray[np.float32] = np.linalg.norm(points - point, axis=1)
    return distances


def _coverage(points: NDArray[np.float32], chosen: list[int]) -> float:
    """Compare how far images are from the nearest chosen one with how far they are from each other."""
    nearest = np.min([_distances(points, points[index]) for index in chosen], axis=0)
    apart = np.mean([_distances(points, point).mean() for point in points])
    return float(nearest.mean() / apart) if apart else 0.0

"""Two artefacts on the same labelled images: what the one loses against the other, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..accuracy.average_precision import MIN_OBJECTS
from ..accuracy.class_matches import NOT_FOUND
from .bootstrap import REPLICATES, Interval, intervals, resamples, wilson_interval
from .records import Group, Records

SHIFT_LIMIT = 0.5
"""Where the histogram of moved scores ends; what moved further is in its last bars."""

_SHIFT_EDGES = np.linspace(-SHIFT_LIMIT, SHIFT_LIMIT, 21)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """One figure of both, in points of 100.

    Args:
        group: what it speaks of.
        parent: the parent's figure.
        candidate: the candidate's.
        drop_interval: where the drop lies on resamples of the images; None where there is nothing to measure.
    """

    group: Group
    parent: float
    candidate: float
    drop_interval: Interval | None

    @property
    def drop(self) -> float:
        """Parent less candidate: what is lost, negative where something is gained."""
        return self.parent - self.candidate

    @property
    def interval_text(self) -> str:
        """Write as `[-0.12, 0.30]`; empty where there is none."""
        return "" if self.drop_interval is None else self.drop_interval.text()

    @property
    def resolution(self) -> float:
        """Points that these images tell apart: half of the interval.

        Infinite where there is none, and where the parent gets nothing right, so that nothing can be lost.
        """
        if self.drop_interval is None or self.parent <= 0:
            return math.inf
        return (self.drop_interval.high - self.drop_interval.low) / 2

    @property
    def is_measurable(self) -> bool:
        """Whether the drop differs from 0 by more than the choice of images explains."""
        return self.drop_interval is not None and 0.0 not in self.drop_interval

    @property
    def verdict(self) -> str:
        """In words, with what the data can tell."""
        if not self.is_measurable:
            return "no measurable loss"
        return "a measurable loss" if self.drop > 0 else "a measurable gain"

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "kind": self.group.kind,
            "name": self.group.name,
            "objects": self.group.objects,
            "parent": self.parent,
            "candidate": self.candidate,
            "drop": self.drop,
            "drop_interval": None if self.drop_interval is None else [self.drop_interval.low, self.drop_interval.high],
            "verdict": self.verdict,
        }


@dataclass(frozen=True, kw_only=True)
class Changed:
    """An object (of a classifier: an image) that one of the two finds and the other does not.

    Args:
        image_id: as the data name it.
        image: its index among the images.
        class_name: of the object.
        box_xyxy_px: in pixels of the image; zeros of a classifier.
        parent_score: by which the parent found it, 0 where it did not.
        candidate_score: by which the candidate found it, 0 where it did not.
    """

    image_id: str
    image: int
    class_name: str
    box_xyxy_px: tuple[float, float, float, float]
    parent_score: float
    candidate_score: float


@dataclass(frozen=True, kw_only=True)
class ScoreShift:
    """How the scores of what both find have moved, candidate less parent.

    Args:
        objects: found by both.
        median: of the differences.
        low: 5 % of them are below.
        high: 5 % of them are above.
        counts: histogram from -SHIFT_LIMIT to SHIFT_LIMIT.
    """

    objects: int
    median: float
    low: float
    high: float
    counts: tuple[int, ...]


def deltas(parent: Records, candidate: Records, *, replicates: int = REPLICATES, seed: int = 0) -> tuple[Delta, ...]:
    """Measure both on the same images and on the same resamples of them (a paired bootstrap).

    Resamples of fewer than `MIN_OBJECTS` objects hardly differ and would seem sure. Their interval is that of a share:
    as if each object went wholly from right to wrong or back, which is the most that it can do.

    Args:
        parent: its answers.
        candidate: its answers to the same images.
        replicates: resamples.
        seed: of the resamples.

    Returns:
        One per group of the parent, the headline first.
    """
    images = len(parent.image_ids)
    once = np.ones(images, np.int64)
    before, after = parent.figures(once), candidate.figures(once)
    drops = np.stack(
        [
            parent.figures(weights) - candidate.figures(weights)
            for weights in resamples(images, replicates=replicates, seed=seed)
        ]
    )
    return tuple(
        Delta(
            group=group,
            parent=float(left),
            candidate=float(right),
            drop_interval=interval if group.objects >= MIN_OBJECTS else _interval_of_few(left - right, group.objects),
        )
        for group, left, right, interval in zip(parent.groups, before, after, intervals(drops), strict=True)
    )


def _interval_of_few(drop: np.float64, objects: int) -> Interval:
    share = wilson_interval((100 + float(drop)) / 200 * objects, objects)
    return Interval(low=200 * share.low - 100, high=200 * share.high - 100)


def headline_drop(
    parent: Records,
    candidate: Records,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    among: NDArray[np.bool_] | None = None,
) -> tuple[float, Interval | None]:
    """Measure the headline's drop alone, with its interval; in points.

    Args:
        parent: its answers.
        candidate: its answers to the same images.
        replicates: resamples.
        seed: of the resamples.
        among: [images], which of them count; None: all.
    """
    counted = np.ones(len(parent.image_ids), np.bool_) if among is None else among

    def drop(times: NDArray[np.int64]) -> float:
        weights = np.zeros(len(counted), np.int64)
        weights[counted] = times
        return parent.headline(weights) - candidate.headline(weights)

    images = int(counted.sum())
    drops = [drop(times) for times in resamples(images, replicates=replicates, seed=seed)]
    return drop(np.ones(images, np.int64)), intervals(np.array(drops)[:, None])[0]


def lost_and_gained(
    parent: Records, candidate: Records, threshold: float
) -> tuple[tuple[Changed, ...], tuple[Changed, ...]]:
    """List what one of the two alone reports at a score threshold, the clearest cases first.

    Args:
        parent: its answers.
        candidate: its answers to the same images.
        threshold: the least score that is reported.

    Returns:
        What the candidate lost, and what it gained.
    """
    before, after = parent.targets(), candidate.targets()
    was, remains = before.scores >= threshold, after.scores >= threshold
    change = np.maximum(before.scores, 0) - np.maximum(after.scores, 0)

    def listed(rows: NDArray[np.intp]) -> tuple[Changed, ...]:
        return tuple(
            Changed(
                image_id=parent.image_ids[before.images[row]],
                image=int(before.images[row]),
                class_name=parent.class_names[before.class_ids[row]],
                box_xyxy_px=_box(before.boxes_xyxy_px[row]),
                parent_score=max(0.0, float(before.scores[row])),
                candidate_score=max(0.0, float(after.scores[row])),
            )
            for row in rows
        )

    lost, gained = np.flatnonzero(was & ~remains), np.flatnonzero(remains & ~was)
    return (
        listed(lost[np.argsort(-change[lost], kind="stable")]),
        listed(gained[np.argsort(change[gained], kind="stable")]),
    )


def score_shift(parent: Records, candidate: Records) -> ScoreShift | None:
    """Measure how the scores of what both find have moved; None if there is nothing."""
    before, after = parent.targets().scores, candidate.targets().scores
    both = (before != NOT_FOUND) & (after != NOT_FOUND)
    if not both.any():
        return None
    moved = after[both] - before[both]
    low, median, high = np.quantile(moved, [0.05, 0.5, 0.95])
    counts, _ = np.histogram(np.clip(moved, _SHIFT_EDGES[0], _SHIFT_EDGES[-1]), _SHIFT_EDGES)
    return ScoreShift(
        objects=int(both.sum()),
        median=float(median),
        low=float(low),
        high=float(high),
        counts=tuple(counts.tolist()),
    )


def _box(corners: NDArray[np.float64]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(corner) for corner in corners)
    return left, top, right, bottom

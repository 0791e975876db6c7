"""The mean of a figure over repetitions with different seeds, and where it lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...calib.records.bootstrap import Interval
from ...runtime.require import require


@dataclass(frozen=True, kw_only=True)
class SeedMean:
    """A figure over repetitions.

    Args:
        mean: over the repetitions.
        interval: 95 % confidence interval of the mean; None for a single repetition.
        count: repetitions.
    """

    mean: float
    interval: Interval | None
    count: int


def seed_mean(values: Sequence[float]) -> SeedMean:
    """Take mean and 95 % interval (Student's t) of one figure per seed.

    For a difference between two things that were repeated with the same seeds, give the differences seed by seed.

    Raises:
        ValueError: there is no value.
        MissingDependencyError: scipy is not installed.
    """
    if not values:
        raise ValueError("values: expected one per seed, got none")
    count, mean = len(values), float(np.mean(values))
    if count == 1:
        return SeedMean(mean=mean, interval=None, count=1)
    require("scipy", extra="train", why="the interval of a mean")
    from scipy.stats import t

    half = float(t.ppf(0.975, count - 1)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return SeedMean(mean=mean, interval=Interval(low=mean - half, high=mean + half), count=count)

"""The mean of a figure over repetitions with different seeds, and where it lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...calib.records.bootstrap import Interval

# Quantiles 0.975 of Student's t for 1, 2, ... degrees of freedom; from then on that of 30 errs on the safe side.
_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


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
    """
    if not values:
        raise ValueError("values: expected one per seed, got none")
    count, mean = len(values), float(np.mean(values))
    if count == 1:
        return SeedMean(mean=mean, interval=None, count=1)
    quantile = _T_975[min(count - 1, len(_T_975)) - 1]
    half = quantile * float(np.std(values, ddof=1)) / math.sqrt(count)
    return SeedMean(mean=mean, interval=Interval(low=mean - half, high=mean + half), count=count)

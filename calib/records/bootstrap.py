"""How far a figure would move on other images of the same kind: resample the images, measure again; or count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

REPLICATES = 1000
"""Resamples for an interval."""

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a figure lies on 95 of 100 resamples of the images."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def text(self, digits: int = 2) -> str:
        """Write as `[-0.12, 0.30]`."""
        return f"[{self.low:.{digits}f}, {self.high:.{digits}f}]"


def resamples(images: int, *, replicates: int = REPLICATES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Sample as many images as there are, with replacement, again and again.

    Args:
        images: how many there are.
        replicates: how often.
        seed: of the resamples; the same seed gives the same resamples, which is what pairs two detectors.

    Yields:
        [images] int64, how many times each was sampled.
    """
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(rng.integers(images, size=images), minlength=images).astype(np.int64)


def intervals(values: NDArray[np.float64]) -> list[Interval | None]:
    """Take the middle 95 % of each column (percentile bootstrap).

    Args:
        values: [replicates, n] float64; NaN where a resample held nothing to measure.

    Returns:
        n intervals, None where every value is NaN.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    found: list[Interval | None] = []
    for column in values.T:
        known = column[~np.isnan(column)]
        if not len(known):
            found.append(None)
            continue
        low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found.append(Interval(low=float(low), high=float(high)))
    return found


def wilson_interval(count: float, of: int) -> Interval:
    """Give the 95 % interval of a share.

    Args:
        count: 0 to `of`; a mean of shares may count as a part.
        of: out of how many.

    Source: Wilson 1927.
    """
    if not of:
        return Interval(low=0.0, high=1.0)
    z = 1.96
    share, spread = count / of, z**2 / of
    middle, half = share + spread / 2, z * sqrt(share * (1 - share) / of + spread / (4 * of))
    # Where none or all are counted, an end is exact; rounding left it 1e-18 beside for 94 of the first 3,000 counts.
    return Interval(
        low=(middle - half) / (1 + spread) if count else 0.0, high=(middle + half) / (1 + spread) if count < of else 1.0
    )

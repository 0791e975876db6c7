"""A histogram of magnitudes that grows with what it sees and takes no more memory for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .table import Method

BINS = 4096
"""At least half of them are in use: 16 and more to a step of int8."""


class RangeHistogram:
    """Counts the magnitudes of a stream of values.

    The upper end is a power of two; when a value lies beyond, neighbouring bins are merged until it fits.
    """

    def __init__(self) -> None:
        self.low = math.inf
        """Least value seen."""
        self.high = -math.inf
        """Greatest value seen."""
        self._top = 0.0
        self._counts = np.zeros(BINS, np.float64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count values of any shape.

        Raises:
            ValueError: one of them is NaN or infinite.
        """
        flat = np.ascontiguousarray(values, np.float32).reshape(1, -1)
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("expected finite values, got NaN or infinity")
        self.low, self.high = min(self.low, low), max(self.high, high)
        magnitudes = flat if low >= 0 else np.abs(flat)
        self._make_room(max(abs(low), abs(high)))
        if self._top:
            counted = cv2.calcHist([magnitudes], [0], None, [BINS], [0.0, self._top])
            self._counts += counted.reshape(-1)
        else:
            self._counts[0] += flat.size

    @property
    def largest(self) -> float:
        """Greatest magnitude seen."""
        return max(abs(self.low), abs(self.high))

    @property
    def bin_width(self) -> float:
        """Of magnitudes."""
        return self._top / BINS

    @property
    def counts(self) -> NDArray[np.float64]:
        """[b] float64: how many magnitudes fell into each bin, up to the one that holds the greatest."""
        last = int(np.flatnonzero(self._counts)[-1])
        return self._counts[: last + 1]

    def _make_room(self, magnitude: float) -> None:
        """See to it that a magnitude lies below the top."""
        if magnitude < self._top or not magnitude:
            return
        top = math.ldexp(1.0, math.frexp(magnitude)[1])  # the next power of two above
        if self._top:
            merged = min(int(top / self._top), BINS)
            sums = self._counts.reshape(-1, merged).sum(axis=1)
            self._counts[:] = 0
            self._counts[: len(sums)] = sums
        self._top = top


STEPS = 127
"""Steps of int8 on either side of 0: the range is symmetric, -128 is not used."""


PERCENT = 99.99
"""Of the magnitudes lie within the limit of `percentile`."""


_CANDIDATES = 160
"""Limits that `entropy` and `mse` choose from, evenly spread up to the greatest magnitude."""


_LEAST_SHARE = 0.1
"""Of the greatest magnitude: no limit is tried below."""


def limit_by(method: Method, histogram: RangeHistogram) -> float:
    """Choose a limit.

    Args:
        method: `minmax` the greatest magnitude; `percentile` the one below which 99.99 % lie; `entropy` the least
            Kullback-Leibler divergence of the clipped, rounded distribution from the real one; `mse` the least mean
            squared error of clipping and rounding.
        histogram: of at least one value.

    Returns:
        A magnitude, at most the greatest one seen; 0 where all values were 0.
    """
    if not histogram.largest:
        return 0.0
    return min(_ESTIMATORS[method](histogram), histogram.largest)


def _minmax(histogram: RangeHistogram) -> float:
    return histogram.largest


def _percentile(histogram: RangeHistogram) -> float:
    shares = np.cumsum(histogram.counts)
    within = int(np.searchsorted(shares, shares[-1] * PERCENT / 100))
    return (within + 1) * histogram.bin_width


def _mse(histogram: RangeHistogram) -> float:
    counts = histogram.counts[1:]
    if not counts.any():
        return histogram.largest
    centres = (np.arange(1, len(counts) + 1, dtype=np.float64) + 0.5) * histogram.bin_width
    limits = _limits(histogram)
    errors = [float(counts @ (centres - _rounded(centres, float(limit))) ** 2) for limit in limits]
    return float(limits[int(np.argmin(errors))])


def _entropy(histogram: RangeHistogram) -> float:
    counts = histogram.counts.copy()
    counts[0] = 0
    if not counts.any():
        return histogram.largest
    ends = np.unique((_limits(histogram) / histogram.bin_width).astype(int).clip(0, len(counts) - 1)) + 1
    ends = ends[np.array([counts[:end].any() for end in ends])]
    divergences = [_divergence(counts, int(end)) for end in ends]
    return float(ends[int(np.argmin(divergences))] * histogram.bin_width)


_ESTIMATORS: dict[Method, Callable[[RangeHistogram], float]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "entropy": _entropy,
    "mse": _mse,
}


def _limits(histogram: RangeHistogram) -> NDArray[np.float64]:
    limits: NDArray[np.float64] = np.linspace(_LEAST_SHARE, 1, _CANDIDATES) * histogram.largest
    return limits


def _rounded(values: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    step = limit / STEPS
    rounded: NDArray[np.float64] = np.minimum(np.rint(values / step), STEPS) * step
    return rounded


def _divergence(counts: NDArray[np.float64], end: int) -> float:
    """Divergence of the first `end` bins, spread evenly within steps, from those bins with the clipped mass at the end.

    Source: Migacz, 8-bit inference with TensorRT, GTC 2017; empty bins stay empty.
    """
    kept = counts[:end]
    real = kept.copy()
    real[-1] += counts[end:].sum()
    step_of = np.arange(end) * (STEPS + 1) // end
    held = np.bincount(step_of, weights=kept, minlength=STEPS + 1)
    filled = np.bincount(step_of, weights=kept > 0, minlength=STEPS + 1)
    spread = np.where(kept > 0, (held / np.maximum(filled, 1))[step_of], 0)
    present = real > 0
    p = real[present] / real.sum()
    # The clipped mass can fall into an empty bin, where the quantized distribution has nothing.
    q = np.maximum(spread[present] / max(spread.sum(), 1e-12), 1e-9)
    return float(p @ np.log(p / q))

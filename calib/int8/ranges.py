"""A histogram of magnitudes that grows with what it sees and takes no more memory for it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

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

"""A growing histogram counts what numpy counts, whatever the order in which values come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.calib.int8.ranges import BINS, RangeHistogram

VALUES = st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=50)


def histogram_of(*parts: list[float]) -> RangeHistogram:
    histogram = RangeHistogram()
    for part in parts:
        histogram.add(np.asarray(part, np.float32))
    return histogram


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_every_value_is_counted_within_a_bin(parts: list[list[float]]) -> None:
    histogram = histogram_of(*parts)
    every = np.abs(np.concatenate([np.asarray(part, np.float32) for part in parts])).astype(float)
    assert histogram.counts.sum() == len(every)
    assert histogram.largest == every.max()
    assert (histogram.low, histogram.high) == (min(map(min, parts)), max(map(max, parts)))
    if histogram.largest:
        places = np.minimum((every / histogram.bin_width).astype(int), BINS - 1)
        assert np.abs(np.cumsum(np.bincount(places)) - np.cumsum(histogram.counts)).max() == 0


@given(VALUES, VALUES)
def test_order_does_not_matter(first: list[float], second: list[float]) -> None:
    one, other = histogram_of(first, second), histogram_of(second, first)
    np.testing.assert_array_equal(one.counts, other.counts)
    assert one.bin_width == other.bin_width


@pytest.mark.parametrize(
    ("parts", "width", "filled"),
    [
        pytest.param([[0.0, 0.0]], 0.0, {0: 2}, id="zeros alone"),
        pytest.param([[0.75]], 1 / BINS, {3072: 1}, id="the top is the next power of two"),
        pytest.param([[1.0]], 2 / BINS, {2048: 1}, id="a power of two lies below the next"),
        pytest.param([[0.75], [-1.5]], 2 / BINS, {1536: 1, 3072: 1}, id="bins are merged"),
        pytest.param([[0.5], [2.0**20]], 2.0**21 / BINS, {0: 1, 2048: 1}, id="many bins into one"),
        pytest.param([[0.0], [0.75]], 1 / BINS, {0: 1, 3072: 1}, id="zeros first"),
    ],
)
def test_by_hand(parts: list[list[float]], width: float, filled: dict[int, int]) -> None:
    histogram = histogram_of(*parts)
    assert histogram.bin_width == width
    assert {int(place): int(histogram.counts[place]) for place in np.flatnonzero(histogram.counts)} == filled


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="expected finite values, got NaN or infinity"):
        histogram_of([1.0, value, 2.0])

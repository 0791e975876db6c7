"""Where each method clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.calib.int8.ranges import RangeHistogram, limit_by
from singleshot.calib.int8.table import METHODS, Method

UNIFORM = np.linspace(-1, 1, 100_001)
OUTLIER = np.append(np.random.default_rng(0).normal(0, 1, 100_000), 100.0)
RELU = np.maximum(np.random.default_rng(0).normal(-1, 1, 200_000), 0)
TOLERANCE = 1e-3
"""Of a limit that is read off a histogram of 2048 bins and more."""


def limit(method: Method, values: np.ndarray) -> float:
    histogram = RangeHistogram()
    histogram.add(values.astype(np.float32))
    return limit_by(method, histogram)


@pytest.mark.parametrize(
    ("method", "values", "low", "high"),
    [
        pytest.param("minmax", UNIFORM, 1.0, 1.0, id="minmax is the greatest magnitude"),
        pytest.param("minmax", OUTLIER, 100.0, 100.0, id="minmax of an outlier"),
        pytest.param("percentile", UNIFORM, 0.999, 1.0, id="percentile of a uniform range"),
        pytest.param("percentile", OUTLIER, 3.5, 4.5, id="percentile leaves one in ten thousand out"),
        pytest.param("mse", UNIFORM, 0.98, 1.0, id="mse clips nothing of a uniform range"),
        pytest.param("mse", OUTLIER, 10.0, 100.0, id="mse weighs one clipped value against all the rounding"),
        pytest.param("mse", RELU, 2.0, 3.7, id="mse of a ReLU"),
        pytest.param("entropy", UNIFORM, 0.95, 1.0, id="entropy clips nothing of a uniform range"),
        pytest.param("entropy", OUTLIER, 10.0, 20.0, id="entropy gives an outlier up; no limit below a tenth is tried"),
    ],
)
def test_by_hand(method: Method, values: np.ndarray, low: float, high: float) -> None:
    assert low - TOLERANCE <= limit(method, values) <= high + TOLERANCE


def test_mse_is_no_worse_than_any_other_by_its_own_measure() -> None:
    def error(top: float) -> float:
        step = top / 127
        return float(((OUTLIER - np.clip(np.rint(OUTLIER / step), -127, 127) * step) ** 2).mean())

    assert error(limit("mse", OUTLIER)) <= 1.01 * min(error(limit(method, OUTLIER)) for method in METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_zeros_have_no_say_but_in_the_percentile(method: Method) -> None:
    more = np.concatenate([RELU, np.zeros(2_000_000)])
    if method == "percentile":
        assert limit(method, more) < limit(method, RELU)
    else:
        assert limit(method, more) == limit(method, RELU)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=200))
def test_no_limit_is_beyond_the_greatest_magnitude(values: list[float]) -> None:
    largest = float(np.abs(np.asarray(values, np.float32)).max())
    for method in METHODS:
        found = limit(method, np.asarray(values))
        assert (0 < found <= largest) if largest else found == 0

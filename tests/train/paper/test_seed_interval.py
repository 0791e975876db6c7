"""Means over seeds and Student's interval, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.train.paper.seed_interval import seed_mean


def test_three_seeds_by_hand() -> None:
    found = seed_mean([0.60, 0.63, 0.66])
    assert found.mean == pytest.approx(0.63)
    assert found.count == 3
    assert found.interval is not None
    half = 4.302653 * 0.03 / 3**0.5  # Student's table
    assert [found.interval.low, found.interval.high] == pytest.approx([0.63 - half, 0.63 + half])


def test_one_seed_has_no_interval() -> None:
    found = seed_mean([0.5])
    assert (found.mean, found.interval, found.count) == (0.5, None, 1)


def test_none_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected one per seed, got none"):
        seed_mean([])


@pytest.mark.parametrize("count", [2, 3, 5, 10, 31, 60])
def test_intervals_hold_the_truth_19_times_of_20(count: int) -> None:
    rng = np.random.default_rng(0)
    held = [
        found.interval is not None and 1.0 in found.interval
        for found in (seed_mean(list(rng.normal(1.0, 0.3, count))) for _ in range(2000))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)

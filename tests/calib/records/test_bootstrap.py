"""Resamples of images and the intervals that come of them."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.calib.records.bootstrap import Interval, intervals, resamples


def test_a_resample_takes_as_many_images_as_there_are() -> None:
    sampled = list(resamples(7, replicates=50, seed=1))
    assert len(sampled) == 50
    assert all(item.sum() == 7 and len(item) == 7 for item in sampled)


def test_the_seed_alone_decides() -> None:
    first, again, other = (np.stack(list(resamples(20, replicates=5, seed=seed))) for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_an_interval_holds_the_middle_of_the_values() -> None:
    values = np.stack([np.arange(1001.0), np.full(1001, np.nan), np.full(1001, 2.0)], axis=1)
    found = intervals(values)
    assert found[0] is not None
    assert (found[0].low, found[0].high) == pytest.approx((25, 975))
    assert found[1:] == [None, Interval(low=2.0, high=2.0)]


def test_a_resample_with_nothing_to_measure_is_left_out() -> None:
    assert intervals(np.array([[np.nan], [1.0], [1.0]])) == [Interval(low=1.0, high=1.0)]


def test_the_interval_of_a_mean_is_about_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(0, 1, 400)
    means = np.array([[weights @ values / 400] for weights in resamples(400, replicates=1000, seed=0)])
    (found,) = intervals(means)
    assert found is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


@pytest.mark.parametrize(("value", "is_inside"), [(0.0, True), (-0.1, True), (0.2, True), (0.21, False)])
def test_membership(value: float, is_inside: bool) -> None:
    interval = Interval(low=-0.1, high=0.2)
    assert (value in interval) is is_inside
    assert interval.text() == "[-0.10, 0.20]"

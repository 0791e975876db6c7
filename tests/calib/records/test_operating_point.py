"""Score thresholds, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.calib.records.operating_point import (
    best_f1,
    moved_thresholds,
    point_at,
    point_of_precision,
    rederive,
    scores_that_moved,
)
from singleshot.calib.records.records import Answers


def answers(*rows: tuple[float, bool], wanted: int) -> Answers:
    ordered = sorted(rows, key=lambda row: -row[0])
    right = np.array([is_right for _, is_right in ordered], np.bool_)
    return Answers(scores=np.array([score for score, _ in ordered]), is_right=right, is_wrong=~right, wanted=wanted)


FOUR = answers((0.9, True), (0.7, False), (0.6, True), (0.2, False), wanted=3)


@pytest.mark.parametrize(
    ("threshold", "precision", "recall"),
    [
        pytest.param(0.95, 1.0, 0.0, id="nothing is reported"),
        pytest.param(0.9, 1.0, 1 / 3, id="a score at the threshold counts"),
        pytest.param(0.6, 2 / 3, 2 / 3, id="three"),
        pytest.param(0.0, 1 / 2, 2 / 3, id="all"),
    ],
)
def test_point_at(threshold: float, precision: float, recall: float) -> None:
    point = point_at(FOUR, threshold)
    assert (point.precision, point.recall) == pytest.approx((precision, recall))


def test_best_f1() -> None:
    point = best_f1(FOUR)
    assert point is not None
    assert (point.threshold, point.f1) == pytest.approx((0.6, 2 / 3))
    assert best_f1(answers((0.9, False), wanted=1)) is None
    assert best_f1(answers(wanted=1)) is None


def test_the_lowest_threshold_of_a_precision() -> None:
    assert point_of_precision(FOUR, 0.6) == point_at(FOUR, 0.6)
    assert point_of_precision(FOUR, 0.9) == point_at(FOUR, 0.9)
    assert point_of_precision(answers((0.9, False), (0.8, True), wanted=1), 0.9) is None


def test_answers_of_one_score_come_together() -> None:
    assert point_of_precision(answers((0.9, True), (0.9, False), wanted=1), 0.9) is None


def test_halved_scores_halve_the_threshold() -> None:
    halved = Answers(scores=FOUR.scores / 2, is_right=FOUR.is_right, is_wrong=FOUR.is_wrong, wanted=FOUR.wanted)
    found = rederive(0.6, chosen_by=(FOUR, halved), judged_by=(FOUR, halved))
    assert found.unchanged.recall == 0
    assert found.rederived is not None
    assert found.rederived.threshold == pytest.approx(0.3)
    assert found.rederived.recall == found.parent.recall


@given(rows=st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=12), wanted=st.integers(12, 20))
def test_no_threshold_has_a_better_f1(rows: list[tuple[int, bool]], wanted: int) -> None:
    found = answers(*((score / 10, is_right) for score, is_right in rows), wanted=wanted)
    best = best_f1(found)
    greatest = max(point_at(found, float(score)).f1 for score in found.scores)
    assert (best.f1 if best else 0.0) == pytest.approx(greatest)


def ladder(shift: float, *, wrong_until: float = 0.3) -> Answers:
    """A hundred answers from 0.005 to 0.995, all of them moved; those of low scores are wrong."""
    return answers(*((score / 200 + shift, score / 200 > wrong_until) for score in range(1, 200, 2)), wanted=100)


def test_the_same_answers_keep_their_thresholds() -> None:
    assert moved_thresholds(ladder(0), ladder(0)) == tuple((tenth / 10, tenth / 10) for tenth in range(1, 8))


def test_thresholds_move_with_the_scores() -> None:
    moved = dict(moved_thresholds(ladder(0), ladder(-0.04)))
    assert moved[0.5] == pytest.approx(0.465, abs=1e-6)
    assert all(own <= score for score, own in moved.items())


@pytest.mark.parametrize(
    ("shift", "noise", "moved"),
    [
        pytest.param(0.0, 0.0, (), id="the same"),
        pytest.param(0.0, 0.02, (), id="noise"),
        pytest.param(-0.1, 0.02, tuple(tenth / 10 for tenth in range(1, 10)), id="a tenth lower"),
    ],
)
def test_what_is_measured_moves(shift: float, noise: float, moved: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    parent = rng.uniform(0, 1, 1000)
    assert scores_that_moved(parent, parent + shift + rng.normal(0, noise, 1000)) == moved


def test_thresholds_stay_where_nothing_moved() -> None:
    found = dict(moved_thresholds(ladder(0), ladder(-0.04), at=(0.5,)))
    assert (found[0.4], found[0.5] < 0.48, found[0.6]) == (0.4, True, 0.6)


def test_few_right_answers_move_nothing() -> None:
    assert moved_thresholds(ladder(0, wrong_until=0.8), ladder(-0.04, wrong_until=0.8)) == ()

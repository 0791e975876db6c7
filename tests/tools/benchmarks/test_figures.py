"""Figures of repetitions: nothing is clipped, intervals hold what they should, equals are no different."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.tests.fixtures.bench_runs import answers, contender
from singleshot.tools.benchmarks.figures import FIGURES, Estimate, differs, estimate_of, estimates, paired_ratio, ratio
from singleshot.tools.benchmarks.figures import stage_estimates as stages_of
from singleshot.tools.benchmarks.runs import Answer

BY_NAME = {figure.name: figure for figure in FIGURES}
P50, THROUGHPUT = BY_NAME["p50"], BY_NAME["throughput"]


def one(ms: tuple[float, ...]) -> Answer:
    return Answer(ms=ms, wall_s=sum(ms) / 1e3, cpu_s=sum(ms) / 1e3, frames=len(ms))


def test_the_slowest_call_counts() -> None:
    runs = [(one((1.0,) * 99 + (500.0,)), one((1.0,) * 100), one((1.0,) * 100))]
    assert estimate_of(BY_NAME["worst"], runs).value == 500
    assert estimate_of(P50, runs).value == 1
    assert estimate_of(THROUGHPUT, runs).value == pytest.approx(300 / 0.799)


@pytest.mark.parametrize("count", [1, 4])
def test_of_few_repetitions_there_is_no_interval(count: int) -> None:
    found = estimate_of(P50, [answers((10,) * count)])
    assert (found.low, found.high) == (None, None)
    assert not differs(paired_ratio(P50, answers((10,) * count), answers((30,) * count, seed=1)))


def test_every_figure_of_a_run_lies_in_its_interval() -> None:
    found = estimates(contender())
    assert {"load", "first result", "p50", "p99", "worst", "throughput", "CPU time", "memory", "paced p99"} <= set(
        found
    )
    for name, estimate in (found | stages_of(contender())).items():
        assert estimate.low is not None, name
        assert estimate.high is not None, name
        assert estimate.low <= estimate.value <= estimate.high, name


def test_memory_that_no_system_told_is_left_out() -> None:
    silent = tuple(answer.model_copy(update={"memory_mib": None}) for answer in answers((10, 10, 10)))
    told = estimates(contender().model_copy(update={"repetitions": {"back_to_back": silent}}))
    assert "memory" not in told
    assert "p50" in told


def test_turns_that_were_slow_for_both_make_no_difference() -> None:
    slow_turns = (10.0, 14.0, 10.0, 19.0, 11.0)
    slower = answers(tuple(1.1 * ms for ms in slow_turns), seed=1)
    found = paired_ratio(P50, answers(slow_turns), slower)
    assert differs(found)
    assert found.value == pytest.approx(1.1, abs=0.03)
    assert not differs(ratio(P50, [answers(slow_turns)], [slower]))  # of runs of their own they are noise


@pytest.mark.slow
def test_what_is_equal_is_seldom_called_different() -> None:
    rng = np.random.default_rng(0)
    pairs = 10 + rng.normal(0, 1, (60, 2, 5))
    told = sum(differs(ratio(P50, [answers(first.tolist())], [answers(second.tolist())])) for first, second in pairs)
    assert told <= 4  # 60 times, at 95 %


def test_several_runs_hold_what_differs_between_runs() -> None:
    runs = [answers((middle,) * 5, seed=at) for at, middle in enumerate((10, 11, 12, 10.5, 11.5))]
    within, between = estimate_of(P50, runs[:1]), estimate_of(P50, runs)
    assert within.high is not None
    assert between.high is not None
    assert within.high < 10.5
    assert between.high > 11


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        pytest.param(Estimate(value=123.4, low=120.2, high=130.6), "123 [120, 131]", id="hundreds"),
        pytest.param(Estimate(value=12.34, low=9.876, high=13), "12.3 [9.88, 13.0]", id="tens"),
        pytest.param(Estimate(value=0.1, low=None, high=None), "0.10", id="no interval"),
    ],
)
def test_text(estimate: Estimate, text: str) -> None:
    assert estimate.text() == text

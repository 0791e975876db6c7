"""What is left out so that frames do not get old, on a clock that the test turns."""

from __future__ import annotations

import pytest

from singleshot.runtime.loop.shedding import Shedding, steps_for


class Bench:
    """A controller of a promise of 100 ms, with its clock and what it told."""

    def __init__(self, *, models: int = 1, at_once: int = 1) -> None:
        self.now_s = 0.0
        self.told: list[str] = []
        steps = steps_for(models=models, at_once=at_once)
        self.shedding = Shedding(100.0, steps, tell=self.told.append, clock=lambda: self.now_s)

    def run(self, age_ms: float, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            self.now_s += 0.05
            self.shedding.add(age_ms)


def test_order_of_the_steps() -> None:
    assert [step.line for step in steps_for(models=3, at_once=4)] == [
        "every frame is looked at",
        "1 of 2 frames is looked at",
        "1 of 4 frames is looked at",
        "1 of 4 frames is looked at, by graph 2 of 3",
        "1 of 4 frames is looked at, by graph 3 of 3",
        "1 of 4 frames is looked at, by graph 3 of 3, 2 of the cameras a round",
        "1 of 4 frames is looked at, by graph 3 of 3, 1 of the cameras a round",
    ]


@pytest.mark.parametrize(
    ("age_ms", "told"),
    [
        pytest.param(80.0, [], id="young enough"),
        pytest.param(95.0, ["frames are 95 ms old, 100 ms are promised: 1 of 2 frames is looked at now"], id="nearly"),
    ],
)
def test_work_is_shed_before_frames_are_late_and_said_once(age_ms: float, told: list[str]) -> None:
    bench = Bench()
    bench.run(age_ms, 2.0)
    bench.run(70.0, 60.0)  # neither late nor room enough
    assert bench.told == told


def test_what_was_shed_is_taken_back_step_by_step_when_there_is_room() -> None:
    bench = Bench(models=2)
    bench.run(200.0, 10.0)
    assert bench.shedding.step.model == 1
    bench.run(30.0, 60.0)
    assert (bench.shedding.is_shedding, bench.shedding.every, bench.shedding.step.model) == (False, 1, 0)
    assert [line.partition("promised: ")[2] for line in bench.told[3:]] == [
        "1 of 4 frames is looked at again",
        "1 of 2 frames is looked at again",
        "every frame is looked at again",
    ]


def test_one_slow_frame_sheds_nothing() -> None:
    bench = Bench()
    bench.run(30.0, 5.0)
    bench.shedding.add(900.0)
    bench.run(30.0, 5.0)
    assert bench.told == []


def test_load_that_returns_with_the_work_makes_it_wait_ever_longer() -> None:
    """With everything looked at frames are late, with half of them there is room: changes become rare."""
    bench = Bench()
    for _ in range(20 * 600):
        bench.now_s += 0.05
        bench.shedding.add(200.0 if bench.shedding.every == 1 else 30.0)
    assert 8 <= len(bench.told) <= 20  # ten minutes; without memory it would be about 170


def test_without_a_promise_nothing_is_shed() -> None:
    told: list[str] = []
    shedding = Shedding(None, steps_for(models=1, at_once=1), tell=told.append)
    for _ in range(100):
        shedding.add(10_000.0)
    assert (told, shedding.is_shedding) == ([], False)

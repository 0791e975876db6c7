"""Items of several threads are handled one after the other, in the order of their numbers."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from singleshot.runtime.loop.in_order import Resequencer


def test_whoever_brings_what_was_missing_handles_what_waited_for_it() -> None:
    resequencer = Resequencer[str, str](str.upper)
    assert list(resequencer.bring(1, "b")) == []
    assert list(resequencer.bring(3, "d")) == []
    assert list(resequencer.bring(0, "a")) == [("a", "A"), ("b", "B")]
    assert list(resequencer.bring(2, "c")) == [("c", "C"), ("d", "D")]


def test_never_two_at_the_same_time_and_none_is_lost() -> None:
    chance, alone, handled = random.Random(7), threading.Lock(), []

    def handle(number: int) -> int:
        assert alone.acquire(blocking=False)
        handled.append(number)
        time.sleep(chance.choice([0, 0, 0.0005]))
        alone.release()
        return -number

    resequencer = Resequencer[int, int](handle)
    numbers = list(range(400))
    brought = [number for start in range(0, 400, 8) for number in chance.sample(numbers[start : start + 8], 8)]
    with ThreadPoolExecutor(8) as pool:
        results = [
            pair
            for pairs in pool.map(lambda number: list(resequencer.bring(number, number)), brought)
            for pair in pairs
        ]
    assert handled == numbers
    assert sorted(results) == [(number, -number) for number in numbers]


def test_after_an_error_nothing_is_handled_and_nobody_waits() -> None:
    resequencer = Resequencer[int, float](lambda number: 1 / number)
    with pytest.raises(ZeroDivisionError):
        list(resequencer.bring(0, 0))
    assert list(resequencer.bring(1, 1)) == []

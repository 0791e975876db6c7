"""Calls that are timed: what waits for a camera's frame counts from its arrival, and what came too late is left out."""

from __future__ import annotations

import time

import pytest

from singleshot.tools.benchmarks.peers import timed


def test_back_to_back_times_every_call_and_nothing_else() -> None:
    looked: list[int] = []

    def after(found: int) -> None:
        looked.append(found)
        time.sleep(0.02)  # what is done with a result is not the call's

    found = timed.back_to_back(lambda frame: frame, [1, 2, 3], 5, after)
    assert looked == [1, 2, 3, 1, 2]
    assert len(found["ms"]) == 5
    assert found["wall_s"] < 0.05


def test_a_look_that_is_slower_than_the_camera_takes_the_newest_frame() -> None:
    looked: list[int] = []

    def look(frame: int) -> int:
        time.sleep(0.05)
        return frame

    found = timed.paced(look, list(range(40)), 40, looked.append, fps=100)
    assert found["dropped"] + len(looked) == 40
    assert found["dropped"] >= len(looked)  # each look takes five frames' time
    assert looked == sorted(set(looked))
    assert min(found["ms"]) >= 49.9


def test_a_look_that_is_faster_waits() -> None:
    looked: list[int] = []
    found = timed.paced(lambda frame: frame, list(range(5)), 5, looked.append, fps=50)
    assert looked == list(range(5))
    assert found["wall_s"] >= 4 / 50


def test_few_frames_show_what_is_in_a_clip() -> None:
    assert timed.spread(iter(range(1000))) == list(range(0, 256, 16))
    assert timed.spread(iter([7])) == [7]
    with pytest.raises(ValueError, match="no frame"):
        timed.spread(iter([]))


def test_memory_is_told() -> None:
    peak = timed.peak_mib()
    assert peak is not None
    assert peak > 5

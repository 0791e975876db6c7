"""The chart's points are of two seconds each, and a camera that was away leaves a gap."""

from __future__ import annotations

from singleshot.runtime.live.history import KEPT, History


def test_points_of_two_seconds_with_a_gap() -> None:
    now_s = 100.0
    history = History(clock=lambda: now_s)
    for age_ms in (10.0, 20.0, 30.0):
        history.add(age_ms)
    assert history.points() == []
    now_s = 107.0
    history.add(None)
    now_s = 108.5
    first, second = history.points()
    assert (first.step, first.frames_per_s, first.p50_ms, first.p95_ms) == (50, 1.5, 20.0, 29.0)
    assert (second.step, second.frames_per_s, second.p50_ms, second.p95_ms) == (53, 0.5, None, None)


def test_old_points_go() -> None:
    now_s = 0.0
    history = History(clock=lambda: now_s)
    for step in range(2 * KEPT):
        now_s = 2.0 * step
        history.add(1.0)
    now_s += 2
    assert len(history.points()) == KEPT
    now_s += 2 * KEPT - 2
    assert [point.step for point in history.points()] == [2 * KEPT - 1]

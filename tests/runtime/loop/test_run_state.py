"""What a run says of itself while it runs."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from singleshot.runtime.loop.run_state import Percentiles, RunState
from singleshot.runtime.sources.source_events import SourceEvent


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_frames_a_second_are_of_the_last_ten_seconds() -> None:
    clock = Clock()
    state = RunState(["door", "yard"], clock=clock)
    for _ in range(200):  # 20 s at 10 frames/s
        clock.now_s += 0.1
        state.add_result("door")
    door, yard = state.snapshot().cameras
    assert (door.frames, door.quiet_s) == (200, 0)
    assert door.frames_per_s == pytest.approx(10, rel=0.02)
    assert (yard.frames, yard.frames_per_s) == (0, 0)
    assert yard.quiet_s == pytest.approx(20)
    clock.now_s += 5
    assert state.snapshot().cameras[0].frames_per_s == pytest.approx(5, rel=0.02)


def test_ages_have_percentiles_by_stage() -> None:
    state = RunState(["door"])
    for age_ms in range(1, 102):
        state.add_age("door", "found", float(age_ms))
    assert state.snapshot().cameras[0].ages == {"found": Percentiles(p50_ms=51, p95_ms=96, p99_ms=100)}


def test_drops_of_the_source_and_of_the_loop_are_told_apart_and_not_counted_twice() -> None:
    state = RunState(["door"])
    state.add_drops("door", "too old")
    for count in (3, 5):  # the source's own count, as it grows
        state.set_source_drops("door", {"replaced by a newer": count, "damaged": 1})
    assert state.snapshot().cameras[0].drops == {"too old": 1, "replaced by a newer": 5, "damaged": 1}


def test_the_state_of_a_source_and_why() -> None:
    state = RunState(["door"])
    state.add_event("door", SourceEvent(source="cam0", state="lost", at=datetime.now(timezone.utc), reason="unplugged"))
    (camera,) = state.snapshot().cameras
    assert (camera.state, camera.reason) == ("lost", "unplugged")


def test_why_a_source_ended_stays_when_the_loop_says_that_it_did() -> None:
    state = RunState(["door"])
    state.set_state("door", "ended", "given up")
    state.set_state("door", "ended")
    assert state.snapshot().cameras[0].reason == "given up"
    state.set_state("door", "live")
    assert state.snapshot().cameras[0].reason == ""

"""Live sources on a simulated clock: what is lost comes back, and each change is said once."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice

import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.clock import SimulatedClock
from singleshot.runtime.sources.feed import Feed, FeedLostError, Picture
from singleshot.runtime.sources.live import LiveSource, Patience
from singleshot.runtime.sources.source_events import SourceEvent

GREY = np.full((4, 6, 3), 90, np.uint8)


class ScriptedFeed(Feed):
    """Waits so many seconds before each picture; then it is lost."""

    def __init__(self, clock: SimulatedClock, waits_s: Sequence[float], *, sender_apart_s: float | None = None) -> None:
        self.clock = clock
        self.waits_s = waits_s
        self.sender_apart_s = sender_apart_s
        self.is_closed = False

    def __iter__(self) -> Iterator[Picture]:
        for wait_s in self.waits_s:
            self.clock.wait(wait_s, threading.Event())
            apart_s = self.sender_apart_s
            yield Picture(
                image=GREY, sender_s=None if apart_s is None else self.clock.wall().timestamp() - 0.03 + apart_s
            )
        raise FeedLostError("the plug was pulled")

    def close(self) -> None:
        self.is_closed = True


def missing() -> Feed:
    raise InputError("cam0: expected a camera, got none that can be opened.")


def in_turn(openers: Iterator[Callable[[], Feed]]) -> Callable[[], Feed]:
    """Open one after the other; then nothing is there."""

    def open_next() -> Feed:
        return next(openers, missing)()

    return open_next


def test_stall_is_said_before_the_loss_and_each_change_once() -> None:
    clock, told = SimulatedClock(), list[SourceEvent]()
    first = ScriptedFeed(clock, [0.1, 0.1, 2.0, 0.1, 9.0])
    feeds = iter(list[Callable[[], Feed]]([lambda: first, missing, missing, lambda: ScriptedFeed(clock, [0.1] * 9)]))
    with LiveSource("cam0", in_turn(feeds), clock=clock, on_event=told.append) as source:
        frames = list(islice(source, 8))
    assert [(event.state, event.reason.split(" after")[0].split(" for")[0]) for event in told][:8] == [
        ("opening", ""),
        ("live", ""),
        ("stalled", "nothing came"),
        ("back", "after 2.0 s"),
        ("stalled", "nothing came"),
        ("lost", "silence"),
        ("back", told[6].reason),
        ("ended", ""),
    ]
    assert first.is_closed
    assert [frame.index for frame in frames] == list(range(8))
    times_s = [frame.time_s for frame in frames]
    assert times_s[4] - times_s[3] > 5 + 0.25 + 0.5 + 1  # silence, and at least half of each of three delays
    assert source.warnings[:2] == ("cam0: stalled 2 times.", "cam0: lost once.")


def test_attempts_become_rare_and_end_when_told_to() -> None:
    clock, attempts_s = SimulatedClock(), list[float]()
    feeds = iter(list[Callable[[], Feed]]([lambda: ScriptedFeed(clock, [0.1])]))

    def open_feed() -> Feed:
        attempts_s.append(clock.now_s())
        return next(feeds, missing)()

    told, patience = list[SourceEvent](), Patience(give_up_after_s=600)
    with LiveSource("cam0", open_feed, clock=clock, patience=patience, on_event=told.append) as source:
        assert len(list(source)) == 1
    gaps_s = np.diff(attempts_s[1:-1])
    assert gaps_s.max() <= 30.0
    assert gaps_s[-5:].min() >= 15.0
    assert 600 <= clock.now_s() <= 601
    assert source.warnings[-1].endswith(
        "lost for 600 s (expected a camera, got none that can be opened.); given up, the run ends here."
    )
    assert told[-1].line.startswith("cam0: ended (lost for 600 s")


def test_source_that_may_be_missing_at_the_start_is_waited_for() -> None:
    clock, told = SimulatedClock(), list[SourceEvent]()
    feeds = iter(list[Callable[[], Feed]]([missing, missing, lambda: ScriptedFeed(clock, [0.1])]))
    patience = Patience(waits_at_start=True)
    with LiveSource("cam0", in_turn(feeds), clock=clock, patience=patience, on_event=told.append) as source:
        next(iter(source))
    assert [event.state for event in told][:3] == ["opening", "lost", "back"]
    with pytest.raises(InputError, match="cam0: expected a camera, got none"):
        LiveSource("cam0", missing, clock=clock)


@pytest.mark.parametrize(
    ("apart_s", "clock_name", "age_s"),
    [
        pytest.param(None, "arrival", 0.0, id="sender says nothing"),
        pytest.param(0.0, "sender", 0.03, id="sender's clock agrees"),
        pytest.param(0.1, "sender", 0.0, id="sender's clock is a little ahead: a frame is not taken after it arrived"),
        pytest.param(-3600.0, "arrival", 0.0, id="sender's clock is an hour behind"),
        pytest.param(30.0, "arrival", 0.0, id="sender's clock is ahead"),
    ],
)
def test_senders_clock_is_believed_where_it_can_be_ours(apart_s: float | None, clock_name: str, age_s: float) -> None:
    clock = SimulatedClock()
    with LiveSource("cam0", lambda: ScriptedFeed(clock, [0.5] * 3, sender_apart_s=apart_s), clock=clock) as source:
        frames = list(islice(source, 3))
    assert {frame.capture_clock for frame in frames} == {clock_name}
    start = SimulatedClock().wall()
    assert [frame.captured_at for frame in frames] == [
        start + timedelta(seconds=0.5 * count - age_s) for count in (1, 2, 3)
    ]
    told = [line for line in source.warnings if "clock" in line]
    assert len(told) == (apart_s is not None and abs(apart_s) > 10)
    if told:
        assert re.search(r"\d+ s from this machine's; for \d+ frames the moment of arrival counts\.", told[0])


def test_fault_of_ones_own_feed_is_raised_where_frames_are_taken() -> None:
    class Broken(Feed):
        def __iter__(self) -> Iterator[Picture]:
            yield Picture(image=GREY)
            raise ZeroDivisionError

    with LiveSource("mine", Broken, policy="all") as source:
        frames = iter(source)
        next(frames)
        with pytest.raises(ZeroDivisionError):
            next(frames)


def test_recording_that_breaks_off_is_not_begun_anew() -> None:
    class Broken(ScriptedFeed):
        comes_back = False

    clock = SimulatedClock()
    with LiveSource("film", lambda: Broken(clock, [0.1, 9.0, 0.1]), clock=clock) as source:
        assert len(list(source)) == 3
    assert source.warnings == ("film: stalled once.", "film: ended early (the plug was pulled).")


def test_slow_camera_is_not_stalled_between_its_frames() -> None:
    clock, told = SimulatedClock(), list[SourceEvent]()
    waits_s = [0.1, *[3.0] * 9, *[6.0] * 5, 30.0, 0.1]
    with LiveSource("cam0", lambda: ScriptedFeed(clock, waits_s), clock=clock, on_event=told.append) as source:
        times_s = [frame.time_s for frame in islice(source, 16)]
    assert times_s[-1] == pytest.approx(sum(waits_s[1:16]))
    states = [event.state for event in told]
    assert states[:4] == ["opening", "live", "stalled", "back"]  # its rate is not known yet
    assert states[4:6] == ["stalled", "back"]  # 30 s, more than four times 6

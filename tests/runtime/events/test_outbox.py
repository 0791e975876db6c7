"""What waits for a target that is away: in order, bounded, tried again, never in anybody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from singleshot.runtime.events.message import Message
from singleshot.runtime.events.outbox import AwayError, Limits, Outbox, RefusedError
from singleshot.tests.fixtures.events import message, wait_until

SOON = Limits(first_wait_s=0.01, longest_wait_s=0.02)


class GivenTarget:
    """Takes messages, unless a test says otherwise."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.tries = 0
        self.fails: Callable[[Message], Exception | None] = lambda _message: None

    def deliver(self, one: Message, _seconds: float) -> None:
        self.tries += 1
        if (error := self.fails(one)) is not None:
            raise error
        self.taken.append(one.event.id[15:18])


def numbers(first: int, last: int) -> list[str]:
    return [f"{number:03d}" for number in range(first, last)]


def test_a_target_that_comes_back_gets_all_in_order() -> None:
    target, told = GivenTarget(), list[str]()
    target.fails = lambda _message: AwayError("Connection refused")
    outbox = Outbox("webhook x", target.deliver, tell=told.append, limits=SOON)
    for number in range(5):
        outbox.put(message(number))
    wait_until(lambda: target.tries > 3)
    assert outbox.counts.away == "Connection refused"
    assert outbox.counts.waiting == 5
    target.fails = lambda _message: None
    wait_until(lambda: outbox.counts.sent == 5)
    assert target.taken == numbers(0, 5)
    assert told == [
        "webhook x: is away (Connection refused); events wait for it, and the run goes on.",
        "webhook x: is back; 4 events wait for it.",
    ]
    outbox.close()
    assert (outbox.counts.waiting, outbox.counts.dropped, outbox.counts.away) == (0, {}, "")


@pytest.mark.parametrize(
    ("limits", "held"),
    [
        pytest.param(Limits(messages=10, first_wait_s=60), 10, id="of messages"),
        pytest.param(Limits(bytes=6100, first_wait_s=60), 3, id="of bytes"),
    ],
)
def test_the_oldest_go_where_too_many_wait(limits: Limits, held: int) -> None:
    target, told = GivenTarget(), list[str]()
    target.fails = lambda _message: AwayError("gone")
    outbox = Outbox("x", target.deliver, tell=told.append, limits=limits)
    outbox.put(message(0))
    wait_until(lambda: target.tries == 1)  # and now waits a minute
    for number in range(1, 31):
        outbox.put(message(number))
    assert outbox.counts.waiting == held + 1  # the first one is being tried
    assert outbox.counts.dropped == {"queue full": 30 - held}
    assert told[1:] == [f"x: {held + 1} events wait for it, the oldest are dropped from now on."]
    target.fails = lambda one: AwayError("still") if one.event.id[15:18] == "000" else None
    outbox.close()  # tries once more, drops the first, as younger ones had to go, and sends what it held
    assert target.taken == numbers(31 - held, 31)
    assert outbox.counts.dropped == {"queue full": 31 - held}


def test_what_is_refused_is_dropped_counted_and_said_once() -> None:
    target, told = GivenTarget(), list[str]()
    target.fails = lambda one: RefusedError("404 Not Found") if one.event.id[15:18] < "003" else None
    outbox = Outbox("x", target.deliver, tell=told.append, limits=SOON)
    for number in range(5):
        outbox.put(message(number))
    outbox.close()
    assert target.taken == ["003", "004"]
    assert (target.tries, outbox.counts.sent, outbox.counts.dropped) == (5, 2, {"refused: 404 Not Found": 3})
    assert told == ["x: refused an event (404 Not Found), which is dropped; others of this kind are counted."]


def test_the_end_of_a_run_tries_at_once_and_not_for_ever() -> None:
    target = GivenTarget()
    target.fails = lambda _message: AwayError("gone")
    outbox = Outbox("x", target.deliver, tell=lambda _line: None, limits=Limits(first_wait_s=60))
    for number in range(3):
        outbox.put(message(number))
    wait_until(lambda: target.tries == 1)
    outbox.end_within(0.3)
    outbox.close()
    assert target.tries > 1
    assert outbox.counts.dropped == {"run ended": 3}


def test_a_target_that_hangs_holds_nobody_up() -> None:
    hangs = threading.Event()
    outbox = Outbox(
        "x",
        lambda _message, _seconds: (hangs.wait(), None)[1],
        tell=lambda _line: None,
        limits=Limits(messages=20),
    )
    started_s = time.thread_time()
    for number in range(500):
        outbox.put(message(number))
    assert time.thread_time() - started_s < 1.0  # it computes, and waits for nothing
    outbox.end_within(0.1)
    outbox.close()
    counts = outbox.counts
    assert counts.sent + sum(counts.dropped.values()) == 500
    hangs.set()


def test_waits_between_attempts_grow() -> None:
    tried_s: list[float] = []

    def deliver(_message: Message, _seconds: float) -> None:
        tried_s.append(time.monotonic())
        raise AwayError("gone")

    outbox = Outbox("x", deliver, tell=lambda _line: None, limits=Limits(first_wait_s=0.02, longest_wait_s=0.08))
    outbox.put(message(0))
    wait_until(lambda: len(tried_s) == 6)
    outbox.end_within(0.0)
    outbox.close()
    waits_s = [later - earlier for earlier, later in pairwise(tried_s)]
    least_s = [0.01, 0.02, 0.04, 0.04, 0.04]  # half of what they may be; a busy machine makes them longer
    assert all(wait_s >= least for wait_s, least in zip(waits_s, least_s, strict=False))

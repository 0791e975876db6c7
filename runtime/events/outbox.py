"""Messages that wait for a target that may be away: bounded, in order, tried again and again."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from ..loop.deliveries import DeliveryCounts
from .message import Message

MOST_MESSAGES = 1000
MOST_BYTES = 64 << 20
"""Of the messages that wait for one target."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
_CLOSING_WAIT_S = 0.5
CLOSING_S = 5.0
"""What waits at the end of a run has so long to leave."""

QUEUE_FULL = "queue full"
RUN_ENDED = "run ended"


class AwayError(Exception):
    """The target could not be reached, or has no time; later it may."""


class RefusedError(Exception):
    """The target was reached and does not want this message, nor will it later."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may wait for a target, and how long is waited between attempts."""

    messages: int = MOST_MESSAGES
    bytes: int = MOST_BYTES
    first_wait_s: float = FIRST_WAIT_S
    longest_wait_s: float = LONGEST_WAIT_S


class Outbox:
    """Delivers messages one after the other, in a thread of its own; the oldest goes where too many wait.

    Each message is tried until it is taken or refused, so that a target may get one twice whose answer was lost.

    Args:
        name: the target's, without secrets.
        deliver: is given a message and the seconds that it may take, and raises `AwayError` or `RefusedError`.
        tell: is given a line when messages begin to be dropped, and for each reason of a refusal the first time.
        says_away: tell also when the target goes away and is back.
        limits: of what waits.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Message, float], None],
        *,
        tell: Callable[[str], None],
        says_away: bool = True,
        limits: Limits = Limits(),
    ) -> None:
        self.name = name
        self._deliver = deliver
        self._tell = tell
        self._says_away = says_away
        self._limits = limits
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._current: Message | None = None
        self._is_overtaken = False  # something younger than the current one was dropped already
        self._sent = 0
        self._dropped: Counter[str] = Counter()
        self._away = ""
        self._is_full = False
        self._ends_s: float | None = None
        self._thread = threading.Thread(target=self._work, name=f"deliver to {name}", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> DeliveryCounts:
        """What was sent, waits and was dropped until now."""
        with self._changed:
            return DeliveryCounts(
                target=self.name,
                sent=self._sent,
                waiting=len(self._waiting) + (self._current is not None),
                dropped=dict(self._dropped),
                away=self._away,
            )

    def put(self, message: Message) -> None:
        """Take a message; never waits."""
        was_full = self._is_full
        with self._changed:
            self._waiting.append(message)
            self._waiting_bytes += message.size_bytes
            while len(self._waiting) > self._limits.messages or (
                self._waiting_bytes > self._limits.bytes and len(self._waiting) > 1
            ):
                self._waiting_bytes -= self._waiting.popleft().size_bytes
                self._is_full = self._is_overtaken = True
                self._dropped[QUEUE_FULL] += 1
            self._changed.notify_all()
        if self._is_full and not was_full:
            self._tell(f"{self.name}: {self.counts.waiting} events wait for it, the oldest are dropped from now on.")

    def end_within(self, seconds: float) -> None:
        """Try for so long at most to deliver what waits; `close` waits for that."""
        with self._changed:
            self._ends_s = time.monotonic() + seconds
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until what waits is delivered or its time is over; what is left is dropped."""
        if self._ends_s is None:
            self.end_within(CLOSING_S)
        self._thread.join(max(0.0, (self._ends_s or 0.0) - time.monotonic()) + _CLOSING_WAIT_S)
        with self._changed:
            left = len(self._waiting) + (self._current is not None)
            self._waiting.clear()
            self._current = None
            if left:
                self._dropped[RUN_ENDED] += left

    def _work(self) -> None:
        wait_s = self._limits.first_wait_s
        while (message := self._next()) is not None:
            try:
                self._deliver(message, self._time_left_s())
            except AwayError as error:
                self._say_away(str(error))
                self._give_up_overtaken()
                self._wait(wait_s * random.uniform(0.5, 1.0))
                wait_s = min(2 * wait_s, self._limits.longest_wait_s)
                continue
            except RefusedError as error:
                self._finish(message, str(error))
            else:
                self._finish(message)
            wait_s = self._limits.first_wait_s

    def _next(self) -> Message | None:
        """Wait for the next message; None when the run has ended, or its time is over."""
        with self._changed:
            while self._current is None and not self._waiting and self._ends_s is None:
                self._changed.wait()
            if self._ends_s is not None and time.monotonic() >= self._ends_s:
                return None
            if self._current is None and self._waiting:
                self._current = self._waiting.popleft()
                self._waiting_bytes -= self._current.size_bytes
                self._is_overtaken = False
            return self._current

    def _time_left_s(self) -> float:
        return float("inf") if self._ends_s is None else max(0.1, self._ends_s - time.monotonic())

    def _wait(self, seconds: float) -> None:
        """Wait before the next attempt; the end of the run makes it soon."""
        with self._changed:
            is_ending = self._ends_s is not None
            self._changed.wait_for(
                lambda: not is_ending and self._ends_s is not None,
                min(seconds, _CLOSING_WAIT_S) if is_ending else seconds,
            )

    def _give_up_overtaken(self) -> None:
        """Drop the message that was tried where younger ones had to go: it is the oldest of all."""
        with self._changed:
            if self._is_overtaken:
                self._current = None
                self._dropped[QUEUE_FULL] += 1

    def _finish(self, message: Message, refusal: str = "") -> None:
        with self._changed:
            if self._current is not message:
                return  # the run has ended, and counted it
            self._current = None
            cause = f"refused: {refusal}"
            is_new_cause = bool(refusal) and cause not in self._dropped
            if refusal:
                self._dropped[cause] += 1
            else:
                self._sent += 1
            self._is_full = False
            was_away, self._away = self._away, ""
            waiting = len(self._waiting)
        if was_away and self._says_away:
            self._tell(f"{self.name}: is back; {waiting} events wait for it.")
        if is_new_cause:
            self._tell(f"{self.name}: refused an event ({refusal}), which is dropped; others of this kind are counted.")

    def _say_away(self, reason: str) -> None:
        with self._changed:
            is_new = not self._away
            self._away = reason
        if is_new and self._says_away:
            self._tell(f"{self.name}: is away ({reason}); events wait for it, and the run goes on.")

"""The clock that a live source waits by: the machine's, or a simulated one on which 30 minutes take seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Protocol

_TICK_S = 0.25
"""How often a source looks whether frames still come."""

_SIMULATED_START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Clock(Protocol):
    """Time, and waiting."""

    is_simulated: bool

    def now_s(self) -> float:
        """Seconds that never fall."""

    def wall(self) -> datetime:
        """Date and time, with the zone."""

    def wait(self, seconds: float, left: threading.Event) -> bool:
        """Wait, but not past the event; say whether it came."""

    def watch(self, look: Callable[[], None], left: threading.Event) -> None:
        """Call `look` ever again until the event."""


class MachineClock:
    """The clock of the machine."""

    is_simulated = False

    def now_s(self) -> float:
        """Seconds of `time.monotonic()`."""
        return time.monotonic()

    def wall(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(timezone.utc)

    def wait(self, seconds: float, left: threading.Event) -> bool:
        """Wait."""
        return left.wait(seconds)

    def watch(self, look: Callable[[], None], left: threading.Event) -> None:
        """Look from a thread."""

        def work() -> None:
            while not left.wait(_TICK_S):
                look()

        threading.Thread(target=work, name="watch", daemon=True).start()


class SimulatedClock:
    """A clock that goes on only where somebody waits, at once."""

    is_simulated = True

    def __init__(self) -> None:
        self._now_s = 0.0
        self._look: Callable[[], None] = lambda: None

    def now_s(self) -> float:
        """Seconds that were waited."""
        return self._now_s

    def wall(self) -> datetime:
        """The first of January 2026 and what was waited since."""
        return _SIMULATED_START + timedelta(seconds=self._now_s)

    def wait(self, seconds: float, left: threading.Event) -> bool:
        """Let time go by in steps, as whoever looks for silence would see it."""
        end_s = self._now_s + seconds
        while self._now_s < end_s and not left.is_set():
            self._now_s = min(end_s, self._now_s + _TICK_S)
            self._look()
        return left.is_set()

    def watch(self, look: Callable[[], None], left: threading.Event) -> None:
        """Look at each step, from the thread that waits."""
        del left
        self._look = look

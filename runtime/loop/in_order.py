"""The order of one camera's frames, among threads that look at several of them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class InOrder:
    """Lets threads through one after the other, by the numbers of their frames."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0
        self._is_over = False

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Wait for all before, and keep the others out meanwhile.

        Args:
            number: of the frame, from 0 without a gap; whoever comes with a later one waits for it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._next == number or self._is_over)
            yield
            self._next = number + 1
            self._changed.notify_all()

    def give_up(self) -> None:
        """Let nobody wait for a frame that failed; the run ends by it."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

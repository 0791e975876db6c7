"""A generator worked off in a thread gives the same as without one."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from singleshot.runtime.sources import prefetch
from singleshot.runtime.sources.prefetch import Prefetch


def numbers(count: int, *, closed: list[str], fail: bool = False) -> Generator[int, None, None]:
    try:
        yield from range(count)
        if fail:
            raise ValueError("after the last")
    finally:
        closed.append(threading.current_thread().name)


def test_items_come_in_order_and_the_generator_is_closed_in_its_thread() -> None:
    closed: list[str] = []
    items = Prefetch(numbers(50, closed=closed), depth=2, name="numbers")
    assert list(items) == list(range(50))
    assert list(items) == []  # the end stays the end
    items.close()
    assert closed == ["numbers"]


def test_error_comes_after_the_items_before_it() -> None:
    items = Prefetch(numbers(3, closed=[], fail=True), depth=1, name="numbers")
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="after the last"):
        next(items)
    assert next(items, None) is None


def test_closing_early_stops_a_thread_that_waits() -> None:
    closed: list[str] = []
    items = Prefetch(numbers(1_000_000, closed=closed), depth=1, name="numbers")
    assert next(items) == 0
    items.close()
    assert closed == ["numbers"]
    assert "numbers" not in {thread.name for thread in threading.enumerate()}


def test_closing_does_not_wait_for_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that reads from a silent pipe."""
    monkeypatch.setattr(prefetch, "_CLOSE_S", 0.05)
    let_go = threading.Event()

    def hanging() -> Generator[int, None, None]:
        yield 0
        let_go.wait()

    items = Prefetch(hanging(), depth=1, name="hanging")
    assert next(items) == 0
    items.close()
    assert items.is_running
    let_go.set()


def test_closing_frees_who_waits_for_the_next_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_CLOSE_S", 0.05)
    let_go, taken = threading.Event(), list[int]()

    def silent() -> Generator[int, None, None]:
        let_go.wait()
        yield 0

    items = Prefetch(silent(), depth=1, name="silent")
    waiting = threading.Thread(target=lambda: taken.extend(items))
    waiting.start()
    items.close()
    items.close()  # a second time does nothing
    waiting.join(5)
    assert (waiting.is_alive(), taken) == (False, [])
    let_go.set()

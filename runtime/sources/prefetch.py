"""An iterator worked off in a thread of its own, so that decoding overlaps with the network."""

from __future__ import annotations

import queue
import threading
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..closing import Closing
from .frame import Frame
from .source_names import Policy

T = TypeVar("T")

_DEPTH = 4
"""Decoded frames that may wait: enough to ride out one slow frame, 100 MB at 4K."""

_POLL_S = 0.1
"""How often a full queue's producer looks whether it should stop."""


_CLOSE_S = 1.0
"""How long an item that is being worked on is waited for: much longer than a frame of 8K takes."""


class _End:
    """Follows the last item."""


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class Prefetch(Generic[T]):
    """Run a generator in a thread, a few items ahead of whoever iterates.

    An exception in the generator is raised at the place in the order where it happened.

    Args:
        items: run in the thread alone, and closed there.
        depth: items that may wait; more than a few only cost memory.
        name: of the thread, for debuggers.
    """

    def __init__(self, items: Generator[T, None, None], *, depth: int, name: str) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End | _Failure] = queue.Queue(depth)
        self._stop = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._produce, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._stop.is_set():
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, _End):
            self._stop.set()
            raise StopIteration
        if isinstance(item, _Failure):
            self._stop.set()
            raise item.error
        return item

    def close(self) -> None:
        """Stop the thread and wait for it, but not for one that hangs; items that were waiting are lost.

        Whoever waits for the next item meanwhile, in another thread, is told that there is none.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._stop.set()
        with suppress(queue.Empty):
            while True:  # who waits for a place gets one, and sees that it is over
                self._queue.get_nowait()
        with suppress(queue.Full):  # nobody waits at a full queue
            self._queue.put_nowait(_End())
        self._thread.join(_CLOSE_S)

    @property
    def is_running(self) -> bool:
        """Whether the thread is at work, also after `close` if it hangs: a read from a silent pipe never returns."""
        return self._thread.is_alive()

    def _produce(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the thread that iterates
            self._put(_Failure(error))
        finally:
            self._items.close()

    def _put(self, item: T | _End | _Failure) -> bool:
        while not self._stop.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=_POLL_S)
                return True
        return False


class PrefetchedSource(Closing):
    """What sources share whose frames are decoded in a thread of their own.

    Args:
        name: what the user called it.
        warnings: what was found wrong before anything is decoded.
    """

    def __init__(self, name: str, *, warnings: tuple[str, ...] = ()) -> None:
        self.name = name
        self._warnings = list(warnings)
        self._prefetch: Prefetch[Frame] | None = None

    policy: Policy = "all"

    @abstractmethod
    def _frames(self) -> Generator[Frame, None, None]:
        """Decode, in order; what is broken is skipped and goes into the warnings."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without ending the run, a line each."""
        return tuple(self._warnings)

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames that do not reach the network, or not whole, by cause."""
        return {}

    def __iter__(self) -> Iterator[Frame]:
        if self._prefetch is None:
            self._prefetch = Prefetch(self._frames(), depth=_DEPTH, name="decode")
        return self._prefetch

    def close(self) -> None:
        """Stop decoding."""
        if self._prefetch is not None:
            self._prefetch.close()

    @property
    def is_decoding(self) -> bool:
        """Whether the thread is still at work."""
        return self._prefetch is not None and self._prefetch.is_running

"""Processes that read a run's images ahead of it: how they end, and what is told when one dies."""

from __future__ import annotations

import atexit
import ctypes
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from torch.utils.data import DataLoader

from ...runtime.errors import InputError

_NO_SHARED_MEMORY = re.compile(r"shared memory|/torch_|\(shm\)|No space left on device|Bus error", re.IGNORECASE)
_DIED = re.compile(r"DataLoader worker \(pid.*?\) (?:is )?(killed by signal: [\w ]+|exited unexpectedly)")


_PARENT_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of Linux."""

Item = TypeVar("Item")


class ReadAhead(DataLoader[Item]):
    """A loader whose processes leave Ctrl-C and SIGTERM to the run, which ends them.

    A terminal and service managers send a signal to every process of a run; a worker that ends by itself looks like an
    accident. Python would wait for such workers at its exit without end, as it sends them a SIGTERM to end them.
    """

    _started: tuple[BaseProcess, ...] = ()

    def __iter__(self) -> Any:  # torch's own class, which is private
        others = active_children()
        with _held_signals():
            try:
                return super().__iter__()
            finally:
                self._started += tuple(process for process in active_children() if process not in others)

    def end(self) -> None:
        """End the processes: in torch's own way, then at once."""
        if self._iterator is not None:
            self._iterator._shutdown_workers()  # type: ignore[attr-defined]
        for process in self._started:
            process.kill()
            process.join()


@contextmanager
def _held_signals() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM: Python drops what is raised while it forks. A process that begins inherits that."""
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    handlers = [signal.signal(number, lambda number, _frame: came.append(number)) for number in numbers]  # of a thread
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for late in came:
            signal.raise_signal(late)


def end_with_the_run(_worker: int) -> None:
    """Have Linux end a worker whose run was killed: it may wait for room to send what nobody reads."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


@contextmanager
def ended_workers(loader: ReadAhead[Any]) -> Iterator[None]:
    """End the workers when the block ends, however; turn the death of one into a line that says what to do.

    Raises:
        InputError: one was killed, or found no room in shared memory for a batch.
    """
    atexit.register(loader.end)  # for a second signal that comes while they are ended
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        died = _DIED.search(text)
        is_full = "DataLoader worker" in text and _NO_SHARED_MEMORY.search(text) is not None
        if died is None and not is_full:
            raise
        reason = "one that found shared memory full" if is_full or died is None else f"one that died ({died.group(1)})"
        raise InputError(
            f"workers: expected {loader.num_workers} processes that read images, got {reason}. Start with "
            f"--workers 0, or with more memory, in a container also shared memory: docker run --shm-size=2g."
        ) from None
    finally:
        loader.end()
        atexit.unregister(loader.end)

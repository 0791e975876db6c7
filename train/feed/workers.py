"""Processes that read a run's images ahead of it: how they end, and what is told when one dies."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader

from ...runtime.errors import InputError

_NO_SHARED_MEMORY = re.compile(r"shared memory|/torch_|\(shm\)|No space left on device|Bus error", re.IGNORECASE)
_DIED = re.compile(r"DataLoader worker \(pid.*?\) (?:is )?(killed by signal: [\w ]+|exited unexpectedly)")


def leave_sigterm_to_the_run(_worker: int) -> None:
    """Ignore SIGTERM in a worker: service managers send it to every process, and the run itself ends its workers."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def told_when_workers_die(loader: DataLoader[Any]) -> Iterator[None]:
    """Turn the death of one of the workers into a line that says what to do.

    Raises:
        InputError: one was killed, or found no room in shared memory for a batch.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        died = _DIED.search(text)
        is_full = "DataLoader worker" in text and _NO_SHARED_MEMORY.search(text) is not None
        if died is None and not is_full:
            raise
        end_workers = getattr(loader._iterator, "_shutdown_workers", None)
        if end_workers is not None:
            end_workers()  # torch's own way; Python would wait for the others at its exit, without end
        reason = "one that found shared memory full" if is_full or died is None else f"one that died ({died.group(1)})"
        raise InputError(
            f"workers: expected {loader.num_workers} processes that read images, got {reason}. Start with "
            f"--workers 0, or with more memory, in a container also shared memory: docker run --shm-size=2g."
        ) from None

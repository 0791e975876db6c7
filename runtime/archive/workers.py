"""Workers on Ray: processes on this machine, or on every machine of a cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..closing import Closing
from ..engines.engine_checks import card_path_of
from ..errors import InputError, SingleshotError
from ..require import require
from .chunks import Chunk
from .looking import Answer, Look, Looking

if TYPE_CHECKING:
    from ray import ObjectRef

_TRIES = 3
"""A chunk whose worker died so often is given up: it may be what kills them."""

_KNOCK_S = 5.0


class Worker:
    """What runs in a process of Ray's: one model, one core.

    Args:
        files: name and bytes of the model, and of what lies beside it.
        look: how.
        trust: run an engine that this user did not build.
    """

    def __init__(self, files: Sequence[tuple[str, bytes]], look: Look, *, trust: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="singleshot-")
        for name, data in files:
            Path(self._folder.name, name).write_bytes(data)
        try:
            self._looking: Looking | SingleshotError = Looking(Path(self._folder.name, files[0][0]), look, trust=trust)
        except SingleshotError as error:
            self._looking = error

    def failure(self) -> str:
        """Say why the model cannot be opened here; empty where it is open."""
        return str(self._looking) if isinstance(self._looking, SingleshotError) else ""

    def answer(self, chunk: Chunk) -> Answer:
        """Look at a chunk."""
        if isinstance(self._looking, SingleshotError):
            raise self._looking
        return self._looking.answer(chunk)


class Workers(Closing):
    """Workers that look at chunks, each on a core of its own.

    A worker that dies, with its machine or by itself, is replaced where there is room, and what it had is done by
    another.

    Args:
        model: a graph or an engine; its bytes go to the workers, which read the recordings by themselves.
        look: how.
        trust: run an engine that this user did not build.
        address: of a cluster, as Ray takes it; this machine alone if not given.
        count: of workers; as many as the cluster has cores if not given.
        gpus: share of a GPU that each takes.

    Raises:
        InputError: there is no cluster at that address, or the model cannot be opened.
        MissingDependencyError: Ray is not installed.
    """

    def __init__(
        self,
        model: Path,
        look: Look,
        *,
        trust: bool = False,
        address: str | None = None,
        count: int | None = None,
        gpus: float = 0.0,
    ) -> None:
        require("ray", extra="scale", why="a scan")
        import ray

        self._ray: Any = ray  # its stubs do not know what `remote` makes of a class
        _connect(address, count, gpus)
        beside = card_path_of(model)
        paths = [model, beside] if beside.is_file() else [model]
        self._files = ray.put([(path.name, path.read_bytes()) for path in paths])
        self._look = look
        self._trust = trust
        self._class = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(Worker)
        self.count = count or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._starting: dict[ObjectRef[str], Any] = {}
        self._idle: list[Any] = []
        self._busy: dict[ObjectRef[Answer], tuple[Any, Chunk]] = {}
        self._again: deque[Chunk] = deque()
        self._tries: dict[Chunk, int] = {}
        for _ in range(self.count):
            self._start()

    def answers(self, chunks: Iterator[Chunk]) -> Iterator[Answer]:
        """Yield what was found in each chunk, as soon as it is known.

        Args:
            chunks: asked for one when a worker is free.

        Raises:
            InputError: no worker can open the model.
        """
        while True:
            self._hand_out(chunks)
            if not self._busy and not self._again and (not self._starting or self._is_over(chunks)):
                return
            ready, _ = self._ray.wait([*self._busy, *self._starting], num_returns=1)
            for done in ready:
                if done in self._starting:
                    self._begin(done)
                elif (answer := self._answer(done)) is not None:
                    self._hand_out(chunks)
                    yield answer

    def add(self, chunk: Chunk) -> None:
        """Have another chunk looked at."""
        self._again.append(chunk)

    def close(self) -> None:
        """Leave the cluster; workers end with it."""
        self._ray.shutdown()

    def _hand_out(self, chunks: Iterator[Chunk]) -> None:
        """Give each free worker one chunk: at the end a second would wait behind it while others are free."""
        while self._idle:
            chunk = self._again.popleft() if self._again else next(chunks, None)
            if chunk is None:
                return
            worker = self._idle.pop()
            self._busy[worker.answer.remote(chunk)] = (worker, chunk)

    def _is_over(self, chunks: Iterator[Chunk]) -> bool:
        """Tell whether nothing is left although workers still start, as where there are fewer chunks than workers."""
        chunk = next(chunks, None)
        if chunk is not None:
            self._again.append(chunk)
        return chunk is None

    def _start(self) -> None:
        worker = self._class.remote(self._files, self._look, trust=self._trust)
        self._starting[worker.failure.remote()] = worker

    def _begin(self, done: ObjectRef[str]) -> None:
        worker = self._starting.pop(done)
        try:
            failure = self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            failure = f"its process ended ({type(error).__name__})"
        if not failure:
            self._idle.append(worker)
        elif not self._idle and not self._busy and not self._starting:
            raise InputError(f"workers: expected one at least that opens the model, got: {failure}")

    def _answer(self, done: ObjectRef[Answer]) -> Answer | None:
        """Take an answer; none of a worker that died, whose chunk another gets."""
        worker, chunk = self._busy.pop(done)
        try:
            answer: Answer = self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            self._replace(worker)
            self._tries[chunk] = self._tries.get(chunk, 0) + 1
            if self._tries[chunk] < _TRIES:
                self._again.append(chunk)
                return None
            return Answer(
                chunk=chunk,
                error=f"{chunk.clip}: expected a worker that lives, got {_TRIES} that died ({type(error).__name__}).",
            )
        self._idle.append(worker)
        return answer

    def _replace(self, worker: Any) -> None:  # an actor's handle
        """Start another for one that died."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(worker)
        self._start()


def _connect(address: str | None, count: int | None, gpus: float) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    if address is None:
        ray.init(address="local", num_cpus=count, num_gpus=1 if gpus else 0, include_dashboard=False, **quiet)
    else:
        try:
            _knock(address)
            ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"--ray-address {address}: expected a cluster of Ray, as HOST:PORT, got: {str(error).splitlines()[0]}"
            ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray takes it for itself


def _knock(address: str) -> None:
    """Find out at once whether anybody is there; Ray tries for minutes.

    Raises:
        OSError: nobody is.
        ValueError: it is no address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), _KNOCK_S).close()

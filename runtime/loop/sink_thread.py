"""The thread that keeps writing out of the network's way."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType

from typing_extensions import Self

from ..sinks.frame_result import FrameResult
from ..sinks.sink import Sink
from .stage_times import StageTimes

_DEPTH = 4
"""Results that may wait to be written; then the loop waits, so that memory stays bounded."""


_POLL_S = 0.2
"""Ctrl-C inside `put` may cost the call that wakes this thread; so it looks by itself too."""


class SinkThread:
    """Writes results to sinks in a thread of its own, in order.

    Signals only ever interrupt the main thread, so an interrupted run still writes whole lines and whole frames.

    Args:
        sinks: closed by the thread when it ends.
        times: gets the stage `write`.
        on_written: is called when every sink has taken a result, also where there is no sink or it failed.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        times: StageTimes,
        *,
        on_written: Callable[[FrameResult], None] = lambda _result: None,
    ) -> None:
        self._sinks = sinks
        self._times = times
        self._on_written = on_written
        self._queue: queue.Queue[FrameResult | None] = queue.Queue(_DEPTH)
        self._error: BaseException | None = None
        self._has_raised = False
        self._thread = threading.Thread(target=self._work, name="write", daemon=True)
        self._thread.start()

    def put(self, result: FrameResult) -> None:
        """Hand over a result; wait if several are not written yet.

        Raises:
            InputError: writing failed, now or for an earlier result.
        """
        self._raise()
        self._queue.put(result)

    def close(self) -> None:
        """Write what was handed over, finish the files, end the thread.

        Raises:
            InputError: writing failed, which was not said before.
        """
        if not self._thread.is_alive():
            return
        self._queue.put(None)
        self._thread.join()
        self._raise()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        self._queue.put(None)  # the error on its way is the one to report
        self._thread.join()

    def _work(self) -> None:
        while (result := self._next()) is not None:
            if self._error is None:  # else keep taking, or put() would wait for ever
                started_s = time.perf_counter()
                for sink in self._sinks:
                    self._attempt(partial(sink.write, result))
                self._times.add("write", time.perf_counter() - started_s)
            self._on_written(result)
        for sink in self._sinks:
            self._attempt(sink.close)

    def _raise(self) -> None:
        if self._error is not None and not self._has_raised:
            self._has_raised = True
            raise self._error

    def _next(self) -> FrameResult | None:
        while True:
            with suppress(queue.Empty):
                return self._queue.get(timeout=_POLL_S)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the main thread
            self._error = self._error or error

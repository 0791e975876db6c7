"""Frames of several cameras on their way from the readers through the workers, and back into each camera's order."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from ..sinks.frame_result import FrameResult
from ..sources.frame import Frame
from ..sources.source_names import Policy
from .shedding import Shedding

_POLL_S = 0.2
"""Threads that wait look by themselves whether the run is over: Ctrl-C may cost the call that would wake them."""

REPLACED, SKIPPED, TOO_OLD = "replaced by a newer", "skipped to keep the promised age", "too old when its turn came"
"""Why the loop leaves out a frame."""


class Lane:
    """One camera's frames: those that wait, are looked at, and are found but not yet next in the order.

    Args:
        name: the camera's.
        policy: `latest` replaces a frame that waits, `all` lets the reader wait.
        most: frames between being taken and being written; then the camera gets no turn, so that memory stays bounded.
        depth: frames that may wait by `all`.
        max_frames: the lane ends after so many.
        on_drop: is told the cause when a frame is left out; from any thread.
    """

    def __init__(
        self,
        name: str,
        *,
        policy: Policy,
        most: int,
        depth: int,
        max_frames: int | None,
        on_drop: Callable[[str], None],
    ) -> None:
        self.name = name
        self.policy = policy
        self.most = most
        self.depth = depth if policy == "all" else 1
        self.max_frames = max_frames
        self._on_drop = on_drop
        self.drops: Counter[str] = Counter()
        self.waiting: deque[Frame] = deque()
        self.offered = self.taken = self.given = self.written = self.left = 0
        self.has_ended = self.has_told_end = False
        self.error: BaseException | None = None
        self.found: dict[int, FrameResult] = {}

    def drop(self, cause: str) -> None:
        """Count a frame that is left out."""
        self.drops[cause] += 1
        self._on_drop(cause)

    @property
    def has_turn(self) -> bool:
        """Whether a frame waits and what was taken before is not too much."""
        return bool(self.waiting) and not self.is_full

    @property
    def is_full(self) -> bool:
        """Whether what was taken waits to be written, or for whoever loops over the results."""
        return self.taken - min(self.written, self.left) >= self.most


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """A frame to look at.

    Args:
        lane: whose it is.
        number: its place in the lane's order.
        frame: the frame.
    """

    lane: Lane
    number: int
    frame: Frame


class Lanes:
    """Deals turns among cameras: one after the other, a camera without a frame loses its turn.

    Args:
        lanes: of all cameras.
        shedding: what is left out so that frames do not get old.
    """

    def __init__(self, lanes: Sequence[Lane], shedding: Shedding) -> None:
        self._lanes = list(lanes)
        self._shedding = shedding
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._next = self._in_work = 0
        self._is_over = False
        self._ready: SimpleQueue[tuple[Lane, FrameResult | None] | None] = SimpleQueue()
        self.failure: BaseException | None = None

    def offer(self, lane: Lane, frame: Frame) -> bool:
        """Give a frame of a camera, by its reader; False where none is wanted any more."""
        with self._lock:
            lane.offered += 1
            if frame.captured_s is not None and lane.offered % self._shedding.every:
                lane.drop(SKIPPED)
                return not lane.has_ended
            while lane.policy == "all" and len(lane.waiting) >= lane.depth and not lane.has_ended:
                self._room.wait(_POLL_S)
            if lane.has_ended:
                return False
            if lane.policy == "latest" and lane.waiting:
                lane.waiting.clear()
                lane.drop(REPLACED)
            lane.waiting.append(frame)
            self._work.notify()
            return True

    def end(self, lane: Lane, error: BaseException | None = None, *, is_left: bool = False) -> None:
        """Say that a camera has no further frames; `is_left` that those that wait are not looked at either."""
        with self._lock:
            lane.has_ended = True
            lane.error = lane.error or error
            if is_left:
                lane.waiting.clear()
            self._tell_end(lane)
            self._room.notify_all()

    def take(self, most: int) -> list[Turn]:
        """Wait for frames to look at, at most so many; none when the run is over."""
        with self._lock:
            while not self._is_over:
                room = self._shedding.at_once - self._in_work
                turns = self._deal(min(most, room)) if room > 0 else []
                if turns:
                    self._in_work += len(turns)
                    return turns
                self._work.wait(_POLL_S)
            return []

    def give(self, turn: Turn, result: FrameResult) -> None:
        """Give what was found, by a worker; results come out of `next_result` in each camera's order."""
        with self._lock:
            lane = turn.lane
            lane.found[turn.number] = result
            while lane.given in lane.found:
                self._ready.put((lane, lane.found.pop(lane.given)))
                lane.given += 1
            self._tell_end(lane)

    def looked(self, count: int) -> None:
        """Say that a worker is done with the turns that it took, whoever gives what was found."""
        with self._lock:
            self._in_work -= count
            self._work.notify()  # `at_once` may have kept somebody waiting

    def fail(self, error: BaseException) -> None:
        """End the run by an error that is no camera's."""
        self.failure = self.failure or error
        self.stop()

    def wrote(self, lane: Lane) -> None:
        """Say that a result was written."""
        with self._lock:
            lane.written += 1
            self._work.notify()

    def leave(self, lane: Lane) -> None:
        """Say that whoever loops over the results is done with one of them.

        Takes the lock only where somebody waits for this, since Ctrl-C may leave it taken.
        """
        was_full = lane.is_full
        lane.left += 1
        if was_full:
            self._wake()

    def next_result(self) -> tuple[Lane, FrameResult | None] | None:
        """Wait for the next result in its camera's order; no result at a camera's end, None when the run is over.

        Takes no lock, so that Ctrl-C may interrupt it anywhere.

        Raises:
            BaseException: what ended the run.
        """
        while self.failure is None:
            ready = None
            with suppress(Empty):
                ready = self._ready.get(timeout=_POLL_S)
            if ready is not None:
                return ready
            if self._is_over and self.failure is None:
                return None
        raise self.failure

    def stop(self) -> None:
        """End the run: nothing is dealt any more. Does not insist on the lock, which Ctrl-C may have left taken."""
        for lane in self._lanes:
            lane.has_ended = True
        self._is_over = True
        self._ready.put(None)
        self._wake()

    def _wake(self) -> None:
        if self._lock.acquire(timeout=_POLL_S):
            try:
                self._work.notify_all()
                self._room.notify_all()
            finally:
                self._lock.release()

    def _deal(self, most: int) -> list[Turn]:
        """Take a frame of each camera in turn, beginning with the one after the last; then another round."""
        turns: list[Turn] = []
        missed = 0
        while len(turns) < most and missed < len(self._lanes):
            lane = self._lanes[self._next]
            self._next = (self._next + 1) % len(self._lanes)
            if not lane.has_turn:
                missed += 1
                continue
            missed = 0
            turns.append(Turn(lane=lane, number=lane.taken, frame=self._newest_useful(lane)))
            lane.taken += 1
            if lane.taken == lane.max_frames:
                lane.has_ended = True
                lane.waiting.clear()
            self._room.notify_all()
        return turns

    def _newest_useful(self, lane: Lane) -> Frame:
        """Take the frame that waits longest, but none that is too old already where there is a newer one."""
        oldest_s = None if self._shedding.promise_ms is None else time.monotonic() - self._shedding.promise_ms / 1e3
        while True:
            frame = lane.waiting.popleft()
            if oldest_s is None or frame.captured_s is None or frame.captured_s > oldest_s or not lane.waiting:
                return frame
            lane.drop(TOO_OLD)

    def _tell_end(self, lane: Lane) -> None:
        if lane.has_ended and not lane.waiting and lane.given == lane.taken and not lane.has_told_end:
            lane.has_told_end = True
            self._ready.put((lane, None))

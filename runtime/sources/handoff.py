"""Frames from a thread that reads to the one that looks at them."""

from __future__ import annotations

import threading
from collections import deque

from .frame import Frame
from .source_names import Policy

_DEPTH = 4


class Handoff:
    """Holds frames that were read and not taken yet.

    Queued frames are the field's usual cause of a picture that lags behind: a detector slower than the camera would
    work through ever older frames. By `latest` it skips instead, and the skipped frames are counted.
    """

    def __init__(self, policy: Policy) -> None:
        self.dropped = 0
        self.policy = policy
        self._changed = threading.Condition()
        self._waiting: deque[Frame] = deque()
        self._ended = False

    def put(self, frame: Frame) -> None:
        """Give a frame."""
        with self._changed:
            if self.policy == "all":
                self._changed.wait_for(lambda: len(self._waiting) < _DEPTH or self._ended)
            else:
                self.dropped += len(self._waiting)
                self._waiting.clear()
            if not self._ended:
                self._waiting.append(frame)
            self._changed.notify_all()

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Wait for a frame; None at the end, or if none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout=timeout_s)
            if not self._waiting:
                return None
            frame = self._waiting.popleft()
            self._changed.notify_all()
            return frame

    def end(self, *, is_left: bool = False) -> None:
        """Say that no frame will come any more; `is_left` that nobody will take those that are there."""
        with self._changed:
            self._ended = True
            if is_left:
                self._waiting.clear()
            self._changed.notify_all()

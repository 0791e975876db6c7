"""The last events of a run, with small pictures, for those who look later."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..rules.event import Event, event_json
from ..sinks.frame_result import FrameResult
from .pictures import encode_jpeg

KEPT = 200
_WIDTH = 640
_EDGE_BGR = (166, 184, 20)
_LEAST_GAP_S = 0.2
"""Of the frames' time, between two pictures of a camera: a crowd at a line costs no more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Logged:
    """An event.

    Args:
        number: counts all events of the run, from 1.
        values: as lines and messages have it.
        jpeg: of the frame, with the object's box; none where one has just been made.
    """

    number: int
    values: dict[str, Any]
    jpeg: bytes | None


class EventLog:
    """Keeps the last ones; each method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[Logged] = deque(maxlen=KEPT)
        self._count = 0
        self._pictured_s: dict[str, float] = {}

    def add(self, camera: str, result: FrameResult) -> None:
        """Take what happened in a frame."""
        for event in result.events:
            time_s = result.frame.time_s
            is_due = abs(time_s - self._pictured_s.get(camera, -1.0)) >= _LEAST_GAP_S
            jpeg = None
            if is_due:
                self._pictured_s[camera] = time_s
                jpeg, _, _ = encode_jpeg(
                    _marked(result.frame.image, event), widest=_WIDTH, pixel_aspect=result.frame.pixel_aspect
                )
            with self._lock:
                self._count += 1
                self._events.append(Logged(number=self._count, values=event_json(event), jpeg=jpeg))

    def since(self, number: int) -> list[Logged]:
        """Return those after one, the oldest first; of those that are kept."""
        with self._lock:
            if number == self._count:
                return []
            return [logged for logged in self._events if logged.number > number]

    def picture(self, number: int) -> bytes | None:
        """Return an event's picture."""
        with self._lock:
            return next((logged.jpeg for logged in self._events if logged.number == number), None)


def _marked(image: NDArray[np.uint8], event: Event) -> NDArray[np.uint8]:
    """Draw the object's box."""
    if event.box_xyxy is None:
        return image
    height, width = image.shape[:2]
    x1, y1, x2, y2 = event.box_xyxy
    marked = image.copy()
    corners = (round(x1 * width), round(y1 * height)), (round(x2 * width), round(y2 * height))
    cv2.rectangle(marked, *corners, _EDGE_BGR, max(2, round(width / 320)))
    return marked

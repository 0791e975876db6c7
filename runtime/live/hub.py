"""Where a run's results meet those who look at it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..closing import Closing
from ..rules.event import PlaceCount
from ..sinks.frame_result import FrameResult
from ..sinks.sink import Sink
from .event_log import EventLog
from .history import History, Point
from .pictures import Pictures


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was found by one camera.

    Args:
        now: objects in the newest frame, by class.
        frames: with at least one of it, by class.
        size: width and height of the newest frame, in pixels.
        points: the last minutes.
        places: what is counted at zones and lines.
    """

    now: dict[str, int]
    frames: dict[str, int]
    size: tuple[int, int] | None
    points: list[Point]
    places: Sequence[PlaceCount]


class Hub(Closing):
    """Keeps of each camera what the page shows.

    Args:
        cameras: their names.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self.on_new: Callable[[str], None] = lambda _name: None
        self.pictures = Pictures(self._tell_new)
        self.events = EventLog()
        self.sinks = {name: LiveSink(name, self.pictures, self.events) for name in cameras}

    def _tell_new(self, camera: str) -> None:
        self.on_new(camera)

    def close(self) -> None:
        """End the thread that encodes; a second time does nothing."""
        self.pictures.close()


class LiveSink(Sink):
    """Takes the results of one camera for the page.

    Args:
        name: the camera's.
        pictures: takes what is drawn.
        events: takes what happened.
    """

    def __init__(self, name: str, pictures: Pictures, events: EventLog) -> None:
        self._name = name
        self._pictures = pictures
        self._events = events
        self._lock = threading.Lock()
        self._history = History()
        self._now: Counter[str] = Counter()
        self._frames: Counter[str] = Counter()
        self._size: tuple[int, int] | None = None
        self._places: Sequence[PlaceCount] = ()

    @property
    def needs_drawing(self) -> bool:
        """Only while somebody is ready for a picture."""
        return self._pictures.is_wanted(self._name)

    def write(self, result: FrameResult) -> None:
        """Take a result; this costs some microseconds, as whatever takes longer is done by other threads."""
        self._history.add(result.age_ms)
        height, width = result.frame.image.shape[:2]
        with self._lock:
            self._now = Counter(result.labels)
            self._frames.update(self._now.keys())
            self._size = (width, height)
            self._places = result.places
        if result.events:
            self._events.add(self._name, result)
        if result.drawn is not None:
            self._pictures.offer(
                self._name,
                result.drawn,
                pixel_aspect=result.frame.pixel_aspect,
                captured_s=result.frame.captured_s,
            )

    def close(self) -> None:
        """Keep what was seen, as the page still shows it."""

    @property
    def step(self) -> int:
        """The one of the chart that runs now."""
        return self._history.step

    def seen(self) -> Seen:
        """Return what there is to show."""
        with self._lock:
            now, frames, size, places = dict(self._now), dict(self._frames), self._size, self._places
        return Seen(now=now, frames=frames, size=size, points=self._history.points(), places=places)

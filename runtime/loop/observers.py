"""What looks at a camera's results one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np

from ..detection.detections import Detections
from ..rules.followed import Seen
from ..rules.watch import Watch
from ..sinks.frame_result import FrameResult
from ..sources.frame import Frame
from ..tracking.tracker import Tracker
from ..tracking.tracks import NOT_FOLLOWED
from .camera import Observer

_NO_PICTURE = np.empty((0, 0, 3), np.uint8)


class Following(Observer):
    """Gives what is found ids that stay.

    Args:
        tracker: of this camera alone.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._before: Frame | None = None
        self._time_s = 0.0

    def observe(self, result: FrameResult) -> FrameResult:
        """Follow what was found in the next frame."""
        if not isinstance(result.found, Detections):
            return result
        if self._before is not None:
            self._time_s += seconds_between(self._before, result.frame)
        self._before = replace(result.frame, image=_NO_PICTURE)  # which would stay in memory
        found, tracks = self._tracker.follow(result.found, time_s=self._time_s, unsure=result.unsure)
        return replace(result, found=found, tracks=tracks)


class FollowingLater(Observer):
    """Follows from `open` on, which comes with the first place that is drawn; costs nothing before.

    Args:
        tracker: makes the camera's.
    """

    def __init__(self, tracker: Callable[[], Tracker]) -> None:
        self._tracker = tracker
        self._following: Following | None = None

    def open(self) -> None:
        """Begin with the next frame; a second time does nothing.

        Raises:
            MissingDependencyError: the package `trackers` is not installed.
        """
        self._following = self._following or Following(self._tracker())

    def observe(self, result: FrameResult) -> FrameResult:
        """Follow what was found in the next frame, once it is time."""
        return result if self._following is None else self._following.observe(result)


class Watching(Observer):
    """Counts at a camera's places, and says what happened by its rules.

    Args:
        watch: of this camera alone.
        now: the wall clock, of whose first frame a file's times count.
    """

    def __init__(self, watch: Watch, *, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self.watch = watch
        self._now = now
        self._began_at: datetime | None = None

    def observe(self, result: FrameResult) -> FrameResult:
        """Watch the next frame."""
        found, frame = result.found, result.frame
        if not isinstance(found, Detections) or not (self.watch.places or self.watch.rules):
            return result
        ids = [NOT_FOLLOWED] * len(found) if result.tracks is None else result.tracks.ids.tolist()
        rows = zip(result.labels, found.scores.tolist(), found.boxes_xyxy.tolist(), ids, strict=True)
        seen = [Seen(label=label, score=score, box_xyxy=tuple(box), track_id=one) for label, score, box, one in rows]
        look = self.watch.look(seen, time_s=frame.time_s, at=frame.captured_at or self._as_if_filmed_now(frame.time_s))
        return replace(result, places=look.places, events=look.events)

    def _as_if_filmed_now(self, time_s: float) -> datetime:
        """Give a file's frame a moment: as if it was being filmed since the run began."""
        if self._began_at is None:
            self._began_at = self._now() - timedelta(seconds=time_s)
        return self._began_at + timedelta(seconds=time_s)


def seconds_between(before: Frame, after: Frame) -> float:
    """Tell how long after one frame another one was taken: by the camera's clock where there is one for both."""
    if before.captured_s is not None and after.captured_s is not None and before.capture_clock == after.capture_clock:
        seconds = after.captured_s - before.captured_s
        if seconds > 0:  # a clock that was set back says nothing
            return seconds
    return max(0.0, after.time_s - before.time_s)

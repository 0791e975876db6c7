"""What looks at a camera's results one after the other."""

from __future__ import annotations

from dataclasses import replace

from ..detection.detections import Detections
from ..sinks.frame_result import FrameResult
from ..tracking.tracker import Tracker
from .camera import Observer


class Following(Observer):
    """Gives what is found ids that stay.

    Args:
        tracker: of this camera alone.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def observe(self, result: FrameResult) -> FrameResult:
        """Follow what was found in the next frame."""
        if not isinstance(result.found, Detections):
            return result
        found, tracks = self._tracker.follow(result.found, time_s=result.frame.time_s)
        return replace(result, found=found, tracks=tracks)

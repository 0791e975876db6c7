"""Follows what is found in one camera by the trackers of the package `trackers`, by the time between its frames."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..detection.detections import Detections
from ..require import require
from .motion import BoxMotion
from .tracker_names import TrackerName
from .tracks import NOT_FOLLOWED, Tracks

if TYPE_CHECKING:
    import supervision

LOST_S = 2.0
"""An object that was not seen for longer is another one when it comes back."""

_LOST_FRAMES = 3
"""But not before so many frames, where there is less than one a second."""

TRAIL_S = 2.0
"""How far back a trail reaches."""

_TRAIL_POINTS = 128
"""At most so many points of a trail are kept."""

_SIDE = 1000.0
"""Boxes are given to the package as of a frame with so many pixels on each side, whatever the camera's are: those may
change, and overlaps do not depend on them."""

_SURE = 0.5
"""Between what is found and what is unsure, on the scale that the package sees."""

_LEAST_STEP_S = 0.001
"""Between frames whose clock stands still."""

_MARGIN_PER_S, _MOST_MARGIN = 0.5, 0.25
"""Boxes are compared with a margin, in their sides: the longer ago the frame before was, the more may have changed."""


@dataclass(eq=False)
class _Past:
    """What is remembered of an object."""

    votes: Counter[int] = field(default_factory=Counter)
    """Sum of the scores by class."""
    trail: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    """[k, 3]: the time, x, y."""


class Tracker:
    """Gives what is found in the frames of one camera ids that stay.

    Args:
        name: of the algorithm.

    Raises:
        MissingDependencyError: the package `trackers` is not installed.
    """

    def __init__(self, name: TrackerName = "bytetrack") -> None:
        self._supervision = require("supervision", extra="track", why="--track")
        self._trackers = require("trackers", extra="track", why="--track")
        self._tracker = _made(name, self._trackers)
        self._has_margin = name == "bytetrack"
        self._time_s = -np.inf
        self._steps_s: deque[float] = deque(maxlen=9)
        self._pasts: dict[int, _Past] = {}

    def follow(
        self, found: Detections, *, time_s: float, unsure: Detections | None = None
    ) -> tuple[Detections, Tracks]:
        """Take the next frame.

        Args:
            found: in it; each of them may begin a track.
            time_s: of the frame, from any beginning. One that is not later than that of the frame before counts as a
                millisecond later.
            unsure: what was found with too low a score. It keeps a track alive and begins none.

        Returns:
            What was found, each object with the class that most of its detections had, weighted by their scores; and
            its ids.
        """
        unsure = Detections.none() if unsure is None else unsure
        self._pass_time(time_s)
        boxes = np.concatenate([found.boxes_xyxy, unsure.boxes_xyxy])
        scores = np.concatenate([found.scores, unsure.scores]).tolist()
        classes = np.concatenate([found.class_ids, unsure.class_ids])
        ids = self._ids(boxes, np.concatenate([_SURE + (1 - _SURE) * found.scores, _SURE * unsure.scores]))
        for row in np.flatnonzero(ids != NOT_FOLLOWED).tolist():
            past = self._pasts.setdefault(int(ids[row]), _Past())
            past.votes[int(classes[row])] += scores[row]
            classes[row] = past.votes.most_common(1)[0][0]
            x1, _, x2, y2 = boxes[row].tolist()
            past.trail = np.concatenate([past.trail[1 - _TRAIL_POINTS :], [(self._time_s, (x1 + x2) / 2, y2)]])
        alive = {track.tracker_id + 1 for track in self._tracker.tracks}
        self._pasts = {key: past for key, past in self._pasts.items() if key in alive}
        count = len(found)
        followed = Detections(boxes_xyxy=found.boxes_xyxy, scores=found.scores, class_ids=classes[:count])
        return followed, Tracks(ids=ids[:count], trails=self._trails())

    def _pass_time(self, time_s: float) -> None:
        """Set the package's clock, and what depends on how far frames are apart."""
        before_s, self._time_s = self._time_s, max(time_s, self._time_s + _LEAST_STEP_S)
        step_s = self._time_s - before_s
        if step_s == np.inf:
            return
        self._steps_s.append(step_s)
        self._tracker.maximum_time_without_update = max(LOST_S, _LOST_FRAMES * median(self._steps_s))
        if self._has_margin:
            self._tracker.iou = self._trackers.BIoU(min(_MOST_MARGIN, _MARGIN_PER_S * step_s))

    def _ids(self, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Ask the package: [n] int64."""
        rows: supervision.Detections = self._supervision.Detections(
            xyxy=boxes * np.float32(_SIDE),
            confidence=scores,
            class_id=np.arange(len(boxes)),  # trackers give the rows in another order
        )
        answer = self._tracker.update(rows, timestamp=self._time_s)
        ids = np.full(len(boxes), NOT_FOLLOWED, np.int64)
        if len(answer):
            ids[answer.class_id] = np.where(answer.tracker_id >= 0, answer.tracker_id + 1, NOT_FOLLOWED)
        return ids

    def _trails(self) -> dict[int, NDArray[np.float32]]:
        trails = {}
        for key, past in self._pasts.items():
            past.trail = past.trail[np.searchsorted(past.trail[:, 0], self._time_s - TRAIL_S) :]
            if len(past.trail):
                trails[key] = past.trail[:, 1:].astype(np.float32)
        return trails


def _made(name: TrackerName, trackers: Any) -> Any:  # the package's trackers share no constructor
    lost = round(LOST_S * 30)  # in frames at 30 a second, for all
    if name == "ocsort":
        return trackers.OCSORTTracker(lost_track_buffer=lost, high_conf_det_threshold=_SURE)
    return trackers.ByteTrackTracker(
        lost_track_buffer=lost,
        frame_rate=1.0,  # so that its frames are seconds
        track_activation_threshold=_SURE,
        high_conf_det_threshold=_SURE,
        state_estimator_class=BoxMotion,
    )

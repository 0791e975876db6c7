"""Follows what is found in one camera by the trackers of the package `trackers`, by the time between its frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..detection.detections import Detections
from ..require import require
from .tracker_names import TrackerName
from .tracks import NOT_FOLLOWED, Tracks

if TYPE_CHECKING:
    import supervision

LOST_S = 1.0
"""An object that was not seen for longer is another one when it comes back."""

TRAIL_S = 2.0
"""How far back a trail reaches."""

_TRAIL_POINTS = 64
"""At most so many points of a trail are kept."""

_SIDE = 1000.0
"""The trackers' noise is in pixels of the videos that they were made with, about so many across."""

_SURE = 0.5
"""Between what is found and what is below its threshold, on the scale that the trackers see."""


@dataclass(eq=False)
class _Past:
    """What is remembered of an object."""

    votes: Counter[int] = field(default_factory=Counter)
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
        self._tracker = _made(name)
        self._pasts: dict[int, _Past] = {}

    def follow(self, found: Detections, *, time_s: float, below: Detections | None = None) -> tuple[Detections, Tracks]:
        """Take the next frame.

        Args:
            found: in it, above the thresholds; each of them may begin a track.
            time_s: of the frame, from any beginning; never earlier than that of the frame before.
            below: what was found with too low a score. It keeps a track alive and begins none.

        Returns:
            What was found, each object with the class that most of its detections had, weighted by their scores; and
            its ids.
        """
        below = Detections.none() if below is None else below
        ids = self._ids(found, below, time_s)
        boxes = np.concatenate([found.boxes_xyxy, below.boxes_xyxy])
        scores = np.concatenate([found.scores, below.scores]).tolist()
        classes = np.concatenate([found.class_ids, below.class_ids])
        for row in np.flatnonzero(ids != NOT_FOLLOWED).tolist():
            past = self._pasts.setdefault(int(ids[row]), _Past())
            past.votes[int(classes[row])] += scores[row]
            classes[row] = past.votes.most_common(1)[0][0]
            point = (time_s, (boxes[row, 0] + boxes[row, 2]) / 2, boxes[row, 3])
            past.trail = np.concatenate([past.trail[1 - _TRAIL_POINTS :], [point]])
        alive = {track.tracker_id + 1 for track in self._tracker.tracks}
        self._pasts = {key: past for key, past in self._pasts.items() if key in alive}
        followed = Detections(
            boxes_xyxy=found.boxes_xyxy, scores=found.scores, class_ids=np.asarray(classes[: len(found)], np.int32)
        )
        return followed, Tracks(ids=ids[: len(found)], trails=self._trails(time_s))

    def _ids(self, found: Detections, below: Detections, time_s: float) -> NDArray[np.int64]:
        """Ask the tracker: [found and below] int64."""
        count = len(found) + len(below)
        scores = np.concatenate([_SURE + (1 - _SURE) * found.scores, _SURE * below.scores])
        rows: supervision.Detections = self._supervision.Detections(
            xyxy=np.concatenate([found.boxes_xyxy, below.boxes_xyxy]) * np.float32(_SIDE),
            confidence=scores,
            class_id=np.arange(count),  # trackers give the rows in another order
        )
        answer = self._tracker.update(rows, timestamp=time_s)
        ids = np.full(count, NOT_FOLLOWED, np.int64)
        if len(answer):
            ids[answer.class_id] = np.where(answer.tracker_id >= 0, answer.tracker_id + 1, NOT_FOLLOWED)
        return ids

    def _trails(self, time_s: float) -> dict[int, NDArray[np.float32]]:
        trails = {}
        for key, past in self._pasts.items():
            past.trail = past.trail[np.searchsorted(past.trail[:, 0], time_s - TRAIL_S) :]
            if len(past.trail):
                trails[key] = past.trail[:, 1:].astype(np.float32)
        return trails


def _made(name: TrackerName) -> Any:  # the package comes without a common constructor
    trackers = require("trackers", extra="track", why="--track")
    lost = round(LOST_S * 30)  # of all trackers in frames at 30 a second
    if name == "ocsort":
        return trackers.OCSORTTracker(lost_track_buffer=lost, high_conf_det_threshold=_SURE)
    kind = {"bytetrack": trackers.ByteTrackTracker, "cbiou": trackers.CBIoUTracker}[name]
    return kind(lost_track_buffer=lost, high_conf_det_threshold=_SURE, track_activation_threshold=_SURE)

"""Makes objects of some classes unrecognisable, before anything is drawn, written or shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ..detection.boxes import grown, iou_matrix
from ..detection.detections import Detections
from ..sources.frame import Frame

CELLS = 6
"""Squares along the longer side of a box, however large it is: of a face none is left that has an eye alone."""

MARGIN = 0.15
"""Of a box's side, on either side of it: boxes are seldom quite as large as what they are of."""

SHARE, SURE = 0.2, 0.1
"""Of the score that is asked for, this share is enough to be hidden, and in any case this score: at 0.1 instead of 0.5
the shipped detector hides 26 points more of VOC's and COCO's people, and 2 to 8 % of pictures without any."""

HOLD_S = 1.0
"""What is not found any more is hidden for so long at its last place,"""

GROWTH_PER_S = 0.5
"""which grows by so much of its side on either side, as it may move."""

_SAME_IOU = 0.3
"""What was found before and overlaps so with what is found now is the same."""


class Blur:
    """Hides the objects of one camera, also while the detector misses them for a moment.

    Not promised: that what the detector does not find, or before it finds it first, is hidden; nor that nobody can be
    told by figure, clothes or gait, or from many pictures of a moving face.

    Args:
        class_ids: of what is hidden.
        holds: frames follow one another in time; images do not.
    """

    def __init__(self, class_ids: Collection[int], *, holds: bool) -> None:
        self._class_ids = sorted(class_ids)
        self._holds = holds
        self._boxes = np.zeros((0, 4), np.float32)
        self._seen_s = np.zeros(0)

    def hide(self, frame: Frame, found: Detections, thresholds: NDArray[np.float32]) -> Frame:
        """Give the frame with another image, unless there is nothing to hide; frames come in their order.

        Args:
            frame: as the source delivered it; its image is left as it is.
            found: in it, down to the lowest scores.
            thresholds: [number of classes] float32, from which on objects are shown.
        """
        least = np.minimum(np.float32(SURE), np.float32(SHARE) * thresholds)
        keep = np.isin(found.class_ids, self._class_ids)
        boxes = found.where(keep).at_least(least).boxes_xyxy
        seen_s = np.full(len(boxes), frame.time_s)
        if self._holds and len(self._boxes):
            is_missed = (iou_matrix(self._boxes, boxes) < _SAME_IOU).all(axis=1)
            age_s = np.abs(frame.time_s - self._seen_s)
            is_held = is_missed & (age_s <= HOLD_S)
            boxes = np.concatenate([boxes, self._boxes[is_held]])
            seen_s = np.concatenate([seen_s, self._seen_s[is_held]])
        self._boxes, self._seen_s = boxes, seen_s
        if not len(boxes):
            return frame
        margins = MARGIN + GROWTH_PER_S * np.abs(frame.time_s - seen_s)
        return replace(frame, image=pixelated(frame.image, grown(boxes, margins)))


def pixelated(image: NDArray[np.uint8], boxes_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a copy of [h, w, 3] uint8 in which boxes, normalised, are a few squares of one colour each."""
    image = image.copy()
    height, width = image.shape[:2]
    edges = boxes_xyxy * np.array([width, height, width, height])
    low, high = np.floor(edges[:, :2]), np.ceil(edges[:, 2:])
    corners = np.clip(np.concatenate([low, high], axis=1), 0, [width, height, width, height]).astype(int)
    for left, top, right, bottom in corners.tolist():
        part = image[top:bottom, left:right]
        if not part.size:
            continue
        rows, columns = part.shape[:2]
        cell_px = max(rows, columns) / CELLS
        cells = (max(1, round(columns / cell_px)), max(1, round(rows / cell_px)))
        squares = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
        part[:] = cv2.resize(squares, (columns, rows), interpolation=cv2.INTER_NEAREST)
    return image

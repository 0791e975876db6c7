"""Writes what was found in MOTChallenge's format."""

from __future__ import annotations

from ..detection.classifications import Classification
from .frame_result import FrameResult
from .lines import LinesSink

COLUMNS = ("frame", "id", "bb_left", "bb_top", "bb_width", "bb_height", "conf", "x", "y", "z")


class MotSink(LinesSink):
    """A row for each object, without a header.

    Frames, ids and pixels count from 1, as MOTChallenge has it: the upper left corner is at (1, 1). Where objects are
    followed, those that have an id alone are written; where none are, all have the id -1, as in its `det.txt`.
    """

    def lines(self, result: FrameResult) -> str:
        """Give a frame's rows, the surest object first."""
        found, rows = result.found, []
        if isinstance(found, Classification):
            return ""
        height, width = result.frame.image.shape[:2]
        boxes_px = found.boxes_xyxy_px(height=height, width=width).astype(float).tolist()
        for score, (x1, y1, x2, y2), track_id in zip(found.scores.tolist(), boxes_px, result.track_ids, strict=True):
            if result.tracks is None or track_id is not None:
                place = f"{x1 + 1:.2f},{y1 + 1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
                rows.append(f"{result.frame.index + 1},{track_id or -1},{place},{score:.4f},-1,-1,-1\n")
        return "".join(rows)

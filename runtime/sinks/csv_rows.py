"""Writes what was found as CSV: a row for each object."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ..detection.classifications import Classification
from .frame_result import FrameResult
from .lines import LinesSink

COLUMNS = (
    "source",
    "camera",
    "frame",
    "time_s",
    "captured_at",
    "label",
    "class_id",
    "score",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "track_id",
)


class CsvSink(LinesSink):
    """A header and a row for each object or class; none for a frame in which nothing was found.

    Corners are in pixels of the frame, as edges: `xmax - xmin` is the width. What there is not is empty.
    """

    header = ",".join(COLUMNS) + "\n"

    def lines(self, result: FrameResult) -> str:
        """Give a frame's rows, the surest object first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(_rows(result))
        return text.getvalue()


def _rows(result: FrameResult) -> Iterator[list[object]]:
    frame, found = result.frame, result.found
    captured_at = frame.captured_at.isoformat(timespec="milliseconds") if frame.captured_at else ""
    start = [frame.source, result.camera, frame.index, round(frame.time_s, 6), captured_at]
    objects = zip(result.labels, found.class_ids.tolist(), found.scores.tolist(), strict=True)
    if isinstance(found, Classification):
        yield from ([*start, label, class_id, round(score, 4), *[""] * 5] for label, class_id, score in objects)
        return
    height, width = frame.image.shape[:2]
    boxes_px = found.boxes_xyxy_px(height=height, width=width).tolist()
    for (label, class_id, score), box, track_id in zip(objects, boxes_px, result.track_ids, strict=True):
        edges = [round(edge, 2) for edge in box]
        yield [*start, label, class_id, round(score, 4), *edges, "" if track_id is None else track_id]

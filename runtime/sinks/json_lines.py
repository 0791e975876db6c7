"""Writes what was found as JSON lines."""

from __future__ import annotations

import json

from ..detection.classifications import Classification
from ..rules.event import event_json, place_json
from .frame_result import FrameResult
from .lines import LinesSink


class JsonLinesSink(LinesSink):
    """One line of JSON per frame."""

    def lines(self, result: FrameResult) -> str:
        """See `json_line`."""
        return json_line(result) + "\n"


def json_line(result: FrameResult) -> str:
    """Put what was found in one frame into one line of JSON, without the line's end.

    Of a detector it lists `detections`, of a classifier `classes`. Boxes are corners in pixels of the frame, to 2
    decimals; scores have 4, `time_s` 6. Of a camera or stream there are `captured_at`, ISO 8601 in UTC, the clock that
    says so, the age of the result and of each stage, and what was dropped until then; in a run of several `camera`;
    `held` where what was found is of an earlier frame, and of each object that is followed its `track_id`. Where there
    are zones and lines `places` has what is counted at them, where something happened `events`.
    """
    frame, found = result.frame, result.found
    line: dict[str, object] = {"source": frame.source, "frame": frame.index, "time_s": round(frame.time_s, 6)}
    line |= _circumstances(result)
    if isinstance(found, Classification):
        classes = [
            {"label": label, "class_id": class_id, "score": round(float(score), 4)}
            for label, class_id, score in zip(result.labels, found.class_ids.tolist(), found.scores, strict=True)
        ]
        return json.dumps({**line, "classes": classes}, ensure_ascii=False)
    height, width = frame.image.shape[:2]
    boxes_px = found.boxes_xyxy_px(height=height, width=width).astype(float)
    detections: list[dict[str, object]] = [
        {
            "label": label,
            "class_id": class_id,
            "score": round(float(score), 4),
            "box_xyxy_px": [round(value, 2) for value in box],
        }
        for label, class_id, score, box in zip(
            result.labels, found.class_ids.tolist(), found.scores, boxes_px.tolist(), strict=True
        )
    ]
    for detection, track_id in zip(detections, result.track_ids, strict=True):
        if track_id is not None:
            detection["track_id"] = track_id
    line["detections"] = detections
    if result.places:
        line["places"] = [place_json(place) for place in result.places]
    if result.events:
        line["events"] = [event_json(event) for event in result.events]
    return json.dumps(line, ensure_ascii=False)


def _circumstances(result: FrameResult) -> dict[str, object]:
    """Say when the frame was taken and what became of it, as far as there is anything to say."""
    frame = result.frame
    said = {
        "camera": result.camera,
        "captured_at": frame.captured_at and frame.captured_at.isoformat(timespec="milliseconds"),
        "capture_clock": frame.capture_clock,
        "age_ms": result.age_ms and round(result.age_ms, 1),
        "ages_ms": {stage: round(age_ms, 1) for stage, age_ms in result.ages_ms.items()},
        "drops": dict(result.drops),
        "held": result.held,
    }
    return {key: value for key, value in said.items() if value}

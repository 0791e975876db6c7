"""Recorded detections and truths: JSON lines of `rt-detect`, and MOTChallenge's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.detections import Detections
from ...runtime.errors import InputError
from ...runtime.files import whole_file
from .tracking_sequences import Moment

_Rows = NDArray[np.float64]
"""[n, 6] float64: id, xmin, ymin, xmax, ymax in pixels from 0, score."""

_NONE = np.zeros((0, 6))


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A sequence of files.

    Args:
        moments: in their order.
        size_px: of the square to which their boxes are normalised.
    """

    moments: Sequence[Moment]
    size_px: float


def load_recorded(detections: Path, truth: Path | None, *, rate: float | None, threshold: float) -> Recorded:
    """Read what was found, and what was to be found.

    Args:
        detections: JSON lines of one camera, which have the time of each frame, or rows as of MOT's `det.txt`.
        truth: as MOT's `gt.txt`; rows whose seventh column is 0 do not count.
        rate: frames a second, of rows without times.
        threshold: what has a lower score is unsure.

    Raises:
        InputError: one of them is neither, or there is no rate where one is needed.
    """
    found, times_s = _json_lines(detections) if detections.suffix == ".jsonl" else (mot_rows(detections), {})
    true = {} if truth is None else {key: rows[rows[:, 5] != 0] for key, rows in mot_rows(truth).items()}
    if not times_s:
        if rate is None:
            raise InputError(f"{detections}: expected the time of each frame, got rows without. Give --rate.")
        times_s = {frame: frame / rate for frame in range(1, max([*found, *true]) + 1)}
    size_px = max(rows[:, 1:5].max(initial=1.0) for rows in (_NONE, *found.values(), *true.values()))
    moments = [
        _moment(frame, time_s, found.get(frame, _NONE), true.get(frame, _NONE), size_px=size_px, threshold=threshold)
        for frame, time_s in sorted(times_s.items())
    ]
    return Recorded(moments=moments, size_px=size_px)


def save_mot(path: Path, recorded: Recorded, ids: Sequence[NDArray[np.int64]]) -> None:
    """Write what has an id as MOTChallenge's rows.

    Raises:
        InputError: the file cannot be written.
    """
    lines = []
    for moment, of_found in zip(recorded.moments, ids, strict=True):
        boxes_px = moment.found.boxes_xyxy.astype(float) * recorded.size_px
        for one, (x1, y1, x2, y2), score in zip(of_found.tolist(), boxes_px.tolist(), moment.found.scores, strict=True):
            if one >= 0:
                place = f"{x1 + 1:.2f},{y1 + 1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
                lines.append(f"{moment.frame},{one},{place},{score:.4f},-1,-1,-1\n")
    with whole_file(path) as part:
        part.write_text("".join(lines), encoding="utf-8")


def mot_rows(path: Path) -> Mapping[int, _Rows]:
    """Read MOTChallenge's rows by frame.

    Raises:
        InputError: it is no file of such rows.
    """
    try:
        rows = np.loadtxt(path, delimiter=",", ndmin=2, usecols=range(7))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected MOTChallenge's rows of seven or more numbers, got: {error}.") from error
    left_top = rows[:, 2:4] - 1
    boxes = np.concatenate([rows[:, 1:2], left_top, left_top + rows[:, 4:6], rows[:, 6:7]], axis=1)
    return {int(frame): boxes[rows[:, 0] == frame] for frame in np.unique(rows[:, 0])}


def _json_lines(path: Path) -> tuple[dict[int, _Rows], dict[int, float]]:
    found, times_s = {}, {}
    try:
        for text in path.read_text(encoding="utf-8").splitlines():
            line: dict[str, Any] = json.loads(text)
            frame = int(line["frame"]) + 1
            times_s[frame] = float(line["time_s"])
            found[frame] = np.array(
                [[-1, *one["box_xyxy_px"], one["score"]] for one in line["detections"]], np.float64
            ).reshape(-1, 6)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected JSON lines of rt-detect with detections, got: {error!r}.") from error
    return found, times_s


def _moment(frame: int, time_s: float, found: _Rows, true: _Rows, *, size_px: float, threshold: float) -> Moment:
    order = np.argsort(-found[:, 5], kind="stable")
    answer = Detections(
        boxes_xyxy=(found[order, 1:5] / size_px).astype(np.float32),
        scores=found[order, 5].astype(np.float32),
        class_ids=np.zeros(len(order), np.int32),
    )
    is_sure = answer.scores >= threshold
    return Moment(
        frame=frame,
        time_s=time_s,
        found=answer.where(is_sure),
        unsure=answer.where(~is_sure & (answer.scores >= threshold / 2)),
        truth_ids=true[:, 0].astype(np.int64),
        truth_boxes=(true[:, 1:5] / size_px).astype(np.float32),
    )

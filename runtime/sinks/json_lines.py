"""Writes what was found as JSON lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..detection.classifications import Classification
from ..errors import InputError
from .frame_result import FrameResult

STDOUT = "-"


class JsonLinesSink:
    """One flushed line per frame, in a file or on stdout.

    Args:
        path: the file, replaced if it is there; `-` means stdout.
        class_names: in the order of class ids.

    Raises:
        InputError: the file cannot be written; a line that was begun is taken back.
    """

    needs_drawing = False

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self.name = str(path)
        self._class_names = class_names
        self._is_stdout = self.name == STDOUT
        self._file: IO[bytes] = sys.stdout.buffer if self._is_stdout else _opened(path)

    def write(self, result: FrameResult) -> None:
        """Write one line."""
        line = (json_line(result, self._class_names) + "\n").encode()
        if self._is_stdout:
            self._file.write(line)
            self._file.flush()
            return
        start = self._file.tell()
        try:
            written = 0
            while written < len(line):  # a full disk takes a part, and refuses the next
                written += self._file.write(line[written:])
        except OSError as error:
            os.ftruncate(self._file.fileno(), start)
            raise InputError(
                f"{self.name}: could not be written ({error.strerror}); it ends with the last whole line."
            ) from error

    def close(self) -> None:
        """Close the file."""
        if not self._is_stdout:
            self._file.close()


def json_line(result: FrameResult, class_names: Sequence[str]) -> str:
    """Put what was found in one frame into one line of JSON, without the line's end.

    Of a detector it lists `detections`, of a classifier `classes`. Boxes are corners in pixels of the frame, to 2
    decimals; scores have 4, `time_s` 6.
    """
    frame, found = result.frame, result.found
    line = {"source": frame.source, "frame": frame.index, "time_s": round(frame.time_s, 6)}
    if isinstance(found, Classification):
        classes = [
            {"label": class_names[class_id], "class_id": class_id, "score": round(float(score), 4)}
            for class_id, score in zip(found.class_ids.tolist(), found.scores, strict=True)
        ]
        return json.dumps({**line, "classes": classes}, ensure_ascii=False)
    height, width = frame.image.shape[:2]
    boxes_px = found.boxes_xyxy_px(height=height, width=width).astype(float)
    detections = [
        {
            "label": class_names[class_id],
            "class_id": class_id,
            "score": round(float(score), 4),
            "box_xyxy_px": [round(value, 2) for value in box],
        }
        for class_id, score, box in zip(found.class_ids.tolist(), found.scores, boxes_px.tolist(), strict=True)
    ]
    return json.dumps({**line, "detections": detections}, ensure_ascii=False)


def _opened(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb", buffering=0)
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be written to, got {error.strerror}.") from error

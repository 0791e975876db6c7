"""Writes what was found as JSON lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..detection.classifications import Classification
from ..errors import InputError
from .frame_result import FrameResult
from .output_file import OutputFile
from .sink import Sink

STDOUT = "-"


class JsonLinesSink(Sink):
    """One flushed line per frame, in a file or on stdout.

    Args:
        path: the file; what is in it stays until the first line comes. `-` means stdout.
        class_names: in the order of class ids.

    Raises:
        InputError: the file cannot be written; a line that was begun is taken back.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self._name = str(path)
        self._class_names = class_names
        self._output = None if self._name == STDOUT else OutputFile(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """The file; none of stdout."""
        return () if self._output is None else (self._name,)

    def write(self, result: FrameResult) -> None:
        """Write one line."""
        # Bytes of a file's name that are not UTF-8 become JSON's escapes, from which Python makes the same name.
        line = (json_line(result, self._class_names) + "\n").encode(errors="backslashreplace")
        if self._output is None:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            return
        self._output.begin()
        self._write_whole(line, self._output)

    def close(self) -> None:
        """Close the file."""
        if self._output is not None:
            self._output.close()

    def _write_whole(self, line: bytes, output: OutputFile) -> None:
        written = 0
        try:
            while written < len(line):  # a full disk takes a part, and refuses the next
                written += output.file.write(line[written:])
        except OSError as error:
            if output.is_regular:
                os.ftruncate(output.file.fileno(), os.fstat(output.file.fileno()).st_size - written)
            raise InputError(
                f"{self._name}: could not be written ({error.strerror}); it ends with the last whole line."
            ) from error


def json_line(result: FrameResult, class_names: Sequence[str]) -> str:
    """Put what was found in one frame into one line of JSON, without the line's end.

    Of a detector it lists `detections`, of a classifier `classes`. Boxes are corners in pixels of the frame, to 2
    decimals; scores have 4, `time_s` 6. Of a camera or stream there is `captured_at` too, ISO 8601 in UTC.
    """
    frame, found = result.frame, result.found
    line: dict[str, object] = {"source": frame.source, "frame": frame.index, "time_s": round(frame.time_s, 6)}
    if frame.captured_at is not None:
        line["captured_at"] = frame.captured_at.isoformat(timespec="milliseconds")
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

"""Writes what was found as JSON lines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ..detection.classifications import Classification
from ..errors import InputError
from .frame_result import FrameResult
from .full_disk import unwritten
from .output_file import OutputFile
from .sink import Sink

STDOUT = "-"


class JsonLinesSink(Sink):
    """One flushed line per frame, in a file or on stdout.

    Args:
        path: the file; what is in it stays until the first line comes. `-` means stdout.

    Raises:
        InputError: the file cannot be written; a line that was begun is taken back.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        if self._name == STDOUT and sys.stdout is None:
            raise InputError("--json -: expected stdout to be open, got it closed. Name a file.")
        self._output = None if self._name == STDOUT else OutputFile(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """The file, once there is a line in it; none of stdout."""
        return (self._name,) if self._output is not None and self._output.has_begun else ()

    def write(self, result: FrameResult) -> None:
        """Write one line."""
        # Bytes of a file's name that are not UTF-8 become JSON's escapes, from which Python makes the same name.
        line = (json_line(result) + "\n").encode(errors="backslashreplace")
        if self._output is None:
            _write_to_stdout(line)
            return
        self._output.begin()
        self._output.follow_name()
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
            text = f"{self._name}: could not be written ({error.strerror}); it ends with the last whole line."
            raise (unwritten(text, error.errno) if output.is_regular else InputError(text)) from error


def _write_to_stdout(line: bytes) -> None:
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # whoever read left, as `| head` does, which is no mistake
        raise
    except OSError as error:
        raise InputError(f"stdout: could not be written ({error.strerror}).") from error


def json_line(result: FrameResult) -> str:
    """Put what was found in one frame into one line of JSON, without the line's end.

    Of a detector it lists `detections`, of a classifier `classes`. Boxes are corners in pixels of the frame, to 2
    decimals; scores have 4, `time_s` 6. Of a camera or stream there are `captured_at`, ISO 8601 in UTC, the clock that
    says so, the age of the result and of each stage, and what was dropped until then; in a run of several `camera`;
    `held` where what was found is of an earlier frame.
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
    detections = [
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
    return json.dumps({**line, "detections": detections}, ensure_ascii=False)


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

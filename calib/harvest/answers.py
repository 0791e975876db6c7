"""What a run wrote about the frames of recordings, in the place of a detector's answers."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...runtime.detection.detections import Detections
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.sinks.frame_result import FrameResult
from ...runtime.sources.frame import Frame

Objects = Sequence[Mapping[str, Any]]
"""Of one frame, as `detections` of a JSON line has them; `Any` as they come from a file."""


class RecordedAnswers:
    """The lines of `rt-detect --json`, by recording and frame.

    Args:
        path: the file.
        class_names: of the model, in the order of class ids.

    Raises:
        InputError: it cannot be read, a line is no detector's, or speaks of other classes.
    """

    def __init__(self, path: StrPath, class_names: Sequence[str]) -> None:
        path = Path(path)
        self._path = path
        self._class_names = class_names
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: expected JSON lines of rt-detect, got {error}.") from error
        self._objects = dict(self._read(number, line) for number, line in enumerate(lines, 1) if line.strip())

    def results(self, frames: Iterable[Frame]) -> Generator[FrameResult, None, None]:
        """Give the frames that there is a line of, with what it says.

        Raises:
            InputError: a box is none.
        """
        for frame in frames:
            objects = self._objects.get((Path(frame.source).name, frame.index))
            if objects is not None:
                height, width = frame.image.shape[:2]
                found = Detections.from_dicts(objects, height=height, width=width)
                yield FrameResult(frame=frame, found=found, drawn=None, class_names=self._class_names)

    def _read(self, number: int, line: str) -> tuple[tuple[str, int], Objects]:
        try:
            said = json.loads(line)
            objects: Objects = said["detections"]
            key = (Path(said["source"]).name, int(said["frame"]))
            labels = {(each["class_id"], each["label"]) for each in objects}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self._path} line {number}: expected a line of rt-detect --json of a detector, got {line[:60]!r}."
            ) from error
        if others := labels - set(enumerate(self._class_names)):
            class_id, label = sorted(others)[0]
            raise InputError(
                f"{self._path} line {number}: expected the model's classes {', '.join(self._class_names)}, got {label} "
                f"as number {class_id}. Name the model that wrote the lines by --model."
            )
        return key, objects

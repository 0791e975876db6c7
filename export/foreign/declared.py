"""What a third-party detector's file says of itself; it decides before any guess."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.readers.yolo import read_yolo_settings
from ...runtime.errors import InputError
from ...runtime.files import StrPath

_OTHER_TASKS = {
    "segment": "masks (a seg model)",
    "pose": "keypoints (a pose model)",
    "obb": "turned boxes (an obb model)",
    "classify": "one class an image (a cls model)",
    "semantic": "a class a pixel (a semantic segmentation model)",
}
_NAME_KEYS = ("names", "character", "classes", "labels")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the metadata holds.

    Args:
        names: of the classes, in the order of the scores; None where the file names none.
        is_ultralytics: whether Ultralytics exported it, whose pictures are letterboxed.
        is_paddle: whether Paddle's tools wrote it.
        is_end_to_end: whether its outputs are detections already.
        size: height and width of the input in pixels; None where the file does not say.
    """

    names: tuple[str, ...] | None = None
    is_ultralytics: bool = False
    is_paddle: bool = False
    is_end_to_end: bool = False
    size: tuple[int, int] | None = None


def declared_of(path: Path, metadata: Mapping[str, str]) -> Declared:
    """Read an exporter's metadata.

    Exporters of the YOLO family write texts of Python values, `{0: 'person', ...}` under `names`; Paddle's deployed
    ones have a name a line under `character`.

    Args:
        path: the file, for errors.
        metadata: of it.

    Raises:
        InputError: the file says that it gives something else than boxes.
    """
    task = metadata.get("task", "detect")
    if task in _OTHER_TASKS:
        raise InputError(
            f"{path}: expected a detector of boxes, got one of {_OTHER_TASKS[task]}, as its metadata say: task {task}. "
            "Export a detection model."
        )
    names = next((found for key in _NAME_KEYS if (found := _names(metadata.get(key, "")))), None)
    size = _value(metadata.get("imgsz", ""))
    size = (size, size) if isinstance(size, int) else size
    is_size = isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size)
    options = _value(metadata.get("args", ""))
    return Declared(
        names=names if names is None or len(set(names)) == len(names) else None,
        is_ultralytics="ultralytics" in metadata.get("author", "").lower() or {"names", "task"} <= set(metadata),
        is_paddle="character" in metadata,
        is_end_to_end=metadata.get("end2end") == "True" or (isinstance(options, dict) and options.get("nms") is True),
        size=(size[0], size[1]) if is_size else None,
    )


def names_of_file(path: StrPath) -> tuple[str, ...]:
    """Read class names: one a line, or the `names` of a data set's YAML.

    Raises:
        InputError: the file cannot be read, or a name is in it twice.
    """
    path = Path(path)
    try:
        if path.suffix.lower() in (".yaml", ".yml"):
            return _different(path, read_yolo_settings(path).names)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise InputError(f"{path}: expected class names, one a line, got {reason}.") from error
    return _different(path, tuple(name for line in lines if (name := line.strip())))


def _different(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{path}: expected different class names, got {', '.join(repeated)} more than once.")
    return names


def _names(text: str) -> tuple[str, ...] | None:
    found = _value(text)
    listed = list(found.values()) if isinstance(found, dict) else found
    if isinstance(listed, (list, tuple)):
        return tuple(map(str, listed)) or None
    return tuple(text.split("\n")) if "\n" in text.strip() else None


def _value(text: str) -> Any:
    """Read the text of a Python value; Any because exporters write what they like, None where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None

"""Detections with one class each (box, score, class id) among a third-party detector's outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...runtime.card import Postprocess
from ...runtime.errors import InputError
from .graph import Outputs
from .reading import Array, Columns, Reading
from .rows import nothing_found


@dataclass(frozen=True, kw_only=True)
class Final:
    """Outputs, or columns of one, as the options name them."""

    boxes: str
    scores: str
    class_ids: str


def recognised_final(outputs: Outputs) -> Final | None:
    """Find detections of one class each among outputs [N, D, columns]: a column that holds whole numbers alone.

    Known: one output of box, score, class (YOLOv10, YOLO26, `nms=True`), of class, score, box (Paddle), of image, box,
    class, score (YOLOv7); two outputs, box and score beside class ids (MMDeploy); and three (DeepStream, TensorFlow,
    torchvision, DETR's deployed forms).
    """
    cubes = {name: value for name, value in outputs.items() if value.ndim == 3}
    for name, value in cubes.items():
        for width, score, class_id, box in ((6, 4, 5, 0), (6, 1, 0, 2), (7, 6, 5, 1)):
            if value.shape[2] != width or (len(cubes) > 1 and value.shape[1] == 1):
                continue
            if (
                _are_scores(value[..., score])
                and _are_ids(value[..., class_id])
                and (width == 6 or not value[..., 0].any())
            ):
                return Final(
                    boxes=f"{name}[{box}:{box + 4}]",
                    scores=f"{name}[{score}:{score + 1}]",
                    class_ids=f"{name}[{class_id}:{class_id + 1}]",
                )
    for name, value in cubes.items():  # MMDeploy's
        labels = [other for other, label in cubes.items() if label.shape == (*value.shape[:2], 1) and _are_ids(label)]
        if value.shape[2] == 5 and len(labels) == 1 and _are_scores(value[..., 4], "score"):
            return Final(boxes=f"{name}[0:4]", scores=f"{name}[4:5]", class_ids=labels[0])
    boxes = [name for name, value in cubes.items() if value.shape[2] == 4]
    single = {name: value for name, value in cubes.items() if value.shape[2] == 1}
    for name in boxes:
        beside = [other for other, value in single.items() if value.shape[1] == cubes[name].shape[1]]
        ids = _named([other for other in beside if _are_ids(single[other])], ("class", "label"))
        scored = [other for other in beside if other != ids and _are_scores(single[other], other)]
        scores = _named(scored, ("score", "conf"))
        if ids is not None and scores is not None:
            return Final(boxes=name, scores=scores, class_ids=ids)
    return None


def first_class_of(
    ids: Array, columns: Columns, told: int | Literal["none"] | None, class_count: int | None, guesses: list[str]
) -> int:
    """Say which id the first class has: 1 where 0 is the background.

    Args:
        ids: of what was found.
        columns: that they are.
        told: `--background`.
        class_count: of the names.
        guesses: a line is added.

    Raises:
        InputError: there are no names, or an id that has none.
    """
    if class_count is None:
        raise InputError(
            "--names: expected a file of class names, as detections with class ids do not tell how many classes there "
            "are, got none."
        )
    if not len(ids):
        raise nothing_found()
    highest, lowest = int(ids.max()), int(ids.min())
    first = int(told == 0)
    if told is None:
        is_usual = columns.output.startswith(("detection_classes", "labels"))
        first = int(highest == class_count or (lowest > 0 and is_usual))
        ground = "TensorFlow's and torchvision's begin at 1" if is_usual and first else "ids"
        guesses.append(
            f"--background {'0' if first else 'none'}: {ground} run from {lowest} to {highest}".replace(
                "1 run", "1; they run"
            )
        )
    if highest >= class_count + first:
        raise InputError(
            f"--names: expected a name for every class id, {lowest} to {highest}, got {class_count} names. "
            "--background 0 says that id 0 is no class."
        )
    return first


def is_suppressed(scores: Array) -> bool:
    """Say whether scores [N, D, 1] descend in every image, as they do behind suppression."""
    return bool((np.diff(scores[..., 0], axis=1) <= 0).all())


def without_suppression(postprocess: Postprocess, reading: Reading, rows: int) -> Postprocess:
    """Let detections that are final pass: no overlap suppresses, and all rows leave, where nothing else was said."""
    said = postprocess.model_fields_set
    changed: dict[str, float] = {}
    if reading.class_ids is not None and "candidates" not in said:
        changed["candidates"] = rows
    if reading.is_final:
        changed |= {"iou_threshold": 1.0} if "iou_threshold" not in said else {}
        changed |= {"max_detections": rows} if "max_detections" not in said else {}
    return postprocess.model_copy(update=changed)


def _are_ids(values: Array) -> bool:
    return bool((values >= -1).all() and (values == np.round(values)).all())


def _are_scores(values: Array, name: str = "") -> bool:
    if not values.any():  # nothing was found
        return "score" in name
    return bool((values >= 0).all() and (values <= 1).all() and (values != np.round(values)).any())


def _named(names: list[str], parts: tuple[str, ...]) -> str | None:
    """Choose the one whose name has a part, else the only one."""
    fitting = [name for name in names if any(part in name.lower() for part in parts)] or names
    return fitting[0] if len(fitting) == 1 else None

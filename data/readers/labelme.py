"""LabelMe's JSON, one for each picture: `shapes` with `label`, `points` and `shape_type`.

Convention: pixels, 0-based and in continuous edges. Of outlines and circles the enclosing box is read; points and lines
are none, and counted.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from .box_table import finite_numbers
from .label_files import LabelFilesLayout
from .reader import (
    OUTLINED,
    Annotation,
    AnnotationBrokenError,
    AnnotationMissingError,
    Edges,
    LabelledObject,
    edges_in_order,
)

POINTS_AND_LINES = "images with points or lines (which are not read)"
"""A remark, for the report."""

_SHAPES = re.compile(rb'"shapes"\s*:\s*\[|"shape_type"\s*:|"imageData"\s*:\s*"')
"""The picture's own bytes come first where keys were sorted."""
_BOXES = ("rectangle", "mask", "rotation", "polygon", "circle")


class LabelMeLayout(LabelFilesLayout):
    """Reads pictures with LabelMe's JSON beside them, or a folder of it."""

    kind = "labelme"
    form = "pictures with JSON beside them (LabelMe's)"
    suffix = ".json"
    noun = "LabelMe's JSON"

    @classmethod
    def is_labels(cls, head: bytes) -> bool:
        return _SHAPES.search(head) is not None

    def read_file(self, path: Path) -> Annotation:
        content = json_object(path)
        shapes = content.get("shapes")
        if not isinstance(shapes, list):
            raise AnnotationBrokenError(f"{path}: expected LabelMe's list shapes, got {str(shapes)[:80]}")
        kept = [
            shape for shape in shapes if not isinstance(shape, dict) or shape.get("shape_type", "polygon") in _BOXES
        ]
        sides = finite_numbers([content.get("imageHeight"), content.get("imageWidth")])
        return Annotation(
            objects=tuple(_object(shape, path) for shape in kept),
            size_hw_px=None if sides is None else (int(sides[0]), int(sides[1])),
            remark=POINTS_AND_LINES if len(kept) < len(shapes) else "",
        )


def json_object(path: Path) -> dict[str, Any]:
    """Read a JSON of one image's labels.

    Raises:
        AnnotationMissingError: there is no such file.
        AnnotationBrokenError: it is no JSON, or no table.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise AnnotationMissingError(f"{path}: expected an annotation, got no such file") from None
    except (OSError, ValueError) as error:
        raise AnnotationBrokenError(f"{path}: expected JSON, got {error}") from None
    if not isinstance(content, dict):
        raise AnnotationBrokenError(f"{path}: expected a table of labels, got {str(content)[:80]}")
    return content


def box_of_points(points: object) -> Edges | None:
    """Give the box around [[x, y], ...]; None for what are no points, or fewer than two."""
    if not isinstance(points, list) or len(points) < 2:
        return None
    numbers = [finite_numbers(point) for point in points if isinstance(point, list) and len(point) == 2]
    if len(numbers) < len(points) or None in numbers:
        return None
    xs, ys = zip(*(point for point in numbers if point is not None), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _object(shape: Any, path: Path) -> LabelledObject:  # foreign JSON
    label = str(shape.get("label") or "").strip() if isinstance(shape, dict) else ""
    points = shape.get("points") if isinstance(shape, dict) else None
    box = box_of_points(points)
    if not label or box is None or not isinstance(points, list):
        raise AnnotationBrokenError(f"{path}: expected a label and points for each shape, got {str(shape)[:80]}")
    kind = shape.get("shape_type", "polygon")
    if kind == "circle":  # its centre, and a point on it
        (x, y), (edge_x, edge_y) = points[:2]
        radius = math.hypot(edge_x - x, edge_y - y)
        box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "rectangle" and len(points) == 2:
        (first_x, first_y), (second_x, second_y) = points
        box, _ = edges_in_order((first_x, first_y, second_x, second_y))  # drawn from any corner
        return LabelledObject(name=label, box_xyxy=box, difficult=False)
    return LabelledObject(name=label, box_xyxy=box, difficult=False, remark=OUTLINED)

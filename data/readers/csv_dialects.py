"""Ways in which tools write boxes as CSV: which column says what, and in which convention."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime.image_files import IMAGE_SUFFIXES
from .box_table import finite_numbers
from .reader import Edges, edges_in_order

COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax")
DIFFICULT = "difficult"
CROWD = "crowd"
SPLIT = "split"
SHAPE, ATTRIBUTES = "shape", "attributes"
BOX = "box"
"""A column with x, y, width and height in brackets."""

_CORNERS = COLUMNS[2:]
_SIZES = ("x", "y", "w", "h")
_AROUND = ("cx", "cy", "w", "h")
_NAMES = {
    "image": ("image", "filename", "file_name", "image_name", "image_path", "imageid", "image_id", "img", "frame"),
    "label": ("label", "class", "labelname", "class_name", "label_name", "category", "category_name", "class_id"),
    "xmin": ("xmin", "x_min", "x1", "left"),
    "ymin": ("ymin", "y_min", "y1", "top"),
    "xmax": ("xmax", "x_max", "x2", "right"),
    "ymax": ("ymax", "y_max", "y2", "bottom"),
    DIFFICULT: (DIFFICULT,),
    CROWD: ("isgroupof",),
    SPLIT: (SPLIT, "subset", "set"),
    BOX: ("bbox", "box"),
}
"""What a column may be called, in small letters; the first that is there counts."""
_CENTRES = {"cx": ("x_center", "center_x", "cx", "xc"), "cy": ("y_center", "center_y", "cy", "yc")}
_SIDES = {
    "x": ("x", "bbox_x", "left", "xmin", "x_min"),
    "y": ("y", "bbox_y", "top", "ymin", "y_min"),
    "w": ("w", "bbox_width", "box_width", "width"),
    "h": ("h", "bbox_height", "box_height", "height"),
}
_VIA = {"filename": "image", "region_shape_attributes": SHAPE, "region_attributes": ATTRIBUTES}
_LABEL_ATTRIBUTES = ("class", "label", "name", "type", "category", "object")
_SETS = ("train", "validation", "test", "unassigned")
_HEADERLESS = {
    "RetinaNet's": ("image", *_CORNERS, "label"),
    "SKU110K's": ("image", *_CORNERS, "label", "width", "height"),
    "makesense.ai's": ("label", *_SIZES, "image", "width", "height"),
    "no header": COLUMNS,
    "AutoML's": (SPLIT, "image", "label", "xmin", "ymin", "", "", "xmax", "ymax"),
}


@dataclass(frozen=True, kw_only=True)
class CsvDialect:
    """One way.

    Args:
        name: for a person; nothing for our own.
        columns: what it says -> number of the column.
        delimiter: between fields.
        has_header: whether the first line names the columns.
        fields: in every line; None where lines end when they have no more to say.
        to_edges: what is added to (xmin, ymin, xmax, ymax) as written to get continuous edges.
        in_shares: of the image's width and height; None: the numbers tell.
        twice: columns that the first line names twice; such a file cannot be read.
    """

    name: str
    columns: Mapping[str, int]
    delimiter: str = ","
    has_header: bool = True
    fields: int | None = None
    to_edges: Edges = (0.0, 0.0, 0.0, 0.0)
    in_shares: bool | None = None
    twice: tuple[str, ...] = ()

    def row(self, fields: Sequence[str]) -> dict[str, str]:
        """Give what a line says, by its meaning; of a line that is too short or too long, the image alone counts."""
        texts = [field.strip() for field in fields]
        row = {meaning: texts[at] if at < len(texts) else "" for meaning, at in self.columns.items()}
        if self.fields is not None and len(texts) != self.fields:
            return {**dict.fromkeys((*self.columns, *COLUMNS), "?"), "image": row["image"]}
        return row

    def corners(self, row: Mapping[str, str]) -> tuple[list[str], Edges | None, str]:
        """Give a box as written, as edges if it is numbers, and what is to be told of it."""
        if SHAPE in row:
            return [row[SHAPE]], edges_of_shape(_json(row[SHAPE])), ""
        written = [row[name] for name in _place_of(row)] if BOX not in row else _bracketed(row[BOX])
        numbers = finite_numbers([text.replace(",", ".") for text in written] if self.delimiter == ";" else written)
        if numbers is None or len(numbers) != len(_CORNERS):
            return written, None, ""
        first_x, first_y, second_x, second_y = numbers
        if "cx" in row:
            first_x, first_y = first_x - second_x / 2, first_y - second_y / 2
        if "w" in row or BOX in row:
            second_x, second_y = first_x + second_x, first_y + second_y
        return written, *edges_in_order((first_x, first_y, second_x, second_y), self.to_edges)

    def label(self, row: Mapping[str, str]) -> str:
        """Give the name of the class; nothing if none is written."""
        if ATTRIBUTES not in row:
            return row["label"]
        return label_of_attributes(_json(row[ATTRIBUTES]))


def dialect_of(path: Path) -> CsvDialect | None:
    """Tell by its first line how a file is written; None if it tells of no boxes.

    A letter that cannot be read is a matter for whoever reads the lines below.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            line = file.readline()
    except OSError:
        return None
    delimiter = max(",;\t", key=line.count)
    try:
        first = [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return None
    if any(map(_is_image, first)):
        return _headerless(first, delimiter)
    return _with_header(first, delimiter)


def _with_header(names: Sequence[str], delimiter: str) -> CsvDialect | None:
    small = [name.lower() for name in names]
    fields = len(names)
    if set(_VIA) <= set(small):
        columns = {meaning: small.index(name) for name, meaning in _VIA.items()}
        return CsvDialect(name="VIA's", columns=columns, delimiter=delimiter, fields=fields, in_shares=False)
    written = {meaning: next((name for name in known if name in small), None) for meaning, known in _NAMES.items()}
    columns = {meaning: small.index(name) for meaning, name in written.items() if name is not None}
    if BOX not in columns and not set(_CORNERS) <= set(columns):
        columns.update(_sizes(small))
        columns = {meaning: at for meaning, at in columns.items() if meaning not in _CORNERS}
    is_known = {"image", "label"} <= set(columns) and any(
        set(way) <= set(columns) for way in (_CORNERS, _SIZES, _AROUND, [BOX])
    )
    if not is_known:
        return None
    twice = tuple(name for name in written.values() if name is not None and small.count(name) > 1)
    name, to_edges = "TensorFlow's", (0, 0, 0, 0)
    in_shares: bool | None = None
    if set(COLUMNS) <= set(names):
        name, to_edges, in_shares = "", (0, 0, 1, 1), False
    elif {"imageid", "labelname"} <= set(small):
        name, in_shares = "Open Images'", True
    elif not set(_CORNERS) <= set(columns):
        name = "centre and size" if "cx" in columns else "corner and size"
    return CsvDialect(
        name=name,
        columns=columns,
        delimiter=delimiter,
        fields=fields,
        to_edges=to_edges,
        in_shares=in_shares,
        twice=twice,
    )


def _sizes(small: Sequence[str]) -> dict[str, int]:
    """Find the columns of a corner or a centre, width and height; without those they are the image's."""
    names = {**_CENTRES, **_SIDES}
    found = {meaning: next((name for name in known if name in small), "") for meaning, known in names.items()}
    wanted = next((way for way in (_AROUND, _SIZES) if all(found[meaning] for meaning in way)), ())
    return {meaning: small.index(found[meaning]) for meaning in wanted}


def _place_of(row: Mapping[str, str]) -> Sequence[str]:
    return next((way for way in (_AROUND, _SIZES) if set(way) <= set(row)), _CORNERS)


def _headerless(first: Sequence[str], delimiter: str) -> CsvDialect | None:
    for name, meanings in _HEADERLESS.items():
        has_sets = meanings[0] == SPLIT
        fits = first[0].lower() in _SETS and len(first) > 1 if has_sets else len(first) == len(meanings)
        if fits and _is_image(first[meanings.index("image")]) and _is_box(first, meanings):
            return CsvDialect(
                name=name,
                columns={meaning: at for at, meaning in enumerate(meanings) if meaning},
                delimiter=delimiter,
                has_header=False,
                fields=None if has_sets else len(meanings),
                to_edges=(0, 0, 1, 1) if meanings == COLUMNS else (0, 0, 0, 0),
                in_shares=True if has_sets else False if meanings == COLUMNS else None,
            )
    return None


def _bracketed(text: str) -> list[str]:
    return re.split(r"\s*,\s*|\s+", text.strip("[]() ")) if text.strip() else [""]


def _is_image(text: str) -> bool:
    return text.lower().endswith(IMAGE_SUFFIXES)


def _is_box(first: Sequence[str], meanings: Sequence[str]) -> bool:
    written = [first[at] for at, name in enumerate(meanings) if name in (*_CORNERS, *_SIZES) and at < len(first)]
    return not any(written) or finite_numbers([text.replace(",", ".") for text in written]) is not None


def _json(text: str) -> dict[str, Any]:  # foreign JSON
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def label_of_attributes(attributes: Mapping[str, Any]) -> str:
    """Give the class among what VIA notes of a region; nothing if none is."""
    wanted = [name for name in attributes if name.lower() in _LABEL_ATTRIBUTES] or list(attributes)[:1]
    value = attributes[wanted[0]] if wanted else ""
    if isinstance(value, dict):  # of boxes to tick
        value = next((name for name, ticked in value.items() if ticked), "")
    return str(value).strip()


def edges_of_shape(shape: Mapping[str, Any]) -> Edges | None:
    """The box around one of VIA's shapes, in continuous edges; None for a point and for what is no shape."""
    numbers = {name: found[0] for name, value in shape.items() if (found := finite_numbers([value])) is not None}
    if {"x", "y", "width", "height"} <= numbers.keys():
        return numbers["x"], numbers["y"], numbers["x"] + numbers["width"], numbers["y"] + numbers["height"]
    if {"cx", "cy"} <= numbers.keys() and ("r" in numbers or {"rx", "ry"} <= numbers.keys()):
        rx, ry = numbers.get("rx", numbers.get("r", 0.0)), numbers.get("ry", numbers.get("r", 0.0))
        return numbers["cx"] - rx, numbers["cy"] - ry, numbers["cx"] + rx, numbers["cy"] + ry
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys) or len(xs) < 3:
        return None
    along, down = finite_numbers(xs), finite_numbers(ys)
    return None if along is None or down is None else (min(along), min(down), max(along), max(down))

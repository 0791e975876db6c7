"""The XML form of annotations that PASCAL VOC introduced and ImageNet took over."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from .reader import Annotation, AnnotationBrokenError, AnnotationMissingError, Edges, LabelledObject


def read_annotation_xml(path: Path, *, to_edges: Edges, names: Mapping[str, str] | None = None) -> Annotation:
    """Read one annotation file.

    Args:
        path: the XML file.
        to_edges: what is added to (xmin, ymin, xmax, ymax) as written to get continuous pixel edges.
        names: class name as written -> readable name; names not in it stay as they are.

    Raises:
        AnnotationMissingError: there is no such file.
        AnnotationBrokenError: it is not XML, or an object lacks its name or its four finite numbers.
    """
    try:
        root = ET.parse(path).getroot()
    except FileNotFoundError:
        raise AnnotationMissingError(f"{path}: expected an annotation, got no such file") from None
    except (ET.ParseError, OSError, ValueError) as error:
        raise AnnotationBrokenError(f"{path}: expected XML, got {error}") from None
    names = names or {}
    objects = []
    for element in root.iterfind("object"):
        written = (element.findtext("name") or "").strip()
        if not written:
            raise AnnotationBrokenError(f"{path}: expected a name for each object, got none")
        box = _box(element, path=path)
        objects.append(
            LabelledObject(
                name=names.get(written, written),
                box_xyxy=shifted(box, to_edges),
                difficult=(element.findtext("difficult") or "0").strip() == "1",
            )
        )
    return Annotation(objects=tuple(objects), size_hw_px=_size_hw_px(root))


def shifted(box: Edges, by: Edges) -> Edges:
    """Add two boxes number by number."""
    return box[0] + by[0], box[1] + by[1], box[2] + by[2], box[3] + by[3]


def _box(element: ET.Element, *, path: Path) -> Edges:
    # Only the object's own box: VOC's objects may hold parts (head, hand) with boxes of their own.
    values = []
    for corner in ("xmin", "ymin", "xmax", "ymax"):
        text = element.findtext(f"bndbox/{corner}")
        try:
            value = float(text if text is not None else "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise AnnotationBrokenError(f"{path}: expected a number for {corner}, got {text!r}")
        values.append(value)
    return values[0], values[1], values[2], values[3]


def _size_hw_px(root: ET.Element) -> tuple[int, int] | None:
    try:
        height = int(float(root.findtext("size/height") or ""))
        width = int(float(root.findtext("size/width") or ""))
    except (ValueError, OverflowError):
        return None
    # Some tools write 0 x 0 when they did not look.
    return (height, width) if height > 0 and width > 0 else None

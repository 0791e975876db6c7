"""The XML form of annotations that PASCAL VOC introduced and ImageNet took over."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.errors import InputError
from .reader import (
    OUTLINED,
    Annotation,
    AnnotationBrokenError,
    AnnotationMissingError,
    Edges,
    LabelledObject,
    edges_in_order,
    shifted,
)
from .text_lines import not_utf8

_DECLARED = re.compile(r"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["'][^>]*\?>""")
_BARE_AMPERSAND = re.compile(r"&(?!#?\w+;)")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS = frozenset({"1", "true", "yes"})


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
        root = xml_root(path)
    except FileNotFoundError:
        raise AnnotationMissingError(f"{path}: expected an annotation, got no such file") from None
    except (OSError, InputError) as error:
        raise AnnotationBrokenError(str(error)) from None
    names = names or {}
    objects = []
    for element in root.iter("object"):  # also inside of `objects`
        written = (element.findtext("name") or "").strip()
        if not written:
            raise AnnotationBrokenError(f"{path}: expected a name for each object, got none")
        box, remark = _box(element, to_edges, path=path)
        objects.append(
            LabelledObject(
                name=names.get(written, written),
                box_xyxy=box,
                difficult=(element.findtext("difficult") or "0").strip().lower() in _FLAGS,
                remark=remark,
            )
        )
    return Annotation(objects=tuple(objects), size_hw_px=_size_hw_px(root))


def xml_root(path: Path) -> ET.Element:
    """Read an XML file in the encoding that it declares, also one that XML's own parser does not know, as GBK.

    Raises:
        InputError: it is not XML, or not in that encoding.
        OSError: it cannot be opened.
    """
    data = path.read_bytes()
    declared = _DECLARED.match(data[:200].decode("ascii", "ignore"))
    try:
        if declared is not None and not declared[1].lower().startswith("utf"):
            text = data.decode(declared[1])
            return _without_namespaces(ET.fromstring(text[text.index("?>") + 2 :]))
        return _without_namespaces(ET.fromstring(data.lstrip()))
    except UnicodeDecodeError as error:
        raise not_utf8(str(path), error) from None
    except LookupError:
        raise InputError(
            f"{path}: expected an encoding that is known, got {declared and declared[1]}. Save it as UTF-8."
        ) from None
    except (ET.ParseError, ValueError) as error:
        raise _no_xml(path, data, error) from None


def _without_namespaces(root: ET.Element) -> ET.Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _no_xml(path: Path, data: bytes, error: Exception) -> InputError:
    """Say what people's files are broken by most often, else what the parser says."""
    try:
        text = data.decode()
    except UnicodeDecodeError as undecoded:
        line = data.count(b"\n", 0, undecoded.start) + 1
        return not_utf8(f"{path} line {line}", undecoded)
    got = str(error)
    if (bare := _BARE_AMPERSAND.search(text)) is not None:
        line = text.count("\n", 0, bare.start()) + 1
        got = f"a bare & in line {line}. Write &amp; there."
    return InputError(f"{path}: expected XML, got {got}")


def _box(element: ET.Element, to_edges: Edges, *, path: Path) -> tuple[Edges, str]:
    """Give the edges of an object's box, or of its outline or turned box; and what is to be told of it."""
    # Only the object's own box: VOC's objects may hold parts (head, hand) with boxes of their own.
    polygon = element.find("polygon")
    turned = element.find("robndbox")
    if element.find("bndbox") is None and polygon is not None:
        xs, ys = (_numbered(polygon, axis, path=path) for axis in "xy")
        if len(xs) == len(ys) > 2:
            return shifted((min(xs), min(ys), max(xs), max(ys)), to_edges), OUTLINED
    if element.find("bndbox") is None and turned is not None and turned.find("cx") is not None:
        cx, cy, width, height, angle = _numbers(turned, ("cx", "cy", "w", "h", "angle"), path=path)
        sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
        across, down = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
        return shifted((cx - across, cy - down, cx + across, cy + down), to_edges), OUTLINED
    xmin, ymin, xmax, ymax = _numbers(element, [f"bndbox/{corner}" for corner in _CORNERS], path=path)
    return edges_in_order((xmin, ymin, xmax, ymax), to_edges)


def _numbered(polygon: ET.Element, axis: str, *, path: Path) -> list[float]:
    """Read x1, x2, ... of an outline."""
    return _numbers(polygon, [item.tag for item in polygon if re.fullmatch(rf"{axis}\d+", item.tag)], path=path)


def _numbers(element: ET.Element, places: Sequence[str], *, path: Path) -> list[float]:
    values = []
    for place in places:
        text = element.findtext(place)
        try:
            value = float((text or "").replace(",", "."))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            got = "none" if text is None else repr(text)
            raise AnnotationBrokenError(f"{path}: expected a number for {place}, got {got}")
        values.append(value)
    return values


def _size_hw_px(root: ET.Element) -> tuple[int, int] | None:
    try:
        height = int(float(root.findtext("size/height") or ""))
        width = int(float(root.findtext("size/width") or ""))
    except (ValueError, OverflowError):
        return None
    # Some tools write 0 x 0 when they did not look.
    return (height, width) if height > 0 and width > 0 else None

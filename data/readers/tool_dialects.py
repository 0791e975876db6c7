"""How tools write the labels of many pictures into one file of their own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...runtime.image_files import IMAGE_SUFFIXES
from .box_table import finite_numbers
from .coco_masks import box_of_mask
from .csv_dialects import edges_of_shape, label_of_attributes
from .labelme import POINTS_AND_LINES
from .reader import OUTLINED, Edges

_PICTURE = re.compile(rf"({'|'.join(map(re.escape, IMAGE_SUFFIXES))})(\?|$)", re.IGNORECASE)
SUFFIXES = (".json", ".jsonl", ".ndjson", ".manifest", ".xml")


@dataclass(frozen=True, kw_only=True)
class ToolObject:
    """An object as a tool wrote it; without a label or a box it cannot be understood."""

    label: str
    box_xyxy: Edges | None
    remark: str = ""
    got: str = ""
    """What was there, for the report, where it cannot be understood."""


@dataclass(frozen=True, kw_only=True)
class ToolImage:
    """What a file says of one image; `is_unlabelled` tells one that nobody looked at from one without objects."""

    name: str
    objects: Sequence[ToolObject]
    hw_px: tuple[int, int] = (0, 0)
    split: str = ""
    remark: str = ""
    is_unlabelled: bool = False


@dataclass(frozen=True, kw_only=True)
class ToolLabels:
    """What a file says; `class_names` as far as it lists them."""

    images: Sequence[ToolImage]
    class_names: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ToolDialect:
    """One tool's way.

    Args:
        name: for a person.
        sign: what the beginning of a file has.
        read: from JSON, a list of JSON lines, or XML's root. Whatever it raises of the wrong kind of content is told.
        suffixes: of its files.
        is_lines: whether each line is JSON.
        in_shares: whether boxes are in shares of the image's width and height.
    """

    name: str
    sign: re.Pattern[bytes]
    read: Callable[[Any], ToolLabels]
    suffixes: tuple[str, ...] = (".json",)
    is_lines: bool = False
    in_shares: bool = False


@dataclass
class _Objects:
    """Gathers the objects of one image, and counts what is no box."""

    kept: list[ToolObject] = field(default_factory=list)
    has_points: bool = False

    def add(self, label: object, box: Edges | None, *, is_outline: bool = False, got: object = "") -> None:
        name = "" if label is None else str(label).strip()
        self.kept.append(ToolObject(label=name, box_xyxy=box, remark=OUTLINED if is_outline else "", got=str(got)))

    @property
    def remark(self) -> str:
        return POINTS_AND_LINES if self.has_points else ""


def _via(content: Any) -> ToolLabels:
    images = []
    for entry in content.get("_via_img_metadata", content).values():
        regions = entry.get("regions") or []
        objects = _Objects()
        for region in regions.values() if isinstance(regions, dict) else regions:
            shape = region["shape_attributes"]
            if shape.get("name") in ("point", "polyline"):
                objects.has_points = True
                continue
            is_outline = shape.get("name") not in ("rect", "circle", "ellipse")
            label = label_of_attributes(region.get("region_attributes") or {})
            objects.add(label, edges_of_shape(shape), is_outline=is_outline, got=region)
        images.append(ToolImage(name=entry["filename"], objects=objects.kept, remark=objects.remark))
    return ToolLabels(images=images)


def _createml(content: Any) -> ToolLabels:
    images = []
    for entry in content:
        objects = _Objects()
        for item in entry.get("annotations") or entry.get("annotation") or []:
            place = item.get("coordinates") or {}
            numbers = finite_numbers([place.get(name) for name in ("x", "y", "width", "height")])
            objects.add(item.get("label"), None if numbers is None else _around(*numbers), got=item)
        name = entry.get("image") or entry.get("imagefilename") or entry.get("filename") or ""
        images.append(ToolImage(name=name, objects=objects.kept))
    return ToolLabels(images=images)


def _label_studio(content: Any) -> ToolLabels:
    images = []
    for task in content:
        answers = [item for item in task.get("annotations", task.get("completions", ())) if isinstance(item, dict)]
        meant = [item for item in answers if not item.get("was_cancelled")]
        results = (meant[0]["result"] or []) if meant else []
        values = [(item["value"], item) for item in results]
        images.append(_label_studio_image(_picture_of(task["data"]), values, is_unlabelled=not meant))
    return ToolLabels(images=images)


def _label_studio_min(content: Any) -> ToolLabels:
    images = []
    for task in content:
        lists = [value for value in task.values() if isinstance(value, list)]
        values = [item for value in lists for item in value if isinstance(item, dict)]
        images.append(
            _label_studio_image(_picture_of(task), [(item, item) for item in values], is_unlabelled=not lists)
        )
    return ToolLabels(images=images)


def _picture_of(task: Mapping[str, Any]) -> str:
    """Give the name of a task's picture: under a usual key, else the first that is named like one."""
    usual = [value for key in ("image", "img", "url", "photo") if isinstance(value := task.get(key), str)]
    named = [value for value in task.values() if isinstance(value, str) and _PICTURE.search(value)]
    return next(iter([*usual, *named]), "")


def _label_studio_image(name: str, values: Sequence[tuple[Any, Any]], *, is_unlabelled: bool) -> ToolImage:
    objects = _Objects()
    hw = (0, 0)
    for value, item in values:
        if not isinstance(value, dict):
            continue
        labels = next((value[key] for key in value if key.endswith("labels") and value[key]), None)
        if labels is None and not {"x", "points"} & value.keys():
            continue  # a choice or a text about the whole image
        height, width = item.get("original_height"), item.get("original_width")
        hw = (height, width) if isinstance(height, int) and isinstance(width, int) else hw
        if "keypointlabels" in value or "brushlabels" in value:
            objects.has_points = True
            continue
        box, is_outline = _label_studio_box(value, hw)
        objects.add(labels[0] if isinstance(labels, list) else None, box, is_outline=is_outline, got=value)
    return ToolImage(name=name, objects=objects.kept, hw_px=hw, remark=objects.remark, is_unlabelled=is_unlabelled)


def _label_studio_box(value: Mapping[str, Any], hw: tuple[int, int]) -> tuple[Edges | None, bool]:
    """Turn percents of the image into shares; a box is turned about its first corner."""
    points = value.get("points")
    if isinstance(points, list):
        numbers = [finite_numbers(point) for point in points]
        corners = [(each[0] / 100, each[1] / 100) for each in numbers if each is not None and len(each) == 2]
        return (_enclosing(corners) if len(corners) == len(points) > 2 else None), True
    radii = finite_numbers([value.get(name) for name in ("x", "y", "radiusX", "radiusY")])
    if radii is not None:
        x, y, across, down = (number / 100 for number in radii)
        return (x - across, y - down, x + across, y + down), False
    numbers_of_box = finite_numbers([value.get(name) for name in ("x", "y", "width", "height")])
    if numbers_of_box is None:
        return None, False
    x, y, width, height = (number / 100 for number in numbers_of_box)
    angle = finite_numbers([value.get("rotation") or 0]) or (0.0,)
    if not angle[0]:
        return (x, y, x + width, y + height), False
    ratio = hw[1] / hw[0] if all(hw) else 1.0  # an angle is one of pixels
    sine, cosine = math.sin(math.radians(angle[0])), math.cos(math.radians(angle[0]))
    corners = [
        (x + (right * cosine - down * sine / ratio), y + (right * sine * ratio + down * cosine))
        for right in (0, width)
        for down in (0, height)
    ]
    return _enclosing(corners), True


def _datumaro(content: Any) -> ToolLabels:
    names = [item["name"] for item in content["categories"]["label"]["labels"]]
    images = []
    for entry in content["items"]:
        objects = _Objects()
        for item in entry["annotations"]:
            kind, number = item["type"], item.get("label_id")
            label = names[number] if isinstance(number, int) and 0 <= number < len(names) else f"label {number}"
            if kind == "bbox":
                objects.add(label, _from_corner(item["bbox"]), got=item)
            elif kind == "polygon":
                objects.add(label, box_of_mask(item["points"]), is_outline=True, got=item)
            elif kind == "mask":
                objects.add(label, box_of_mask(item.get("rle")), is_outline=True, got=item)
            elif kind in ("points", "polyline"):
                objects.has_points = True
        image = entry.get("image") or {}
        size = image.get("size") or (0, 0)
        name = image.get("path") or entry["id"] + ".jpg"
        images.append(ToolImage(name=name, objects=objects.kept, hw_px=(size[0], size[1]), remark=objects.remark))
    return ToolLabels(images=images, class_names=names)


def _fiftyone(content: Any) -> ToolLabels:
    names = [str(name) for name in content.get("classes") or []]
    images = []
    for image, items in content["labels"].items():
        objects = _Objects()
        for item in items or []:
            label = item.get("label")
            label = names[label] if isinstance(label, int) and 0 <= label < len(names) else label
            objects.add(label, _from_corner(item["bounding_box"]), got=item)
        images.append(ToolImage(name=image if "." in image else image + ".jpg", objects=objects.kept))
    return ToolLabels(images=images, class_names=names)


def _sagemaker(content: Any) -> ToolLabels:
    names: dict[str, None] = {}
    images = []
    for entry in content:
        jobs = [name for name, value in entry.items() if isinstance(value, dict) and "annotations" in value]
        objects = _Objects()
        hw = (0, 0)
        for job in jobs[:1]:
            of_id = {int(key): name for key, name in entry[f"{job}-metadata"]["class-map"].items()}
            names.update(dict.fromkeys(of_id[key] for key in sorted(of_id)))
            for item in entry[job]["annotations"]:
                box = _from_corner([item.get(name) for name in ("left", "top", "width", "height")])
                objects.add(of_id.get(item["class_id"]), box, got=item)
            size = (entry[job].get("image_size") or [{}])[0]
            hw = (size.get("height", 0), size.get("width", 0))
        images.append(ToolImage(name=entry["source-ref"], objects=objects.kept, hw_px=hw, is_unlabelled=not jobs))
    return ToolLabels(images=images, class_names=tuple(names))


def _vertex(content: Any) -> ToolLabels:
    images = []
    for entry in content:
        objects = _Objects()
        for item in entry.get("boundingBoxAnnotations") or []:
            # What is 0 is left out.
            numbers = finite_numbers([item.get(name, 0) for name in ("xMin", "yMin", "xMax", "yMax")])
            box = None if numbers is None else (numbers[0], numbers[1], numbers[2], numbers[3])
            objects.add(item.get("displayName"), box, got=item)
        split = (entry.get("dataItemResourceLabels") or {}).get("aiplatform.googleapis.com/ml_use", "")
        images.append(ToolImage(name=entry["imageGcsUri"], objects=objects.kept, split=split))
    return ToolLabels(images=images)


def _ultralytics(content: Any) -> ToolLabels:
    named = content[0]["class_names"]
    names = {int(key): name for key, name in (named.items() if isinstance(named, dict) else enumerate(named))}
    images = []
    for entry in content[1:]:
        objects = _Objects()
        annotations = entry.get("annotations") or {}
        if unknown := [key for key, value in annotations.items() if value and key not in _NDJSON_KINDS]:
            raise ValueError(f"annotations of the kind {unknown[0]}, which are no boxes")
        posed = [[*item[:5]] for item in annotations.get("pose") or []]  # key points behind each box
        for number, *place in [*(annotations.get("boxes") or []), *posed]:
            numbers = finite_numbers(place)
            box = _around(*numbers) if numbers is not None and len(numbers) == 4 else None
            objects.add(names.get(int(number), f"class {number}"), box, got=place)
        for number, *points in [*(annotations.get("segments") or []), *(annotations.get("obb") or [])]:
            objects.add(names.get(int(number), f"class {number}"), box_of_mask([points]), is_outline=True, got=points)
        hw = (entry.get("height", 0), entry.get("width", 0))
        images.append(ToolImage(name=entry["file"], objects=objects.kept, hw_px=hw, split=entry.get("split", "")))
    return ToolLabels(images=images, class_names=[names[key] for key in sorted(names)])


def _cvat(root: Any) -> ToolLabels:
    if root.find("track") is not None:
        raise ValueError("tracks of a video; `CVAT for images` has what is read here")
    names = [text.strip() for label in root.iterfind("meta//labels/label") if (text := label.findtext("name"))]
    images = []
    for element in root.iterfind("image"):
        objects = _Objects()
        for item in element:
            if item.tag in ("points", "polyline", "skeleton"):
                objects.has_points = True
            elif item.tag != "tag":
                box, is_outline = _cvat_box(item)
                objects.add(item.get("label"), box, is_outline=is_outline, got=f"{item.tag} {item.attrib}")
        hw = (int(element.get("height", 0)), int(element.get("width", 0)))
        split = (element.get("subset") or "").lower()
        images.append(
            ToolImage(
                name=element.get("name", ""),
                objects=objects.kept,
                hw_px=hw,
                split="" if split == "default" else split,
                remark=objects.remark,
            )
        )
    return ToolLabels(images=images, class_names=names)


def _cvat_box(item: Any) -> tuple[Edges | None, bool]:  # an XML element
    def numbers(*names: str) -> tuple[float, ...] | None:
        return finite_numbers([item.get(name, "") for name in names])

    if item.tag == "polygon":
        pairs = [pair.split(",") for pair in item.get("points", "").split(";")]
        return box_of_mask([[number for pair in pairs for number in pair]]), True
    if item.tag == "ellipse" and (of_ellipse := numbers("cx", "cy", "rx", "ry")) is not None:
        cx, cy, rx, ry = of_ellipse
        return (cx - rx, cy - ry, cx + rx, cy + ry), False
    if item.tag == "mask" and (of_mask := numbers("left", "top", "width", "height")) is not None:
        return _from_corner(of_mask), True
    corners = numbers("xtl", "ytl", "xbr", "ybr")
    if corners is None:
        return None, False
    xmin, ymin, xmax, ymax = corners
    angle = math.radians((numbers("rotation") or (0.0,))[0])
    if not angle:
        return (xmin, ymin, xmax, ymax), False
    cx, cy, width, height = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    return _around(cx, cy, width * cosine + height * sine, width * sine + height * cosine), True


def _around(cx: float, cy: float, width: float, height: float) -> Edges:
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2


def _from_corner(box: Sequence[object]) -> Edges | None:
    numbers = finite_numbers(box)
    if numbers is None or len(numbers) != 4:
        return None
    x, y, width, height = numbers
    return x, y, x + width, y + height


def _enclosing(corners: Sequence[tuple[float, float]]) -> Edges:
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _signs(*alternatives: str) -> re.Pattern[bytes]:
    return re.compile("|".join(alternatives).encode(), re.DOTALL)


_NDJSON_KINDS = ("boxes", "pose", "segments", "obb")
_LINES = (".jsonl", ".ndjson", ".json", ".manifest")

DIALECTS = (
    ToolDialect(
        name="CVAT's XML", sign=_signs(r"<annotations>.*<(image\s[^>]*name=|track\s)"), read=_cvat, suffixes=(".xml",)
    ),
    ToolDialect(name="VIA's JSON", sign=_signs(r'"_via_img_metadata"', r'"shape_attributes"'), read=_via),
    ToolDialect(
        name="Label Studio's JSON",
        sign=_signs(r'^\s*\[.*"data"\s*:\s*\{.*"result"\s*:'),
        read=_label_studio,
        in_shares=True,
    ),
    ToolDialect(
        name="Label Studio's short JSON",
        sign=_signs(r'^\s*\[.*"(rectangle|polygon|ellipse)labels"'),
        read=_label_studio_min,
        in_shares=True,
    ),
    ToolDialect(name="CreateML's JSON", sign=_signs(r'^\s*\[.*"coordinates"\s*:'), read=_createml),
    ToolDialect(name="Datumaro's JSON", sign=_signs(r'^\s*\{.*"items"\s*:\s*\['), read=_datumaro),
    ToolDialect(
        name="FiftyOne's JSON",
        sign=_signs(r'^\s*\{.*"labels"\s*:\s*\{.*"bounding_box"'),
        read=_fiftyone,
        in_shares=True,
    ),
    ToolDialect(
        name="SageMaker's manifest",
        sign=_signs(r'^\s*\{.*"source-ref"\s*:'),
        read=_sagemaker,
        suffixes=_LINES,
        is_lines=True,
    ),
    ToolDialect(
        name="Vertex AI's JSON lines",
        sign=_signs(r'^\s*\{.*"imageGcsUri"\s*:'),
        read=_vertex,
        suffixes=_LINES,
        is_lines=True,
        in_shares=True,
    ),
    ToolDialect(
        name="Ultralytics' NDJSON",
        sign=_signs(r'^\s*\{[^\n]*"class_names"\s*:\s*[\{\[]'),
        read=_ultralytics,
        suffixes=_LINES,
        is_lines=True,
        in_shares=True,
    ),
)
"""In the order in which they are looked for."""

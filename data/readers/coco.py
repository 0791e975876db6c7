"""COCO's layout: one JSON a split, beside folders of images.

Convention: `bbox` is (x, y, width, height) in pixels, 0-based and in continuous edges: x is the left edge itself, and
x + width the right one. Category ids may have gaps; classes are numbered anew in the order of the ids. A crowd
(`iscrowd`) is a region of many objects and no object: it is neither learned nor held against a detector. Nor is what
other tools mark by `ignore` alone; but that is one object, hence no crowd. Masks, key points and captions are not read.

Images are listed by their ids, as COCO's own evaluation takes them: of equal scores the first counts first.

The JSON has to be read whole, once; only boxes, areas, classes, ids and file names are kept of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from .box_table import BoxTable, TableLayout, finite_numbers, folder_of_images, id_from_path, images_base
from .reader import Place, folder_around, with_usual_names
from .text_lines import not_utf8

_BESIDE_IMAGES = "_annotations.coco.json"
_PREFIX = "instances_"


@dataclass(frozen=True, kw_only=True)
class CocoIds:
    """How one JSON numbers what it holds, for results that others hold against it.

    Args:
        images: our id -> COCO's.
        categories: class name -> COCO's id.
    """

    images: dict[str, int | str]
    categories: dict[str, int]


class CocoLayout(TableLayout):
    """Reads `annotations/instances_SPLIT.json`, or `SPLIT/_annotations.coco.json`."""

    kind = "coco"
    form = "annotations/*.json (COCO's)"

    def __init__(self, root: Path) -> None:
        """Open the folder that holds `annotations`.

        Raises:
            InputError: a file is not COCO's.
        """
        lists = _lists(root)
        base = images_base(root)
        files = [_read(path, split=split, root=root, base=base) for split, path in lists.items()]
        tables = [table for table, _ in files]
        super().__init__(name=root.resolve().name, base=base, lists=with_usual_names(lists), tables=tables)
        self._ids = {table.source: ids for table, ids in files}

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder that holds `annotations`, or folders with a JSON beside the images."""
        folder = folder_around(root, "annotations", lambda path: bool(_lists(path)))
        if folder is None:
            return []
        annotations = folder / "annotations"
        return [Place(path=annotations if annotations.is_dir() else folder, open=partial(cls, folder))]

    def ids(self, split: str) -> CocoIds:
        """Tell COCO's own ids in one of the lists."""
        return self._ids[self.lists[split]]


def _lists(root: Path) -> dict[str, Path]:
    """Leave out COCO's captions and key points, which lie beside the boxes under names of their own."""
    beside_images = {path.parent.name: path for path in sorted(root.glob(f"*/{_BESIDE_IMAGES}"))}
    files = sorted((root / "annotations").glob("*.json"))
    instances = [path for path in files if path.stem.startswith(_PREFIX)]
    return {path.stem.removeprefix(_PREFIX): path for path in instances or files} or beside_images


def _read(path: Path, *, split: str, root: Path, base: Path) -> tuple[BoxTable, CocoIds]:
    content = _content(path)
    table = BoxTable(path, is_labelled="annotations" in content)
    names = _category_names(content, path=path)
    table.class_names = dict.fromkeys(names.values())
    folder = folder_of_images(
        [path.parent, root / split, root / "images" / split, root / "images", root],
        (str(entry["file_name"]) for entry in _entries(content, "images") if "file_name" in entry),
    )
    image_ids = _add_images(table, content, folder=folder, base=base)
    for entry in _entries(content, "annotations"):
        _add_object(table, entry, image_ids=image_ids, names=names)
    written = {_id(entry["id"]): entry["id"] for entry in _entries(content, "images") if "id" in entry}
    ids = CocoIds(
        images={image_id: written[coco_id] for coco_id, image_id in image_ids.items()},
        categories={
            name: category_id for category_id, name in reversed(names.items())
        },  # of two of one name, the first
    )
    return table, ids


def _content(path: Path) -> dict[str, Any]:  # JSON, not looked at yet
    try:
        content = json.loads(path.read_bytes())
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise not_utf8(f"{path} line {line}", error) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected COCO's JSON, got {error}. Mend the file or take it away.") from error
    wanted = ("images", "categories")
    if not isinstance(content, dict) or any(not isinstance(content.get(key), list) for key in wanted):
        there = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(
            f"{path}: expected COCO's lists images, annotations and categories, got {there or 'none'}. "
            f"Keep only files with boxes there, or name them {_PREFIX}SPLIT.json."
        )
    return content


def _entries(content: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:  # foreign JSON
    """Go through one of the lists; what is no object is given as an empty one, whose lack of everything is noticed."""
    for entry in content.get(key) or ():
        yield entry if isinstance(entry, dict) else {}


def _id(value: object) -> int | str | None:
    """Take 7, 7.0 and "7" for one id, as files of several tools mix them; None for what is no id."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and value == str(int(value)):
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) and value != "" else None


def _category_names(content: dict[str, Any], *, path: Path) -> dict[int, str]:
    """Category id -> name, by ascending id."""
    names: dict[int, str] = {}
    for entry in _entries(content, "categories"):
        category_id, name = _id(entry.get("id")), entry.get("name")
        if not isinstance(category_id, int) or not isinstance(name, str) or not name.strip():
            raise InputError(f"{path}: expected categories with an id and a name, got {entry}. Mend the file.")
        if names.setdefault(category_id, name.strip()) != name.strip():
            raise InputError(f"{path}: expected one name for category {category_id}, got two. Mend the file.")
    return {category_id: names[category_id] for category_id in sorted(names)}


def _add_images(table: BoxTable, content: dict[str, Any], *, folder: Path, base: Path) -> dict[Any, str]:
    """List the images; returns COCO's id -> ours. Two entries of one file share its id, so that no label is lost."""
    image_ids: dict[Any, str] = {}  # people use numbers and texts
    for entry in sorted(_entries(content, "images"), key=_by_id):
        coco_id, file_name = _id(entry.get("id")), entry.get("file_name")
        if coco_id is None or not isinstance(file_name, str) or not file_name:
            table.add_stray(f"{table.source}: expected an image with an id and a file_name, got {_short(entry)}")
            continue
        image_id = id_from_path(folder / file_name, base)
        height, width = entry.get("height"), entry.get("width")
        is_told = isinstance(height, int) and isinstance(width, int)
        table.add_image(image_id, hw_px=(int(height or 0), int(width or 0)) if is_told else (0, 0))
        if image_ids.setdefault(coco_id, image_id) != image_id:
            for each in (image_id, image_ids[coco_id]):
                table.add_broken(each, f"{table.source}: expected different image ids, got {coco_id} twice")
    return image_ids


def _by_id(entry: dict[str, Any]) -> tuple[bool, int, str]:
    """Order images as COCO does; numbers before texts, as no data set has both."""
    coco_id = _id(entry.get("id"))
    return not isinstance(coco_id, int), coco_id if isinstance(coco_id, int) else 0, str(coco_id)


def _add_object(table: BoxTable, entry: dict[str, Any], *, image_ids: dict[Any, str], names: dict[int, str]) -> None:
    image_id = image_ids.get(_id(entry.get("image_id")))
    if image_id is None:
        table.add_stray(f"{table.source}: expected an annotation of a listed image, got {_short(entry)}")
        return
    box = entry.get("bbox")
    numbers = finite_numbers(box) if isinstance(box, list) and len(box) == 4 else None
    if numbers is None:
        table.add_broken(image_id, f"{table.source}, {image_id}: expected bbox with four numbers, got {box!r}")
        return
    x, y, width, height = numbers
    category = _id(entry.get("category_id"))
    name = names.get(category) if isinstance(category, int) else None
    area = finite_numbers([entry.get("area")])
    is_crowd = bool(entry.get("iscrowd"))
    table.add_object(
        image_id,
        name=f"category {category}" if name is None else name,
        box_xyxy_px=(x, y, x + width, y + height),
        difficult=is_crowd or bool(entry.get("ignore")),
        crowd=is_crowd,
        area_px=None if area is None else area[0],
    )


def _short(entry: dict[str, Any]) -> str:
    """Leave out masks, which run over pages."""
    return re.sub(r"\s+", " ", json.dumps({key: value for key, value in entry.items() if key != "segmentation"}))[:120]

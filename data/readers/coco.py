"""COCO's layout: one JSON a split, in `annotations`, beside the images or at the root.

Convention: `bbox` is (x, y, width, height) in pixels, 0-based and in continuous edges: x is the left edge itself, and
x + width the right one. Category ids may have gaps; classes are numbered anew in the order of the ids. A crowd
(`iscrowd`) is a region of many objects and no object: it is neither learned nor held against a detector. Nor is what
other tools mark by `ignore`, perhaps by both as VOC's difficult objects are; but that is one object, hence no crowd.
Of a mask without a box the enclosing box is read; other masks, key points and captions are not. A category without
objects that is the super-category of another, as Roboflow's category 0 is, is no class.

Images are listed by their ids, as COCO's own evaluation takes them: of equal scores the first counts first.

The JSON has to be read whole, once; only boxes, areas, classes, ids and file names are kept of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from .box_table import BoxTable, TableLayout, finite_numbers
from .coco_masks import box_of_mask
from .pictures import Pictures, any_case, id_from_path, images_base
from .reader import Edges, Place, edges_in_order, with_usual_names
from .text_lines import not_utf8
from .tool_file import is_tool_file

_PREFIX = "instances_"
_USUAL_NAME = "_annotations.coco"
_MOST_FILES = 20
"""In a folder with more JSON files than these, each tells of one image, as LabelMe's do."""
_HEAD_BYTES = 1_000_000
_COCO = re.compile(rb'"(images|annotations)"\s*:\s*(\[|null)')
_ITEMS = re.compile(rb'"items"\s*:\s*\[')
"""Datumaro's list, whose images have annotations too."""
_MASKED = "objects given by masks alone (their enclosing boxes are taken)"


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
    """Reads `annotations/instances_SPLIT.json`, or a JSON beside the images, or at the root."""

    kind = "coco"
    form = "annotations/*.json, or a JSON beside the images (COCO's)"

    def __init__(self, root: Path, lists: dict[str, Path]) -> None:
        """Read some JSON files.

        Args:
            root: the data set's folder.
            lists: split -> file.

        Raises:
            InputError: a file is not COCO's.
        """
        base = images_base(root)
        files = [_read(path, split=split, root=root, base=base) for split, path in lists.items()]
        tables = [table for table, _, _ in files]
        super().__init__(name=root.resolve().name, base=base, lists=with_usual_names(lists), tables=tables)
        self._ids = {table.source: ids for table, ids, _ in files}
        unused = frozenset[str]().union(*(above for _, _, above in files)).difference(*(t.used_names for t in tables))
        passed_over = [name for name in self.class_names if name in unused]
        self.class_names = tuple(name for name in self.class_names if name not in unused)
        if passed_over:
            self.dialect = f"without the super-category {', '.join(passed_over)}"

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder that holds `annotations`, or JSON files beside the images or at the root, or one such file."""
        if root.is_file():
            if root.suffix.lower() != ".json" or is_tool_file(root):
                return []
            parent = root.resolve().parent
            around = parent.parent if parent.name == "annotations" else parent
            return [Place(path=root, open=partial(cls, around, {_split_name(root): root}))]
        whole = root.resolve()
        folder = whole.parent if whole.name == "annotations" and _lists(whole.parent) else root
        if not _lists(folder):
            return []
        annotations = folder / "annotations"
        path = annotations if annotations.is_dir() else folder
        return [Place(path=path, open=lambda: cls(folder, _lists(folder)))]

    def ids(self, split: str) -> CocoIds:
        """Tell COCO's own ids in one of the lists."""
        return self._ids[self.lists[split]]


def _lists(root: Path) -> dict[str, Path]:
    """Leave out COCO's captions and key points, which lie beside the boxes under names of their own."""
    files = sorted((root / "annotations").glob(any_case(".json")))
    instances = [path for path in files if path.stem.startswith(_PREFIX)]
    if files and (instances or any(map(_is_coco, files))):
        return {_split_name(path): path for path in instances or files}
    if not root.is_dir():
        return {}
    beside = [found for folder in sorted(root.iterdir()) if folder.is_dir() for found in [_coco_files(folder)] if found]
    if beside:
        return {path.parent.name if len(found) == 1 else _split_name(path): path for found in beside for path in found}
    return {_split_name(path): path for path in _coco_files(root)}


def _split_name(path: Path) -> str:
    return "all" if path.stem == _USUAL_NAME else path.stem.removeprefix(_PREFIX)


def _coco_files(folder: Path) -> list[Path]:
    files = list(islice(folder.glob(any_case(".json")), _MOST_FILES + 1))
    return sorted(filter(_is_coco, files)) if len(files) <= _MOST_FILES else []


def _is_coco(path: Path) -> bool:
    """Whether a JSON's beginning has one of COCO's lists; other tools leave JSON of other forms beside images."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if path.stem == _USUAL_NAME:
        return True
    is_table = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    return is_table and _COCO.search(head) is not None and _ITEMS.search(head) is None


def _read(path: Path, *, split: str, root: Path, base: Path) -> tuple[BoxTable, CocoIds, frozenset[str]]:
    """Read one file: labels, ids, and names of categories that stand above others."""
    content = _content(path)
    table = BoxTable(path, is_labelled="annotations" in content)
    names = _category_names(content, path=path)
    table.class_names = dict.fromkeys(names.values())
    pictures = Pictures(
        [path.parent, root / split, root / "images" / split, root / "images", root / "data", root],
        (str(entry["file_name"]) for entry in _entries(content, "images") if entry.get("file_name")),
    )
    image_ids = _add_images(table, content, pictures=pictures, base=base)
    for entry in _entries(content, "annotations"):
        _add_object(table, entry, image_ids=image_ids, names=names)
    if table.is_in_shares():
        raise InputError(
            f"{path}: expected bbox in pixels, got numbers from 0 to 1, which are shares of the image. Multiply x and "
            f"width by the image's width, y and height by its height."
        )
    written = {_id(entry["id"]): entry["id"] for entry in _entries(content, "images") if "id" in entry}
    ids = CocoIds(
        images={image_id: written[coco_id] for coco_id, image_id in image_ids.items()},
        categories={
            name: category_id for category_id, name in reversed(names.items())
        },  # of two of one name, the first
    )
    return table, ids, _above_others(content)


def _above_others(content: dict[str, Any]) -> frozenset[str]:
    """Names that another category gives as its super-category; COCO's `person` is its own."""
    pairs = [
        (str(entry.get("name")).strip(), str(entry.get("supercategory"))) for entry in _entries(content, "categories")
    ]
    return frozenset(above for name, above in pairs if above != name) - {name for name, above in pairs if above == name}


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


def _add_images(table: BoxTable, content: dict[str, Any], *, pictures: Pictures, base: Path) -> dict[Any, str]:
    """List the images; returns COCO's id -> ours. Two entries of one file share its id, so that no label is lost."""
    image_ids: dict[Any, str] = {}  # people use numbers and texts
    for entry in sorted(_entries(content, "images"), key=_by_id):
        coco_id, file_name = _id(entry.get("id")), entry.get("file_name")
        if coco_id is None or not isinstance(file_name, str) or not file_name:
            table.add_stray(f"{table.source}: expected an image with an id and a file_name, got {_short(entry)}")
            continue
        image_id = id_from_path(pictures.path(file_name), base)
        height, width = entry.get("height"), entry.get("width")
        is_told = isinstance(height, int) and isinstance(width, int)
        hw_px = (int(height or 0), int(width or 0)) if is_told else (0, 0)
        table.add_image(image_id, hw_px=hw_px, remark=pictures.remark(file_name))
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
    edges, remark = _edges(entry)
    if edges is None:
        got = repr(entry.get("bbox"))
        table.add_broken(image_id, f"{table.source}, {image_id}: expected bbox with four numbers, got {got}")
        return
    category = _id(entry.get("category_id"))
    name = names.get(category) if isinstance(category, int) else None
    area = finite_numbers([entry.get("area")])
    iscrowd, is_ignored = bool(entry.get("iscrowd")), bool(entry.get("ignore"))
    table.add_object(
        image_id,
        name=f"category {category}" if name is None else name,
        box_xyxy_px=edges,
        difficult=iscrowd or is_ignored,
        crowd=iscrowd and not is_ignored,
        iscrowd=iscrowd,
        area_px=None if area is None else area[0],
        remark=remark,
    )


def _edges(entry: dict[str, Any]) -> tuple[Edges | None, str]:
    """Take the box, or where there is none the one around the mask; and what is to be told of it."""
    box = entry.get("bbox")
    if not box:
        return box_of_mask(entry.get("segmentation")), _MASKED
    numbers = finite_numbers(box) if isinstance(box, list) and len(box) == 4 else None
    if numbers is None:
        return None, ""
    x, y, width, height = numbers
    return edges_in_order((x, y, x + width, y + height))


def _short(entry: dict[str, Any]) -> str:
    """Leave out masks, which run over pages."""
    return re.sub(r"\s+", " ", json.dumps({key: value for key, value in entry.items() if key != "segmentation"}))[:120]

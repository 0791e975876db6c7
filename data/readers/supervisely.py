"""Supervisely's projects: `DATASET/img/0001.jpg`, `DATASET/ann/0001.jpg.json`, `meta.json`.

Convention: pixels, 0-based and in continuous edges. The datasets of a project are its splits. Classes are those of
`meta.json`, in its order. Of outlines the enclosing box is read; points, lines and bitmaps are none, and counted.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from .box_table import finite_numbers
from .labelme import box_of_points, json_object
from .reader import (
    OUTLINED,
    Annotation,
    AnnotationBrokenError,
    FilesLayout,
    LabelledObject,
    Place,
    with_usual_names,
)

_NOT_READ = "images with points, lines or bitmaps (which are not read)"
_SHAPES = ("rectangle", "polygon")


class SuperviselyLayout(FilesLayout):
    """Reads a project's folder."""

    kind = "supervisely"
    form = "DATASET/img and DATASET/ann (Supervisely's)"

    def __init__(self, root: Path) -> None:
        """Open the folder that holds the datasets, and read all labels for the classes in them.

        Raises:
            InputError: `meta.json` is none.
        """
        super().__init__(root)
        self.lists = with_usual_names({path.parent.name: path for path in _image_folders(root)})
        names = _class_names(root / "meta.json")
        self.class_names = (*names, *sorted(self.names_of_objects().difference(names)))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The project, or a dataset of it."""
        is_dataset = (root / "img").is_dir() and (root / "ann").is_dir()
        folder = root.resolve().parent if is_dataset else root
        return [Place(path=root, open=partial(cls, folder))] if _image_folders(folder) else []

    def read_annotation(self, image_id: str) -> Annotation:
        image = self.image_path(image_id)
        path = image.parent.parent / "ann" / f"{image.name}.json"
        content = json_object(path)
        objects = content.get("objects")
        if not isinstance(objects, list):
            raise AnnotationBrokenError(f"{path}: expected a list objects, got {str(objects)[:80]}")
        kept = [item for item in objects if not isinstance(item, dict) or item.get("geometryType") in _SHAPES]
        size = content.get("size")
        sides = finite_numbers([size.get("height"), size.get("width")]) if isinstance(size, dict) else None
        return Annotation(
            objects=tuple(_object(item, path) for item in kept),
            size_hw_px=None if sides is None else (int(sides[0]), int(sides[1])),
            remark=_NOT_READ if len(kept) < len(objects) else "",
        )


def _class_names(meta: Path) -> tuple[str, ...]:
    try:
        listed = json_object(meta).get("classes") if meta.is_file() else []
    except AnnotationBrokenError as error:
        raise InputError(f"{error}. Export the project again.") from None
    items = listed if isinstance(listed, list) else []
    return tuple(dict.fromkeys(str(item["title"]) for item in items if isinstance(item, dict) and "title" in item))


def _image_folders(root: Path) -> list[Path]:
    folders = sorted(root.glob("*/img")) if root.is_dir() else []
    return [path for path in folders if path.is_dir() and (path.parent / "ann").is_dir()]


def _object(item: Any, path: Path) -> LabelledObject:  # foreign JSON
    points = item.get("points") if isinstance(item, dict) else None
    box = box_of_points(points.get("exterior")) if isinstance(points, dict) else None
    label = str(item.get("classTitle") or "").strip() if isinstance(item, dict) else ""
    if not label or box is None:
        raise AnnotationBrokenError(f"{path}: expected a classTitle and points.exterior, got {str(item)[:80]}")
    remark = "" if item["geometryType"] == "rectangle" else OUTLINED
    return LabelledObject(name=label, box_xyxy=box, difficult=False, remark=remark)

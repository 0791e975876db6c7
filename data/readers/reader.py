"""What a layout of labelled data on disk has to tell; the files beside this one implement it.

docs/data.md says how to add one.
"""

from __future__ import annotations

import difflib
import marshal
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ...runtime.errors import InputError
from .pictures import id_from_path, pictures_below

LayoutKind = Literal["voc", "kaggle", "xml", "labelme", "supervisely", "kitti", "coco", "yolo", "csv", "tool", "merged"]

Edges = tuple[float, float, float, float]
"""A box by its edges: xmin, ymin, xmax, ymax."""

OUTLINED = "objects given by corners (their enclosing boxes are taken)"
"""A remark, for the report."""
_EXCHANGED = "objects whose corners are exchanged (read in order)"

_NAMED = 20
"""How many of many classes an error names."""

_USUAL_NAMES = {"train": re.compile(r"train\d*|training"), "val": re.compile(r"val\d*|valid|validation")}
"""What others call the split that is trained on and the one to validate on."""


@dataclass(frozen=True, kw_only=True)
class LabelledObject:
    """An object as annotated, its box already in continuous edges."""

    name: str
    """A class name as `Layout.class_names` writes it."""
    box_xyxy: Edges
    """In pixels; in shares of the image where `Annotation.in_shares` says so."""
    difficult: bool
    """Neither learned nor held against a detector."""
    crowd: bool = False
    """A region of many objects, as COCO has them; difficult too."""
    iscrowd: bool = False
    """COCO's own mark, which difficult objects that are no region bear there too."""
    area_px: float | None = None
    """Of the object itself; None where only its box is annotated."""
    remark: str = ""
    """How it was read where that is not what was written, as a report says it of many: `objects given by corners`."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Everything that is annotated about one image."""

    objects: tuple[LabelledObject, ...]
    size_hw_px: tuple[int, int] | None
    """None where the annotation does not tell."""
    in_shares: bool = False
    """Whether boxes are given in shares of the image's width and height instead of pixels."""
    remark: str = ""
    """What is to be told of how the image was found or read, as `LabelledObject.remark`."""


class AnnotationMissingError(Exception):
    """An image has no annotation at all; that is not the same as having no objects."""


class AnnotationBrokenError(Exception):
    """An annotation cannot be understood; the text says what was expected and what was there."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a layout was found."""

    path: Path
    """What --data takes to mean this one and no other."""
    open: Callable[[], Layout]
    is_beside: bool = False
    """Whether it is files beside the pictures, which no path means alone."""


class Layout(ABC):
    """Knows where things lie and how they are written; drops nothing and decides nothing. Opens no image."""

    kind: ClassVar[LayoutKind]
    form: ClassVar[str]
    """How it looks on disk, for whoever has none."""
    name: str
    """The data set's name, for reports and cards: `VOC2012`."""
    dialect: str = ""
    """Which of several ways of writing it was found; nothing where there is one."""
    notes: tuple[str, ...] = ()
    """What else a person should know of what was found, a line each."""
    class_names: tuple[str, ...]
    """The layout's own classes in its own order."""
    lists: dict[str, Path]
    """Official splits: name -> file that lists the images, or folder that holds them."""

    @classmethod
    @abstractmethod
    def places(cls, root: Path) -> list[Place]:
        """Find where this layout lies in a folder, or in the one around it, or in a file; nothing large is read."""

    @property
    def parts(self) -> dict[str, Layout]:
        """Of several data sets that were named to be read as one, each by its name; none of one data set."""
        return {}

    @property
    def common_lists(self) -> tuple[str, ...]:
        """The official splits that every data set in it has, by all of their names."""
        return tuple(self.lists)

    @property
    def official_lists(self) -> tuple[str, ...]:
        """The official splits, each once, under its first name."""
        first_names: dict[Path, str] = {}
        for name, path in self.lists.items():
            first_names.setdefault(path, name)
        return tuple(first_names.values())

    @property
    def seeded_lists(self) -> tuple[str, ...]:
        """The official splits that a seeded split divides anew, as a union: every list but a test set."""
        return tuple(name for name in self.lists if not name.startswith("test")) or tuple(self.lists)

    @abstractmethod
    def listed_ids(self, split: str) -> list[str]:
        """Image ids as an official list gives them, repetitions included."""

    @abstractmethod
    def image_path(self, image_id: str) -> Path:
        """Where the image is or should be."""

    @abstractmethod
    def annotation(self, image_id: str) -> Annotation:
        """Give an image's annotation; asked for again, nothing is read again.

        Raises:
            AnnotationMissingError: there is none.
            AnnotationBrokenError: it cannot be understood.
        """

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        """Names of the classes in an image, for stratified splits; none if that cannot be told."""
        try:
            return tuple(item.name for item in self.annotation(image_id).objects)
        except (AnnotationMissingError, AnnotationBrokenError):
            return ()

    def names_of_objects(self) -> set[str]:
        """Give the names of all objects in the lists: all labels are read."""
        image_ids = dict.fromkeys(image_id for split in self.official_lists for image_id in self.listed_ids(split))
        return {name for image_id in image_ids for name in self.class_names_of(image_id)}

    def speaks_of_others(self, image_id: str) -> bool:  # noqa: ARG002 - of some layouts it depends on the image
        """Whether an image's labels say of the classes that they do not name that none of them is there."""
        return True

    def resolve_class(self, name: str) -> str:
        """Turn a class name as a user gives it into the layout's own.

        Raises:
            InputError: the layout has a closed list of classes and this is not in it; the text names near ones.
        """
        if name in self.class_names:
            return name
        near = difflib.get_close_matches(name, self.class_names, n=3)
        more = len(self.class_names) - _NAMED
        those = ", ".join(self.class_names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        hint = f"Near: {', '.join(near)}." if near else f"They are {those}."
        raise InputError(f"{name}: expected one of the {len(self.class_names)} classes of {self.name}. {hint}")


class FilesLayout(Layout):
    """A layout with a file of labels for each image. Each is read once, when it is asked for, and kept.

    Image ids are paths below a base, and lists are folders of pictures, unless a subclass says otherwise.
    """

    def __init__(self, root: Path, *, base: Path | None = None) -> None:
        """Take the data set's folder, and the one that image ids are relative to where that is another."""
        self.name = root.resolve().name
        self._base = base or root
        self._kept: dict[str, bytes | Exception] = {}
        """Packed: some 100 bytes an image and 30 an object, a tenth of what they take as objects."""

    def listed_ids(self, split: str) -> list[str]:
        return [id_from_path(path, self._base) for path in pictures_below(self.lists[split])]

    def image_path(self, image_id: str) -> Path:
        return self._base / image_id

    @abstractmethod
    def read_annotation(self, image_id: str) -> Annotation:
        """Read an image's annotation from its file.

        Raises:
            AnnotationMissingError: there is none.
            AnnotationBrokenError: it cannot be understood.
        """

    def annotation(self, image_id: str) -> Annotation:
        if image_id not in self._kept:
            try:
                self._kept[image_id] = _packed(self.read_annotation(image_id))
            except (AnnotationMissingError, AnnotationBrokenError) as error:
                self._kept[image_id] = error
        kept = self._kept[image_id]
        if isinstance(kept, bytes):
            return _unpacked(kept)
        raise type(kept)(str(kept))


def _packed(annotation: Annotation) -> bytes:
    return marshal.dumps({**vars(annotation), "objects": [vars(item) for item in annotation.objects]})


def _unpacked(packed: bytes) -> Annotation:
    content = marshal.loads(packed)  # what `_packed` gave, never a file
    return Annotation(**{**content, "objects": tuple(LabelledObject(**item) for item in content["objects"])})


def edges_in_order(written: Edges, to_edges: Edges = (0.0, 0.0, 0.0, 0.0)) -> tuple[Edges, str]:
    """Turn corners into edges, exchanged ones in order: they are so where a box was drawn from another corner.

    Args:
        written: xmin, ymin, xmax, ymax by any convention.
        to_edges: what is added to them to get continuous edges.

    Returns:
        The edges, and what is to be told of it.
    """
    edges = shifted(written, to_edges)
    if edges[0] <= edges[2] and edges[1] <= edges[3]:
        return edges, ""
    (xmin, xmax), (ymin, ymax) = sorted(written[::2]), sorted(written[1::2])
    return shifted((xmin, ymin, xmax, ymax), to_edges), _EXCHANGED


def shifted(box: Edges, by: Edges) -> Edges:
    """Add two boxes number by number."""
    return box[0] + by[0], box[1] + by[1], box[2] + by[2], box[3] + by[3]


def folder_around(root: Path, own_folder: str, is_layout: Callable[[Path], bool]) -> Path | None:
    """Give the folder if it holds the layout, or the one around it if it is the layout's own, such as `labels`."""
    if is_layout(root):
        return root
    whole = root.resolve()
    return whole.parent if whole.name == own_folder and is_layout(whole.parent) else None


def is_split_name(name: str) -> bool:
    """Whether a folder or file is called as splits are."""
    return name.lower().startswith("test") or any(pattern.fullmatch(name.lower()) for pattern in _USUAL_NAMES.values())


def with_usual_names(lists: dict[str, Path]) -> dict[str, Path]:
    """Give a split that others call `train2017` or `valid` the name `train` or `val` too, where just one is meant."""
    usual = {}
    for name, pattern in _USUAL_NAMES.items():
        meant = [given for given in lists if pattern.fullmatch(given)]
        if name not in lists and len(meant) == 1:
            usual[meant[0]] = name
    return {name: path for given, path in lists.items() for name in (usual.get(given, given), given)}

"""VOC's XML without VOC's folders: as labelImg leaves it beside the pictures, or in a folder `annotations`.

Convention: that of PASCAL VOC's boxes. Classes are numbered in alphabetical order, as no list of them lies there. A
picture without a file of labels says nothing, and is left out; a file without an object says that there is none.

Splits are the folders that hold pictures: `train` and `valid` below the data set's own, or below `images`; without any,
all pictures are one list, `all`.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import islice
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.image_files import IMAGE_SUFFIXES
from .annotation_xml import read_annotation_xml
from .pictures import id_from_path
from .reader import Annotation, FilesLayout, Place, with_usual_names
from .voc import VOC_TO_EDGES, VocLayout, is_voc_year

_LABELS_FOLDERS = ("annotations", "Annotations", "xmls", "annotations/xmls")
_LOOKED_AT = 5
_HEAD_BYTES = 2000
_ANNOTATION = re.compile(rb"<annotation[\s>]")


class XmlFilesLayout(FilesLayout):
    """Reads a folder of pictures with XML beside them, or with a folder of XML."""

    kind = "xml"
    form = "pictures with VOC's XML beside them, or images/ and annotations/*.xml (labelImg's)"

    def __init__(self, root: Path) -> None:
        """Open the folder, and read all labels for the classes in them.

        Raises:
            InputError: no picture is there.
        """
        super().__init__()
        self.name = root.resolve().name
        apart = _labels_apart(root)
        self._labels = apart or root
        self._base = root / "images" if apart and (root / "images").is_dir() else root
        self.dialect = "a folder of XML" if apart else "XML beside the pictures"
        folders = {path.name: path for path in _folders(self._base) if _has_pictures(path) and path != apart}
        self.lists = with_usual_names({"all": self._base} if _has_pictures(self._base) else folders)
        if not self.lists:
            raise InputError(f"{self._base}: expected pictures to the XML files, got none. Put them there.")
        names = {name for split in self.lists for at in self.listed_ids(split) for name in self.class_names_of(at)}
        self.class_names = tuple(sorted(names))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder itself, or the one around its XML, unless VOC's own folders are there."""
        if not root.is_dir() or VocLayout.places(root) or is_voc_year(root.resolve().parent):
            return []
        whole = root.resolve()
        if _labels_apart(whole.parent) == whole:
            return [Place(path=root, open=partial(cls, whole.parent))]
        apart = _labels_apart(root)
        return [Place(path=apart or root, open=partial(cls, root))] if apart or _has_xml(root) else []

    def listed_ids(self, split: str) -> list[str]:
        """Pictures below the base, and files of labels without one: what they name is missing, and told."""
        folder = self.lists[split]
        pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        labels = [self._label_path(path) for path in pictures]
        alone = [] if self._labels != self._base else sorted({*folder.rglob("*.xml")}.difference(labels))
        return [id_from_path(path, self._base) for path in (*pictures, *alone)]

    def image_path(self, image_id: str) -> Path:
        path = self._base / image_id
        return path.with_suffix(".jpg") if path.suffix == ".xml" else path

    def read_annotation(self, image_id: str) -> Annotation:
        return read_annotation_xml(self._label_path(self._base / image_id), to_edges=VOC_TO_EDGES)

    def _label_path(self, image: Path) -> Path:
        """Where the labels of a picture are: in a tree like that of the pictures, else all in one folder."""
        mirrored = (self._labels / image.relative_to(self._base)).with_suffix(".xml")
        flat = self._labels / mirrored.name
        return flat if not mirrored.exists() and self._labels != self._base and flat.exists() else mirrored


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _has_pictures(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())


def _labels_apart(root: Path) -> Path | None:
    return next((folder for name in _LABELS_FOLDERS if _has_xml(folder := root / name)), None)


def _has_xml(folder: Path) -> bool:
    """Whether the first few XML files of a folder, or of the folders in it, are VOC's; UTF-16 has zeros between."""
    first = islice((path for pattern in ("*.xml", "*/*.xml") for path in folder.glob(pattern)), _LOOKED_AT)
    return any(_ANNOTATION.search(_head(path).replace(b"\0", b"")) for path in first)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)

"""A file of labels for each picture: beside it under its name, or in a folder of labels.

Splits are the folders that hold pictures: `train` and `valid` below the data set's own, or below `images`; without any,
all pictures are one list, `all`. A picture without a file of labels says nothing, and is left out; a file without an
object says that there is none. Classes are numbered in alphabetical order, as no list of them lies there.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

from ...runtime.errors import InputError
from .pictures import alike, any_case, files_below, id_from_path, is_picture, pictures_below
from .reader import Annotation, FilesLayout, Place, is_split_name, with_usual_names

_LABELS_FOLDERS = frozenset(
    {"annotation", "annotations", "annots", "ann", "xml", "xmls", "label", "labels", "json", "jsons"}
)
"""In small letters."""
_LOOKED_AT = 5
_HEAD_BYTES = 4000


class LabelFilesLayout(FilesLayout):
    """Reads a folder of pictures with files of labels beside them, or with a folder of those; a subclass says which."""

    suffix: ClassVar[str]
    """Of files of labels."""
    noun: ClassVar[str]
    """What they are, for the dialect: `XML`."""

    def __init__(self, root: Path) -> None:
        """Open the folder, and read all labels for the classes in them.

        Raises:
            InputError: no picture is there.
        """
        apart = self._labels_apart(root)
        inner = root / "images"
        super().__init__(root, base=inner if inner.is_dir() and (apart or not self._are_below(root)) else root)
        self._labels = apart or self._base
        self.dialect = f"a folder of {self.noun}" if apart else f"{self.noun} beside the pictures"
        folders = {path.name: path for path in _folders(self._base) if _has_pictures(path) and path != apart}
        if len(folders) == 1 and not is_split_name(next(iter(folders))):
            folders = {"all": next(iter(folders.values()))}
        self.lists = with_usual_names({"all": self._base} if _has_pictures(self._base) else folders)
        if not self.lists:
            raise InputError(f"{self._base}: expected pictures to the {self.noun} files, got none. Put them there.")
        self.class_names = tuple(sorted(self.names_of_objects()))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder itself, or the one around its labels."""
        if not root.is_dir():
            return []
        whole = root.resolve()
        if cls._labels_apart(whole.parent) == whole:
            return [Place(path=root, open=partial(cls, whole.parent))]
        apart = cls._labels_apart(root)
        is_here = apart or cls._are_below(root) or cls._are_below(root / "images")
        return [Place(path=apart or root, open=partial(cls, root), is_beside=not apart)] if is_here else []

    @classmethod
    @abstractmethod
    def is_labels(cls, head: bytes) -> bool:
        """Tell a file of labels by its beginning."""

    @abstractmethod
    def read_file(self, path: Path) -> Annotation:
        """Read a file of labels; see `read_annotation`."""

    def listed_ids(self, split: str) -> list[str]:
        """Pictures below the base, and files of labels without one: what they name is missing, and told."""
        folder = self.lists[split]
        pictures = pictures_below(folder)
        labels = [self._label_path(path) for path in pictures]
        is_beside = self._labels == self._base
        there = {path for path in files_below(folder) if path.suffix.lower() == self.suffix} if is_beside else set()
        alone = sorted(there.difference(labels))
        return [id_from_path(path, self._base) for path in (*pictures, *filter(self._is_labels_file, alone))]

    def image_path(self, image_id: str) -> Path:
        path = self._base / image_id
        return path.with_suffix(".jpg") if path.suffix.lower() == self.suffix else path

    def read_annotation(self, image_id: str) -> Annotation:
        return self.read_file(self._label_path(self._base / image_id))

    def _label_path(self, image: Path) -> Path:
        """Where the labels of a picture are: in a tree like that of the pictures, else all in one folder."""
        mirrored = alike((self._labels / image.relative_to(self._base)).with_suffix(self.suffix))
        flat = alike(self._labels / mirrored.name)
        return flat if not mirrored.exists() and self._labels != self._base and flat.exists() else mirrored

    @classmethod
    def _labels_apart(cls, root: Path) -> Path | None:
        named = [path for path in _folders(root) if path.name.lower() in _LABELS_FOLDERS]
        inner = [path / "xmls" for path in named]
        return next((folder for folder in (*named, *inner) if cls._are_below(folder)), None)

    @classmethod
    def _are_below(cls, folder: Path) -> bool:
        """Whether one of the first few files of a folder, or of the folders in it, holds labels."""
        patterns = (any_case(cls.suffix), f"*/{any_case(cls.suffix)}")
        first = islice((path for pattern in patterns for path in folder.glob(pattern)), _LOOKED_AT)
        return any(map(cls._is_labels_file, first))

    @classmethod
    def _is_labels_file(cls, path: Path) -> bool:
        with path.open("rb") as file:
            return cls.is_labels(file.read(_HEAD_BYTES))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _has_pictures(folder: Path) -> bool:
    return any(map(is_picture, folder.iterdir()))

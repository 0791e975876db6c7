"""What a layout of labelled data on disk has to tell; `voc`, `kaggle`, `coco`, `yolo` and `csv_boxes` implement it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ...runtime.errors import InputError

LayoutKind = Literal["voc", "kaggle", "coco", "yolo", "csv"]

_USUAL_NAMES = {"train": re.compile(r"train\d*|training"), "val": re.compile(r"val\d*|valid|validation")}
"""What others call the split that is trained on and the one to validate on."""


@dataclass(frozen=True, kw_only=True)
class LabelledObject:
    """An object as annotated, its box already in continuous pixel edges."""

    name: str
    """A class name as `Layout.class_names` writes it."""
    box_xyxy_px: tuple[float, float, float, float]
    difficult: bool
    """Neither learned nor held against a detector."""
    crowd: bool = False
    """A region of many objects, as COCO has them; difficult too."""
    area_px: float | None = None
    """Of the object itself; None where only its box is annotated."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Everything that is annotated about one image."""

    objects: tuple[LabelledObject, ...]
    size_hw_px: tuple[int, int] | None
    """None where the annotation does not tell."""


class AnnotationMissingError(Exception):
    """An image has no annotation at all; that is not the same as having no objects."""


class AnnotationBrokenError(Exception):
    """An annotation cannot be understood; the text says what was expected and what was there."""


class Layout(Protocol):
    """Knows where things lie and how they are written; drops nothing and decides nothing."""

    @property
    def kind(self) -> LayoutKind:
        """Which layout."""

    @property
    def name(self) -> str:
        """The data set's name, for reports and cards: `VOC2012`."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The layout's own classes in its own order."""

    @property
    def lists(self) -> dict[str, Path]:
        """Official splits: name -> file that lists the images, or folder that holds them."""

    @property
    def seeded_lists(self) -> tuple[str, ...]:
        """The official splits that a seeded split divides anew, as a union."""

    def listed_ids(self, split: str) -> list[str]:
        """Image ids as an official list gives them, repetitions included."""

    def image_path(self, image_id: str) -> Path:
        """Where the image is or should be."""

    def annotation(self, image_id: str) -> Annotation:
        """Read an image's annotation.

        Raises:
            AnnotationMissingError: there is none.
            AnnotationBrokenError: it cannot be understood.
        """

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        """Names of the classes in an image, for stratified splits; none if that cannot be told."""

    def resolve_class(self, name: str) -> str:
        """Turn a class name as a user gives it into the layout's own.

        Raises:
            InputError: the layout has a closed list of classes and this is not in it.
        """


def with_usual_names(lists: dict[str, Path]) -> dict[str, Path]:
    """Give a split that others call `train2017` or `valid` the name `train` or `val` too, where just one is meant."""
    usual = {}
    for name, pattern in _USUAL_NAMES.items():
        meant = [given for given in lists if pattern.fullmatch(given)]
        if name not in lists and len(meant) == 1:
            usual[name] = lists[meant[0]]
    return {**usual, **lists}


_NAMED = 20
"""How many of many classes an error names."""


def resolve_listed_class(name: str, class_names: Sequence[str], *, source: str) -> str:
    """Accept a class of a data set that has a closed list of them.

    Raises:
        InputError: it is not in the list; the text names near ones.
    """
    if name in class_names:
        return name
    near = difflib.get_close_matches(name, class_names, n=3)
    more = len(class_names) - _NAMED
    those = ", ".join(class_names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    hint = f"Near: {', '.join(near)}." if near else f"They are {those}."
    raise InputError(f"{name}: expected one of the {len(class_names)} classes of {source}. {hint}")

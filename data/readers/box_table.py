"""Labels of many images in a few arrays, for layouts that keep all labels of a split in one file."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .reader import Annotation, AnnotationBrokenError, AnnotationMissingError, Edges, LabelledObject, Layout


class BoxTable:
    """All labels of one file: 55 bytes an object beside the image ids."""

    def __init__(self, source: Path, *, is_labelled: bool = True, file: Path | None = None) -> None:
        """Start empty.

        Args:
            source: the file, for messages; where it holds several splits, a name below it for each.
            is_labelled: False for a list of images whose labels are kept secret, as of a test set.
            file: where it is not the source.
        """
        self.source = source
        self.file = file or source
        self.in_shares = False
        """Whether boxes are in shares of the image's width and height instead of pixels."""
        self.listed: list[str] = []
        """Image ids as the file gives them, repetitions included."""
        self.class_names: dict[str, None] = {}
        """In the order of the file."""
        self._is_labelled = is_labelled
        self._rows: dict[str, int] = {}
        self._sizes_hw = array("i")
        self._broken: dict[str, str] = {}
        self._missing: dict[str, str] = {}
        self._strays: set[str] = set()
        self._object_rows = array("q")
        self._object_classes = array("i")
        self._object_boxes = array("d")
        self._object_difficult = array("b")
        self._object_crowd = array("b")
        self._object_iscrowd = array("b")
        self._object_areas = array("d")
        self._class_rows: dict[str, int] = {}
        self._image_remarks: dict[str, str] = {}
        self._object_remarks: dict[int, str] = {}

    def add_image(self, image_id: str, *, hw_px: tuple[int, int] = (0, 0), remark: str = "") -> None:
        """List an image; 0 x 0 where its size is not told."""
        self.listed.append(image_id)
        if remark:
            self._image_remarks[image_id] = remark
        if image_id not in self._rows:
            self._rows[image_id] = len(self._rows)
            self._sizes_hw.extend(hw_px)

    def add_object(
        self,
        image_id: str,
        *,
        name: str,
        box_xyxy_px: Edges,
        difficult: bool,
        crowd: bool = False,
        iscrowd: bool = False,
        area_px: float | None = None,
        remark: str = "",
    ) -> None:
        """Add an object to a listed image, its box in continuous pixel edges; see `LabelledObject`."""
        if remark:
            self._object_remarks[len(self._object_rows)] = remark
        self._object_rows.append(self._rows[image_id])
        self._object_classes.append(self._class_rows.setdefault(name, len(self._class_rows)))
        self._object_boxes.extend(box_xyxy_px)
        self._object_difficult.append(difficult)
        self._object_crowd.append(crowd)
        self._object_iscrowd.append(iscrowd)
        self._object_areas.append(math.nan if area_px is None else area_px)

    def add_broken(self, image_id: str, message: str) -> None:
        """Note that a listed image's labels cannot be understood; the first message is kept."""
        self._broken.setdefault(image_id, message)

    def add_missing(self, image_id: str, message: str) -> None:
        """Note that nobody labelled a listed image."""
        self._missing.setdefault(image_id, message)

    def add_stray(self, message: str) -> None:
        """Note something that cannot be understood and belongs to no image; it is listed, so that it is reported."""
        image_id = f"{self.source.name}: stray {len(self._strays) + 1}"
        self._strays.add(image_id)
        self.add_image(image_id)
        self.add_broken(image_id, message)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._rows

    def is_stray(self, image_id: str) -> bool:
        """Whether an id stands for something that belongs to no image."""
        return image_id in self._strays

    def annotation(self, image_id: str) -> Annotation:
        """Read a listed image's labels.

        Raises:
            AnnotationMissingError: the file lists images without labels.
            AnnotationBrokenError: the labels cannot be understood.
        """
        if image_id in self._broken:
            raise AnnotationBrokenError(self._broken[image_id])
        if image_id in self._missing:
            raise AnnotationMissingError(self._missing[image_id])
        if not self._is_labelled:
            raise AnnotationMissingError(f"{self.source}, {image_id}: expected annotations, got a list of images alone")
        row = self._rows[image_id]
        names = list(self._class_rows)
        objects = []
        for at in self._objects_of(row):
            xmin, ymin, xmax, ymax = self._object_boxes[4 * at : 4 * at + 4]
            area_px = self._object_areas[at]
            objects.append(
                LabelledObject(
                    name=names[self._object_classes[at]],
                    box_xyxy=(xmin, ymin, xmax, ymax),
                    difficult=bool(self._object_difficult[at]),
                    crowd=bool(self._object_crowd[at]),
                    iscrowd=bool(self._object_iscrowd[at]),
                    area_px=None if math.isnan(area_px) else area_px,
                    remark=self._object_remarks.get(at, ""),
                )
            )
        height, width = self._sizes_hw[2 * row : 2 * row + 2]
        return Annotation(
            objects=tuple(objects),
            size_hw_px=(height, width) if height > 0 and width > 0 else None,
            in_shares=self.in_shares,
            remark=self._image_remarks.get(image_id, ""),
        )

    def is_in_shares(self, to_edges: Edges = (0.0, 0.0, 0.0, 0.0)) -> bool:
        """Whether the numbers of all boxes are such that they cannot be pixels: 0 to 1, and not all whole.

        Args:
            to_edges: what was added to those that were written.
        """
        numbers = np.asarray(self._object_boxes).reshape(-1, 4) - to_edges
        return bool(numbers.size and (numbers >= 0).all() and (numbers <= 1).all() and (numbers % 1).any())

    @property
    def used_names(self) -> frozenset[str]:
        """Classes that have objects."""
        return frozenset(self._class_rows)

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        """Names of the classes of a listed image's objects."""
        names = list(self._class_rows)
        return tuple(names[self._object_classes[at]] for at in self._objects_of(self._rows[image_id]))

    def _objects_of(self, row: int) -> Iterable[int]:
        order, starts = self._by_row
        return (int(at) for at in order[starts[row] : starts[row + 1]])

    @cached_property
    def _by_row(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Objects ordered by image, and where each image's begin; made when the table is whole."""
        rows = np.frombuffer(self._object_rows, np.int64) if self._object_rows else np.empty(0, np.int64)
        order = np.argsort(rows, kind="stable").astype(np.int64)
        return order, np.searchsorted(rows[order], np.arange(len(self._rows) + 1)).astype(np.int64)


class TableLayout(Layout):
    """What the layouts with one file a split have in common; a subclass adds `kind`."""

    def __init__(self, *, name: str, base: Path, lists: dict[str, Path], tables: Sequence[BoxTable]) -> None:
        """Take what a subclass has read.

        Args:
            name: of the data set.
            base: the folder that image ids are relative to.
            lists: split -> file.
            tables: one per file.
        """
        self.name = name
        self.lists = lists
        self._base = base
        self._tables = {table.source: table for table in tables}
        self.class_names = tuple(dict.fromkeys(name for table in tables for name in table.class_names))

    def listed_ids(self, split: str) -> list[str]:
        """Image ids in the file's order: paths below the images' folder."""
        return self._tables[self.lists[split]].listed

    def image_path(self, image_id: str) -> Path:
        """The image; for what belongs to no image, the file that holds it."""
        for table in self._tables.values():
            if table.is_stray(image_id):
                return table.file
        return self._base / image_id

    def annotation(self, image_id: str) -> Annotation:
        """Read from the table; an image that several files list must be labelled alike in all."""
        tables = [table for table in self._tables.values() if image_id in table]
        if not tables:
            raise AnnotationMissingError(f"{self.name}: expected {image_id} in one of the lists, got it in none")
        first = tables[0].annotation(image_id)
        for other in tables[1:]:
            if other.annotation(image_id).objects != first.objects:
                raise AnnotationBrokenError(
                    f"{image_id}: expected the same labels in {tables[0].source.name} and {other.source.name}, "
                    f"got different ones"
                )
        return first

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        """Those of the first file that lists the image."""
        return next((table.class_names_of(image_id) for table in self._tables.values() if image_id in table), ())


def finite_numbers(values: Sequence[object]) -> tuple[float, ...] | None:
    """Turn values into numbers; None if one is none, or not finite."""
    numbers = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        if not math.isfinite(number):
            return None
        numbers.append(number)
    return tuple(numbers)

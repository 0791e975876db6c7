"""Labelled images, decoded and resized once, read from a memory-mapped file."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.image_files import read_image_bgr
from ..dataset import Dataset
from ..sample import Sample

PIXELS = "pixels.bin"
IMAGES = "images.bin"
ABOUT = "about.json"
"""Written last: a folder that has it is whole."""

OVERSIZE = 1.5
"""Images are kept at up to this many times the side of the network's input, so that crops of them stay sharp."""

OBJECTS_DTYPE = np.dtype([("box_xyxy", "<f4", 4), ("class_id", "<i4"), ("difficult", "?")])
"""One object; the box is normalised to its image."""

SPANS_DTYPE = np.dtype([("first", "<i8"), ("count", "<i4")])
"""The objects of one image."""


def images_dtype(id_bytes: int) -> np.dtype[np.void]:
    """Lay out what is known of one image; `offset` counts bytes in the file of pixels, `_hw_px` is of the original."""
    return np.dtype(
        [
            ("offset", "<i8"),
            ("stored_hw", "<i4", 2),
            ("hw_px", "<i4", 2),
            ("image_id", f"S{max(id_bytes, 1)}"),
        ]
    )


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """One labelled image as training reads it.

    Args:
        image_id: to name it by.
        image_rgb: [h, w, 3] uint8, no larger than the original.
        hw_px: height and width of the original, whose proportions `image_rgb` need not have.
        boxes_xyxy: [n, 4] float32, normalised.
        class_ids: [n] int64.
        difficult: [n] bool.
        labelled: [classes] bool as in `Sample`; None: all are.
        offset: where `image_rgb` begins in `ImageCache.pixels`; 0 for an image of no cache.
    """

    image_id: str
    image_rgb: NDArray[np.uint8]
    hw_px: tuple[int, int]
    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    difficult: NDArray[np.bool_]
    labelled: NDArray[np.bool_] | None = None
    offset: int = 0


class ImageSource(Protocol):
    """Labelled images by number."""

    def __len__(self) -> int: ...

    def image(self, index: int) -> StoredImage:
        """Read one image with its labels."""
        ...

    def forget_pages(self) -> None:
        """Give back the memory that images read so far may hold."""
        ...


def labelled_path(folder: Path, labels: str) -> Path:
    """Name the file of which classes are labelled in which image, [images, classes] bool, where not all are in each."""
    return folder / f"{labels}.labelled.bin"


def stored_hw(hw_px: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    """Choose the height and width to keep: each side at most 1.5 times the input's, and never enlarged."""
    height, width = (min(side, int(OVERSIZE * longest)) for side, longest in zip(hw_px, input_hw, strict=True))
    return height, width


def fitted_rgb(image_bgr: NDArray[np.uint8], input_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a decoded image to what is kept of it, by the resize that runs in production, and turn it to RGB."""
    height, width = stored_hw((image_bgr.shape[0], image_bgr.shape[1]), input_hw)
    if image_bgr.shape[:2] != (height, width):
        image_bgr = np.asarray(cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def normalised_boxes(sample: Sample) -> NDArray[np.float32]:
    """Give a sample's boxes in shares of its image, [n, 4] float32."""
    sides = np.array([sample.width_px, sample.height_px] * 2, np.float32)
    return sample.boxes_xyxy_px / sides


class DecodedImages:
    """Images that are decoded anew each time; for a few of them, or for comparison."""

    def __init__(self, dataset: Dataset, image_ids: list[str], *, input_hw: tuple[int, int]) -> None:
        """Take images by id; they are fitted to the input as a cache of it would keep them."""
        self._dataset = dataset
        self._image_ids = image_ids
        self._input_hw = input_hw

    def __len__(self) -> int:
        return len(self._image_ids)

    def image(self, index: int) -> StoredImage:
        """Decode one image."""
        sample = self._dataset.sample(self._image_ids[index])
        return StoredImage(
            image_id=sample.image_id,
            image_rgb=fitted_rgb(read_image_bgr(sample.image_path), self._input_hw),
            hw_px=(sample.height_px, sample.width_px),
            boxes_xyxy=normalised_boxes(sample),
            class_ids=sample.class_ids,
            difficult=sample.difficult,
            labelled=sample.labelled,
        )

    def forget_pages(self) -> None:
        """Nothing is held."""


class ImageCache:
    """An open cache. What was read can be forgotten again, so that memory does not grow with the number of images.

    May be handed to other processes: they open the files anew.
    """

    def __init__(self, folder: Path, labels: str) -> None:
        """Open a folder that `open_image_cache` made.

        Args:
            folder: of the cache.
            labels: stem of the files with the labels.

        Raises:
            InputError: files are missing or too short.
        """
        self.location = folder, labels
        id_bytes = int(json.loads((folder / ABOUT).read_text(encoding="utf-8"))["id_bytes"])
        self._images = _MappedTable(folder / IMAGES, images_dtype(id_bytes))
        self._spans = _MappedTable(folder / f"{labels}.spans.bin", SPANS_DTYPE)
        self._objects = _MappedTable(folder / f"{labels}.objects.bin", OBJECTS_DTYPE)
        labelled = labelled_path(folder, labels)
        self._labelled = _MappedTable(labelled, np.dtype(np.bool_)) if labelled.is_file() else None
        self._pixels = _MappedTable(folder / PIXELS, np.dtype(np.uint8))
        self._check(folder)

    def __reduce__(self) -> tuple[type[ImageCache], tuple[Path, str]]:
        return ImageCache, self.location

    def __len__(self) -> int:
        return len(self._images.rows)

    def image(self, index: int) -> StoredImage:
        """Give one image; its pixels are those of the file, and can only be read."""
        row, span = self._images.rows[index], self._spans.rows[index]
        objects = self._objects.rows[span["first"] : span["first"] + span["count"]]
        height, width = (int(side) for side in row["stored_hw"])
        offset, size = int(row["offset"]), height * width * 3
        self._pixels.will_need(offset, size)
        return StoredImage(
            image_id=bytes(row["image_id"]).decode(),
            image_rgb=self._pixels.rows[offset : offset + size].reshape(height, width, 3),
            hw_px=(int(row["hw_px"][0]), int(row["hw_px"][1])),
            boxes_xyxy=objects["box_xyxy"].copy(),
            class_ids=objects["class_id"].astype(np.int64),
            difficult=objects["difficult"].copy(),
            labelled=None if self._labelled is None else self._labelled.rows.reshape(len(self), -1)[index].copy(),
            offset=offset,
        )

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All images one after the other, [bytes]: a view of the file, which can only be read."""
        return self._pixels.rows

    def image_ids(self) -> list[str]:
        """List all ids, in order."""
        return [bytes(name).decode() for name in self._images.rows["image_id"]]

    def images_by_class(self) -> list[NDArray[np.int64]]:
        """List, for each class that there is, the images with an object of it; last, those without any object.

        Difficult objects do not count. An image of several classes is listed under each.
        """
        owners = np.repeat(np.arange(len(self)), self._spans.rows["count"])
        learned = ~self._objects.rows["difficult"]
        owners, class_ids = owners[learned], self._objects.rows["class_id"][learned]
        listed = [np.unique(owners[class_ids == class_id]) for class_id in np.unique(class_ids)]
        without = np.setdiff1d(np.arange(len(self)), owners)
        return [images.astype(np.int64) for images in (*listed, without) if len(images)]

    def forget_pages(self) -> None:
        """Take what was read out of this process's memory; the operating system may go on holding it."""
        for table in (self._images, self._spans, self._objects, self._pixels, self._labelled):
            if table is not None:
                table.forget()

    def _check(self, folder: Path) -> None:
        images = self._images.rows
        last = images[-1]  # of the file of pixels too
        needed = int(last["offset"]) + int(np.prod(last["stored_hw"], dtype=np.int64)) * 3
        if len(self._pixels.rows) < needed or len(self._spans.rows) != len(images):
            raise InputError(f"{folder}: expected a whole image cache, got one that was cut. Remove the folder.")


class _MappedTable:
    """Rows of a file, mapped into memory, read only."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                # An empty file cannot be mapped.
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        except OSError as error:
            raise InputError(
                f"{path}: expected a file of the image cache, got: {error.strerror}. Remove the folder."
            ) from error
        count = size // dtype.itemsize
        self.rows: NDArray[Any] = np.frombuffer(self._map or b"", dtype, count)  # rows of any dtype

    def will_need(self, offset: int, size: int) -> None:
        """Let the operating system read these bytes in one go."""
        if self._map is not None and hasattr(mmap, "MADV_WILLNEED"):
            start = offset - offset % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, start, offset + size - start)

    def forget(self) -> None:
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

"""Labelled data, small enough to be worked out by hand."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.tests.places import KAGGLE, VOC_ROOT

BoxText = tuple[object, object, object, object]


@dataclass
class VocFolder:
    """Writes a VOC folder image by image; boxes are written as they are given."""

    root: Path
    year: str = "VOC2012"
    _lists: dict[str, list[str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / "VOCdevkit" / self.year

    def image_path(self, image_id: str) -> Path:
        return self.folder / "JPEGImages" / f"{image_id}.jpg"

    def annotation_path(self, image_id: str) -> Path:
        return self.folder / "Annotations" / f"{image_id}.xml"

    def add(
        self,
        image_id: str,
        objects: Sequence[tuple[str, BoxText]] = (),
        *,
        split: str = "train",
        hw: tuple[int, int] = (32, 48),
        difficult: bool = False,
        size_xml: str | None = None,
    ) -> None:
        """Add an image of that size with these objects; `size_xml` replaces the annotated size."""
        for path in (self.image_path(image_id), self.annotation_path(image_id)):
            path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(self.image_path(image_id)), np.full((*hw, 3), 100, np.uint8))
        if size_xml is None:
            size_xml = f"<size><width>{hw[1]}</width><height>{hw[0]}</height></size>"
        items = "".join(
            f"<object><name>{name}</name><difficult>{int(difficult)}</difficult><bndbox><xmin>{box[0]}</xmin>"
            f"<ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
            for name, box in objects
        )
        self.annotation_path(image_id).write_text(f"<annotation>{size_xml}{items}</annotation>")
        self.list_again(image_id, split=split)

    def list_again(self, image_id: str, *, split: str = "train") -> None:
        """Append an id to a list, whether or not there is such an image."""
        self._lists.setdefault(split, []).append(image_id)
        path = self.folder / "ImageSets" / "Main" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{item}\n" for item in self._lists[split]))


@pytest.fixture
def voc_folder(tmp_path: Path) -> VocFolder:
    return VocFolder(root=tmp_path)


@pytest.fixture
def voc_root() -> Path:
    """Five real images."""
    return VOC_ROOT


@pytest.fixture
def kaggle_root() -> Path:
    """Six real images."""
    return KAGGLE


@pytest.fixture
def kaggle_copy(tmp_path: Path, kaggle_root: Path) -> Path:
    """The same six, to be changed."""
    return Path(shutil.copytree(kaggle_root, tmp_path / "kaggle"))

"""KITTI's labels: a text for each picture, 15 words a line, as NVIDIA's TAO takes them, too.

Convention: `type truncated occluded alpha left top right bottom ...`, pixels, 0-based and in continuous edges; what
follows is in three dimensions. `DontCare` is a region, no object, and is not read. Classes are numbered in alphabetical
order.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

from ...runtime.errors import InputError
from .box_table import finite_numbers
from .reader import (
    Annotation,
    AnnotationBrokenError,
    AnnotationMissingError,
    FilesLayout,
    LabelledObject,
    Place,
    edges_in_order,
    with_usual_names,
)
from .text_lines import filled_lines

_FOLDERS = (("image_2", "label_2"), ("images", "labels"))
_SPLIT_NAMES = {"training": "train", "testing": "test"}
_LEAST_WORDS, _MOST_WORDS = 15, 16
"""Without and with a detector's score."""
_DONT_CARE = "DontCare"
_REGIONS = "images with regions marked DontCare (which are not read)"
_LOOKED_AT = 5


class KittiLayout(FilesLayout):
    """Reads `image_2` and `label_2`, or `images` and `labels`, in the folder or in one for each split."""

    kind = "kitti"
    form = "training/image_2 and training/label_2, or images/ and labels/ with KITTI's lines"

    def __init__(self, root: Path) -> None:
        """Open the folder, and read all labels for the classes in them."""
        super().__init__(root)
        parts = _parts(root)
        self._labels = dict(parts.values())
        self.lists = with_usual_names({name: images for name, (images, _) in parts.items()})
        self.class_names = tuple(sorted(self.names_of_objects()))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder that holds pictures and labels, or folders that do."""
        return [Place(path=root, open=partial(cls, root))] if root.is_dir() and _parts(root) else []

    def read_annotation(self, image_id: str) -> Annotation:
        image = self.image_path(image_id)
        images = next(folder for folder in self._labels if image.is_relative_to(folder))
        path = (self._labels[images] / image.relative_to(images)).with_suffix(".txt")
        try:
            lines = filled_lines(path)
        except FileNotFoundError:
            raise AnnotationMissingError(f"{path}: expected labels here, got no such file") from None
        except (OSError, InputError) as error:
            raise AnnotationBrokenError(str(error)) from None
        kept = [line for line in lines if line.split()[0] != _DONT_CARE]
        return Annotation(
            objects=tuple(_object(line, path) for line in kept),
            size_hw_px=None,
            remark=_REGIONS if len(kept) < len(lines) else "",
        )


def is_kitti(labels: Path) -> bool:
    """Whether the first few texts of a folder have KITTI's lines."""
    lines = (line for path in islice(sorted(labels.glob("*.txt")), _LOOKED_AT) for line in _lines(path)[:1])
    return any(_numbers(line) is not None for line in lines)


def _lines(path: Path) -> list[str]:
    try:
        return filled_lines(path)
    except (OSError, InputError):
        return []


def _parts(root: Path) -> dict[str, tuple[Path, Path]]:
    """Split -> folders of pictures and of labels; of a test set there may be pictures alone, which say nothing."""
    inner = [path for path in sorted(root.iterdir()) if path.is_dir()]
    for images, labels in _FOLDERS:
        if is_kitti(root / labels):
            return {"all": (root / images, root / labels)}
        parts = {path.name: (path / images, path / labels) for path in inner if is_kitti(path / labels)}
        if parts:
            return {_SPLIT_NAMES.get(name, name): folders for name, folders in parts.items()}
    return {}


def _numbers(line: str) -> tuple[float, ...] | None:
    words = line.split()
    return finite_numbers(words[1:]) if _LEAST_WORDS <= len(words) <= _MOST_WORDS and not _is_number(words[0]) else None


def _is_number(word: str) -> bool:
    return finite_numbers([word]) is not None


def _object(line: str, path: Path) -> LabelledObject:
    numbers = _numbers(line)
    if numbers is None:
        raise AnnotationBrokenError(f"{path}: expected KITTI's 15 words, a name and numbers, got {line[:80]!r}")
    left, top, right, bottom = numbers[3:7]
    box, remark = edges_in_order((left, top, right, bottom))
    return LabelledObject(name=line.split(maxsplit=1)[0], box_xyxy=box, difficult=False, remark=remark)

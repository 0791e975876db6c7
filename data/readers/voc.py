"""PASCAL VOC's layout: `VOC2012/{JPEGImages,Annotations,ImageSets/Main}`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.image_files import IMAGE_SUFFIXES
from .annotation_xml import read_annotation_xml
from .reader import Annotation, FilesLayout, Place
from .text_lines import filled_lines, text_lines

VOC_CLASS_NAMES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The twenty classes in the official order."""

# Written 1-based with both corners inside the box: the first pixel's left edge is 1 - 1 = 0, and the right edge of
# the last pixel is its 1-based number itself. Decimals (from rescaled images) shift alike.
_TO_EDGES = (-1.0, -1.0, 0.0, 0.0)


class VocLayout(FilesLayout):
    """Reads a VOC year's folder."""

    kind = "voc"
    form = "VOCdevkit/VOC2012/ with Annotations and ImageSets/Main (PASCAL VOC's)"
    class_names = VOC_CLASS_NAMES

    def __init__(self, folder: Path) -> None:
        """Open the folder that holds `Annotations`, `ImageSets` and `JPEGImages`.

        Raises:
            InputError: no list of images is there.
        """
        super().__init__()
        self._folder = folder
        self.name = folder.resolve().name
        self.lists = _lists(folder / "ImageSets" / "Main")
        if not self.lists:
            raise InputError(
                f"{folder / 'ImageSets' / 'Main'}: expected lists of images such as train.txt, got none. "
                f"Write one image id a line."
            )

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """A year's folder, or every one in a devkit."""
        years = [path for devkit in (root / "VOCdevkit", root) for path in sorted(devkit.glob("VOC*"))]
        folders = [root] if _is_year(root) else filter(_is_year, years)
        return [Place(path=folder, open=partial(cls, folder)) for folder in folders]

    @property
    def seeded_lists(self) -> tuple[str, ...]:
        """`trainval` where there is one, otherwise every list but a test set."""
        return ("trainval",) if "trainval" in self.lists else super().seeded_lists

    def listed_ids(self, split: str) -> list[str]:
        """Image ids as the list gives them."""
        return [line.split()[0] for line in filled_lines(self.lists[split])]

    def image_path(self, image_id: str) -> Path:
        """`JPEGImages/ID.jpg`; the other suffixes are for data that people label themselves in this layout."""
        stem = self._folder / "JPEGImages" / image_id
        candidates = [stem.with_name(stem.name + suffix) for suffix in IMAGE_SUFFIXES]
        return next((path for path in candidates if path.exists()), candidates[0])

    def read_annotation(self, image_id: str) -> Annotation:
        """Read `Annotations/ID.xml`."""
        return read_annotation_xml(self._folder / "Annotations" / f"{image_id}.xml", to_edges=_TO_EDGES)

    def resolve_class(self, name: str) -> str:
        """Any name will do: people label classes of their own in this layout."""
        return name


def _is_year(folder: Path) -> bool:
    return (folder / "Annotations").is_dir() and (folder / "ImageSets" / "Main").is_dir()


def _lists(folder: Path) -> dict[str, Path]:
    """Leave out VOC's lists per class (`dog_train.txt`), whose second column tells whether the class is there."""
    lists = {}
    for path in sorted(folder.glob("*.txt")):
        if len(next(text_lines(path), "").split()) <= 1:
            lists[path.stem] = path
    return lists

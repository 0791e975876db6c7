"""PASCAL VOC's layout: `VOC2012/{JPEGImages,Annotations,ImageSets/Main}`.

Other people's folders of this form are read too: under another name, without lists (every picture is then in `all`),
with CVAT's `labelmap.txt`, and with lists that name files instead of ids. Their classes are those of `labelmap.txt`,
else those of their objects.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.image_files import IMAGE_SUFFIXES
from .annotation_xml import read_annotation_xml
from .pictures import alike, pictures_below
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
VOC_TO_EDGES = (-1.0, -1.0, 0.0, 0.0)

_PATHS = re.compile(r"(JPEGImages|Annotations)/")
_SECOND_PATH = re.compile(r"\s+\S*Annotations/\S*\.xml$")
"""PaddlePaddle's lists name a picture and its labels a line."""
_SPLIT_OF_LIST = re.compile(r"_list$")
_COLUMN = re.compile(r"\S\s+-?[01]$")


class VocLayout(FilesLayout):
    """Reads a VOC year's folder."""

    kind = "voc"
    form = "VOCdevkit/VOC2012/ with Annotations and ImageSets/Main (PASCAL VOC's)"

    def __init__(self, folder: Path) -> None:
        """Open the folder that holds `Annotations`, `JPEGImages` and perhaps `ImageSets`.

        Raises:
            InputError: no list of images is there.
        """
        super().__init__(folder, base=folder / "JPEGImages")
        self._folder = folder
        dialects = []
        lists = next((path for path in _list_folders(folder) if path.is_dir()), None)
        if lists is not None:
            self.lists = self._lists(lists)
        elif beside := [path for path in sorted(folder.glob("*.txt")) if _PATHS.search(next(text_lines(path), ""))]:
            self.lists = {_SPLIT_OF_LIST.sub("", path.stem): path for path in beside}
        else:
            self.lists = {"all": self._base}
            dialects.append("without lists")
        if not self.lists:
            raise InputError(
                f"{lists}: expected lists of images such as train.txt, got none. Write one image id a line."
            )
        self.class_names = _labelled_names(folder / "labelmap.txt")
        if not self.class_names:
            names = self.names_of_objects()
            # A part of VOC lacks some of the twenty.
            self.class_names = VOC_CLASS_NAMES if names <= set(VOC_CLASS_NAMES) else tuple(sorted(names))
            if self.class_names != VOC_CLASS_NAMES:
                dialects.append("with classes of its own")
        self.dialect = ", ".join(dialects)

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """A year's folder, or every one in a devkit."""
        devkits = [root / "VOCdevkit", *([root] if root.resolve().name == "VOCdevkit" else [])]
        years = [path for devkit in devkits for path in devkit.glob("*")]
        folders = [root] if is_voc_year(root) else sorted(filter(is_voc_year, {*years, *root.glob("VOC*")}))
        return [Place(path=folder, open=partial(cls, folder)) for folder in folders]

    @property
    def seeded_lists(self) -> tuple[str, ...]:
        """`trainval` where there is one, otherwise every list but a test set."""
        return ("trainval",) if "trainval" in self.lists else super().seeded_lists

    def listed_ids(self, split: str) -> list[str]:
        """Image ids as the list gives them; of what is a file's name, without suffix and without others' folders."""
        where = self.lists[split]
        if where.is_dir():
            return [path.relative_to(where).with_suffix("").as_posix() for path in pictures_below(where)]
        lines = filled_lines(where)
        if lines and self._has_column(lines[0]):
            lines = [line.rsplit(maxsplit=1)[0] for line in lines]
        return [_id_from_line(_SECOND_PATH.sub("", line)) for line in lines]

    def image_path(self, image_id: str) -> Path:
        """`JPEGImages/ID.jpg`; the other suffixes are for data that people label themselves in this layout."""
        stem = self._base / image_id
        candidates = [stem.with_name(stem.name + suffix) for suffix in IMAGE_SUFFIXES]
        return next((path for each in candidates if (path := alike(each)).exists()), candidates[0])

    def read_annotation(self, image_id: str) -> Annotation:
        """Read `Annotations/ID.xml`."""
        return read_annotation_xml(alike(self._folder / "Annotations" / f"{image_id}.xml"), to_edges=VOC_TO_EDGES)

    def _lists(self, folder: Path) -> dict[str, Path]:
        """Leave out VOC's lists per class (`dog_train.txt`), whose second column tells whether the class is there."""
        lists = {path.stem: path for path in sorted(folder.glob("*.txt"))}
        whole = {name: path for name, path in lists.items() if not self._has_column(next(text_lines(path), "").strip())}
        return whole or lists

    def _has_column(self, line: str) -> bool:
        """Whether -1, 0 or 1 behind the id is no part of it; names of files may end so."""
        return _COLUMN.search(line) is not None and not self.image_path(_id_from_line(line)).exists()


def is_voc_year(folder: Path) -> bool:
    """Whether a folder holds annotations, and lists or images under VOC's names."""
    holds_images = (folder / "ImageSets" / "Main").is_dir() or (folder / "JPEGImages").is_dir()
    return (folder / "Annotations").is_dir() and holds_images


def _list_folders(folder: Path) -> list[Path]:
    sets = folder / "ImageSets"
    return [sets / "Main", *([sets] if any(sets.glob("*.txt")) else [])]


def _id_from_line(line: str) -> str:
    name = line.replace("\\", "/").rpartition("JPEGImages/")[2]
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else name


def _labelled_names(path: Path) -> tuple[str, ...]:
    """Read the names that CVAT writes, `name:colour:parts:actions` a line, in its order; none without the file."""
    if not path.is_file():
        return ()
    names = [line.rsplit(":", 3)[0].strip() for line in filled_lines(path) if not line.startswith("#")]
    return tuple(name for name in names if name and name != "background")

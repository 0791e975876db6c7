"""YOLO's layout: a text file of labels an image, in a folder `labels` that mirrors the folder `images`.

Convention: a line is `class cx cy width height`; the class is an index from 0 into the list of names, the others are
the box's centre and size as shares of the image's width and height, in continuous edges. An empty file says that an
image has no objects; no file says nothing, and the image is left out. Polygons (lines with more numbers) are not read.

Names come from `classes.txt` (one a line; also in `labels`) or from `names` in the one YAML file of the folder. Splits
are what that file's `train`, `val` and `test` name (folders, or files that list images); without such a file the
folders below `images`, or the folders that hold `images` and `labels` each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import yaml

from ...runtime.errors import InputError
from ...runtime.image_files import IMAGE_SUFFIXES
from .box_table import finite_numbers, id_from_path, images_base
from .reader import (
    Annotation,
    AnnotationBrokenError,
    AnnotationMissingError,
    FilesLayout,
    LabelledObject,
    Place,
    folder_around,
    with_usual_names,
)
from .text_lines import filled_lines, text_lines

_SPLITS = ("train", "val", "test")
_NOTHING = ("", "~", "null")
_NAMES_FILES = ("classes.txt", "labels/classes.txt", "obj.names")
_FIELDS = 5
_LARGEST_SHARE = 2.0
"""A box may reach out of its image, and is clipped then; numbers above this are pixels."""


@dataclass(frozen=True, kw_only=True)
class YoloSettings:
    """What the YAML file says; None or nothing where it does not."""

    path: str | None = None
    splits: dict[str, str] = field(default_factory=dict)
    """Name -> folder or list: train, val and test, and any other key that names a list (`.txt`)."""
    names: tuple[str, ...] = ()


class YoloLayout(FilesLayout):
    """Reads a folder with `images` and `labels`."""

    kind = "yolo"
    form = "images/ and labels/ (YOLO's)"

    def __init__(self, root: Path) -> None:
        """Open the folder that holds `images` and `labels`, or a folder for each split that does.

        Raises:
            InputError: there are no class names, or no images.
        """
        super().__init__()
        self.name = root.resolve().name
        self._base = images_base(root)
        settings = _settings(root)
        self.class_names = _class_names(root, settings)
        self.lists = with_usual_names(_named_lists(root, settings) or _found_lists(root))
        if not self.lists:
            raise InputError(f"{root}: expected images in YOLO's layout, got none. Put them into images/train.")

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder that holds `images` and `labels`, or folders that do."""
        folder = folder_around(root, "labels", _is_yolo)
        if folder is None:
            return []
        labels = folder / "labels"
        return [Place(path=labels if labels.is_dir() else folder, open=partial(cls, folder))]

    def listed_ids(self, split: str) -> list[str]:
        """Paths below the images' folder: as a list gives them, or all of a folder in the order of their names."""
        where = self.lists[split]
        if where.is_dir():
            paths = sorted(path for path in where.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        else:
            paths = [where.parent / line for line in filled_lines(where)]
        return [id_from_path(path, self._base) for path in paths]

    def image_path(self, image_id: str) -> Path:
        """The path below the images' folder."""
        return self._base / image_id

    def read_annotation(self, image_id: str) -> Annotation:
        """Read the label file."""
        path = label_path(self.image_path(image_id))
        try:
            lines = list(text_lines(path))
        except FileNotFoundError:
            raise AnnotationMissingError(
                f"{path}: expected labels here, and an empty file for no objects, got no such file"
            ) from None
        except (OSError, InputError) as error:
            raise AnnotationBrokenError(str(error)) from None
        objects = [
            self._object(line, where=f"{path} line {number}") for number, line in enumerate(lines, 1) if line.strip()
        ]
        return Annotation(objects=tuple(objects), size_hw_px=None, in_shares=True)

    def _object(self, line: str, *, where: str) -> LabelledObject:
        fields = line.split()
        numbers = finite_numbers(fields)
        if len(fields) != _FIELDS or numbers is None or not numbers[0].is_integer() or numbers[0] < 0:
            raise AnnotationBrokenError(f"{where}: expected `class cx cy width height`, got {line.strip()[:80]!r}")
        if max(map(abs, numbers[1:])) > _LARGEST_SHARE:
            raise AnnotationBrokenError(
                f"{where}: expected shares of the image's width and height, got {line.strip()[:80]!r}"
            )
        index, (cx, cy, width, height) = int(numbers[0]), numbers[1:]
        name = self.class_names[index] if index < len(self.class_names) else f"class {index}"
        box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
        return LabelledObject(name=name, box_xyxy=box, difficult=False)


def _is_yolo(folder: Path) -> bool:
    return any(path.is_dir() and (path.parent / "labels").is_dir() for path in _images_folders(folder))


def read_yolo_settings(path: Path) -> YoloSettings:
    """Read the YAML file, every value as it is written: a class may be called `no`.

    Raises:
        InputError: it is no YAML, or one of the keys says something else than a folder, a list or names.
    """
    try:
        content = yaml.load("".join(text_lines(path)), yaml.BaseLoader)  # gives texts alone
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected YAML, got {reason}. Write classes.txt and take this file away.") from error
    if not isinstance(content, dict):
        content = {}
    given = {key: value for key, value in content.items() if value not in _NOTHING}
    if "valid" in given and "val" not in given:
        raise InputError(f"{path}: expected the key val, got valid. Rename it.")
    for key in ("path", *_SPLITS):
        if not isinstance(given.get(key, ""), str):
            raise InputError(f"{path}: expected one folder or list for {key}, got {given[key]}. Name one.")
    splits = {
        key: value
        for key, value in given.items()
        if key in _SPLITS or (isinstance(value, str) and value.endswith(".txt"))
    }
    return YoloSettings(path=given.get("path"), splits=splits, names=_names(given.get("names", []), path=path))


def label_path(image_path: Path) -> Path:
    """Give the place of an image's labels: the last `images` of its path replaced by `labels`, and `.txt`."""
    parts = list(image_path.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def _images_folders(root: Path) -> list[Path]:
    return [root / "images", *sorted(root.glob("*/images"))]


def _settings(root: Path) -> YoloSettings:
    files = sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise InputError(f"{root}: expected one YAML file, got {names}. Keep the one that names classes and splits.")
    return read_yolo_settings(files[0]) if files else YoloSettings()


def _names(value: object, *, path: Path) -> tuple[str, ...]:
    names = value
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        numbered = {int(key): name for key, name in value.items()}
        names = [numbered.get(at) for at in range(len(value))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{path}: expected names as a list, or as a table numbered from 0 without gaps, got {str(value)[:80]}. "
            f"Write them into classes.txt, one a line, and take them away here."
        )
    return tuple(names)


def _class_names(root: Path, settings: YoloSettings) -> tuple[str, ...]:
    for path in (root / name for name in _NAMES_FILES):
        if path.is_file():
            names = tuple(filled_lines(path))
            if settings.names and settings.names != names:
                raise InputError(f"{path}: expected the names that the YAML file gives, got others. Keep one list.")
            break
    else:
        names = settings.names
    if not names or len(set(names)) != len(names):
        got = "none" if not names else "a name twice"
        raise InputError(f"{root}: expected different names of the classes, got {got}. Write classes.txt, one a line.")
    return names


def _named_lists(root: Path, settings: YoloSettings) -> dict[str, Path]:
    """Find what the YAML file names; a test set need not be there."""
    lists = {}
    for split, value in settings.splits.items():
        # Tools write these relative to the folder, to `path`, or to a folder that is gone.
        inner = value.lstrip("./")
        candidates = [root / value, root / (settings.path or ".") / value, root / inner]
        found = next((path for path in candidates if path.exists()), None)
        if found is not None:
            lists[split] = found
        elif split != "test":
            raise InputError(
                f"{root}: expected a folder or list {value}, which the YAML file names for {split}, got none. "
                f"Mend the YAML file's {split}."
            )
    return lists


def _found_lists(root: Path) -> dict[str, Path]:
    """Take folders below `images` for splits; images lying there directly are `all`."""
    images = root / "images"
    if images.is_dir():
        folders = {path.name: path for path in sorted(images.iterdir()) if path.is_dir()}
        lies_flat = any(path.suffix.lower() in IMAGE_SUFFIXES for path in images.iterdir())
        return {"all": images} if lies_flat else folders
    return {path.parent.name: path for path in _images_folders(root)[1:] if (path.parent / "labels").is_dir()}

"""YOLO's layout: a text file of labels an image, in a folder `labels` that mirrors the folder `images`.

Convention: a line is `class cx cy width height`; the class is an index from 0 into the list of names, the others are
the box's centre and size as shares of the image's width and height, in continuous edges. An empty file says that an
image has no objects; no file says nothing, and the image is left out. Of polygons and turned boxes (lines with the
shares of three corners or more) the enclosing box is read, of a sixth number, a detector's score, nothing. Texts may
lie beside the images, as darknet and CVAT leave them.

Names come from `classes.txt` (one a line; also in `labels`) or from `names` in the one YAML file of the folder. Splits
are what that file's `train`, `val` and `test` name (folders, or files that list images); without such a file the
folders below `images`, or the folders that hold `images` and `labels` each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import yaml

from ...runtime.errors import InputError
from .box_table import finite_numbers
from .kitti import is_kitti
from .pictures import alike, any_case, files_below, found_path, id_from_path, images_base, is_picture, pictures_below
from .reader import (
    OUTLINED,
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
_SPLIT_KEYS = {"valid": "val", "validation": "val"}
_NOTHING = ("", "~", "null")
_NAMES_FILES = (
    "classes.txt",
    "labels/classes.txt",
    "obj.names",
    "data/classes.txt",
    "obj_train_data/classes.txt",
    "train/_darknet.labels",
)
_NAMES = {Path(name).name for name in _NAMES_FILES}
_BESIDE_FOLDERS = (".", "obj_train_data", "data")
_LOOKED_AT = 1000
_BOX, _BOX_AND_SCORE, _TRIANGLE = 5, 6, 7
"""Numbers in a line."""
_ROUNDING = 1e-3
"""Of a share."""
_LARGEST_SHARE = 2.0
"""A box may reach out of its image, and is clipped then; numbers above this are pixels."""
_LARGEST_OUTLINE = 1.5
"""Likewise of a corner; the 2 of a key point that is seen lies above it."""
_KEY_POINTS = "objects given with key points (which are not read)"
_SCORED = "objects given with a score (it is not read)"


@dataclass(frozen=True, kw_only=True)
class YoloSettings:
    """What the YAML file says; None or nothing where it does not."""

    path: str | None = None
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> folders or lists: of train, val and test, and of any other key that names a list (`.txt`)."""
    names: tuple[str, ...] = ()
    key_point_numbers: int = 0
    """What a line has beyond its box, by `kpt_shape`."""


class YoloLayout(FilesLayout):
    """Reads a folder with `images` and `labels`."""

    kind = "yolo"
    form = "images/ and labels/, or pictures with texts beside them and classes.txt (YOLO's)"

    def __init__(self, root: Path, settings_file: Path | None = None) -> None:
        """Open the folder that holds `images` and `labels`, or a folder for each split that does.

        Args:
            root: the folder.
            settings_file: the YAML file that names classes and splits; the folder's own where not given.

        Raises:
            InputError: there are no class names, or no images.
        """
        super().__init__(root, base=images_base(root))
        settings = _settings(root) if settings_file is None else read_yolo_settings(settings_file)
        self._key_point_numbers = settings.key_point_numbers
        self.class_names = _class_names(root, settings)
        named = _named_lists(root, settings)
        lists = {
            split: paths[0] if len(paths) == 1 else root / f"{split} of the YAML file"
            for split, paths in named.items()
            if paths
        }
        self._parts = {path: named[split] for split, path in lists.items()}
        self.notes = tuple(
            f"{split} is the images of train: figures on it say nothing of others"
            for split, paths in named.items()
            if split != "train" and paths == named.get("train")
        )
        self.lists = with_usual_names(lists or _found_lists(root))
        if not self.lists:
            raise InputError(f"{root}: expected images in YOLO's layout, got none. Put them into images/train.")

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder that holds `images` and `labels`, or folders that do, or texts beside the images."""
        if root.is_file():
            return _place_of_file(root)
        folder = folder_around(root, "labels", _is_yolo)
        if folder is None:
            return []
        names = next((folder / name for name in _NAMES_FILES if (folder / name).is_file()), folder)
        labels = folder / "labels"
        return [Place(path=labels if labels.is_dir() else names, open=partial(cls, folder))]

    def listed_ids(self, split: str) -> list[str]:
        """Paths below the images' folder: as a list gives them, or all of a folder in the order of their names."""
        where = self.lists[split]
        parts = self._parts.get(where, [where])
        return [id_from_path(path, self._base) for part in parts for path in self._listed(part)]

    def _listed(self, where: Path) -> list[Path]:
        if where.is_dir():
            pictures = pictures_below(where)
            return [*pictures, *_of_labels_alone(where, pictures)]
        return [self._listed_path(line, where) for line in filled_lines(where)]

    def _listed_path(self, line: str, where: Path) -> Path:
        return found_path(line, [where.parent]) or where.parent / line

    def read_annotation(self, image_id: str) -> Annotation:
        """Read the label file."""
        image = self.image_path(image_id)
        path = _labels_of(image)
        try:
            lines = list(text_lines(path))
        except FileNotFoundError:
            raise AnnotationMissingError(
                f"{path}: expected labels here, and an empty file for no objects, got no such file"
            ) from None
        except (OSError, InputError) as error:
            raise AnnotationBrokenError(str(error)) from None
        objects = tuple(
            self._object(line, where=f"{path} line {number}") for number, line in enumerate(lines, 1) if line.strip()
        )
        return Annotation(objects=objects, size_hw_px=None, in_shares=True)

    def _object(self, line: str, *, where: str) -> LabelledObject:
        got = line.strip()[:80]
        # Commas are between numbers with points, else they are the points.
        numbers = finite_numbers(line.replace(",", " " if "." in line else ".").split())
        if numbers is None or len(numbers) < _BOX or not numbers[0].is_integer() or numbers[0] < 0:
            raise AnnotationBrokenError(f"{where}: expected `class cx cy width height`, got {got!r}")
        if max(map(abs, numbers[1:_BOX])) > _LARGEST_SHARE:
            raise AnnotationBrokenError(f"{where}: expected shares of the image's width and height, got {got!r}")
        index, shares = int(numbers[0]), numbers[1:]
        name = self.class_names[index] if index < len(self.class_names) else f"class {index}"
        has_points = _are_key_points(numbers[_BOX:], count=self._key_point_numbers)
        has_score = len(numbers) == _BOX_AND_SCORE or (not self._key_point_numbers and _is_tracked(numbers))
        if has_points or has_score or len(numbers) == _BOX:
            cx, cy, width, height = shares[:4]
            box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
            remark = _KEY_POINTS if has_points else _SCORED if has_score else ""
            return LabelledObject(name=name, box_xyxy=box, difficult=False, remark=remark)
        if len(numbers) < _TRIANGLE or len(numbers) % 2 == 0 or max(map(abs, shares)) > _LARGEST_OUTLINE:
            raise AnnotationBrokenError(
                f"{where}: expected `class cx cy width height`, or shares `class x1 y1 x2 y2 x3 y3 ...`, got {got!r}"
            )
        box = (min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2]))
        return LabelledObject(name=name, box_xyxy=box, difficult=False, remark=OUTLINED)


def _place_of_file(path: Path) -> list[Place]:
    """Tell what a YAML file or a list of names means: the folder around it, or around its own."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return [Place(path=path, open=partial(YoloLayout, path.parent, path))]
    if path.name not in _NAMES:
        return []
    folder = next(
        (around for around in (path.resolve().parent, path.resolve().parent.parent) if _is_yolo(around)), None
    )
    return [] if folder is None else [Place(path=path, open=partial(YoloLayout, folder))]


def _are_key_points(numbers: Sequence[float], *, count: int) -> bool:
    """Whether what follows a box are key points: as many numbers as said, or x, y and a flag each, one of them 2."""
    flags = numbers[2::3]
    seem = len(numbers) > 0 and len(numbers) % 3 == 0 and 2 in flags and {0, 1, 2}.issuperset(flags)
    return len(numbers) == count if count else seem


def _is_tracked(numbers: Sequence[float]) -> bool:
    """Whether a box within its image is followed by a score and a whole number, as of what Ultralytics has tracked."""
    if len(numbers) != _TRIANGLE or numbers[-1] < 1 or not numbers[-1].is_integer():
        return False
    cx, cy, width, height, score = numbers[1:-1]
    reach = max(width / 2 - cx, height / 2 - cy, cx + width / 2 - 1, cy + height / 2 - 1)
    return reach <= _ROUNDING and 0 <= score <= 1


def _labels_of(image: Path) -> Path:
    """Find an image's labels: in `labels`, beside it, or under its whole name; where they should be if nowhere."""
    usual = label_path(image)
    places = (usual, image.with_suffix(".txt"), usual.with_name(f"{image.name}.txt"))
    return next((path for place in places if (path := alike(place)).exists()), usual)


def _of_labels_alone(images: Path, pictures: Sequence[Path]) -> list[Path]:
    """Name the images that labels in a folder of their own tell of and that are not there: they are missing."""
    labels = label_path(images / "any").parent
    if labels == images or not labels.is_dir():
        return []
    known = {_labels_of(path) for path in pictures}
    texts = (path for path in files_below(labels) if path.suffix.lower() == ".txt" and path not in known)
    alone = sorted(path for path in texts if path.name not in _NAMES and _tells_of_objects(path))
    return [images / path.relative_to(labels).with_suffix(".jpg") for path in alone]


def _tells_of_objects(path: Path) -> bool:
    try:
        numbers = finite_numbers(next(text_lines(path), "").split())
    except (OSError, InputError):
        return False
    return numbers is not None and len(numbers) >= _BOX


def _is_yolo(folder: Path) -> bool:
    """Whether there are `images` and `labels`, or pictures with texts beside them and a list of classes."""
    holding = [path.parent for path in _images_folders(folder) if path.is_dir() and _are_texts(path.parent / "labels")]
    if len(holding) == 1 and holding[0] != folder and _has_names(holding[0]) and not _has_names(folder):
        return False  # a whole data set one folder further in
    if holding:
        return True
    if not folder.is_dir() or not any((folder / name).is_file() for name in _names_files(folder)):
        return False
    return any(
        path.with_suffix(".txt").exists()
        for inner in _beside_folders(folder)
        for path in inner.glob("*.*")
        if is_picture(path)
    )


def _has_names(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _names_files(folder))


def _are_texts(labels: Path) -> bool:
    """Whether a folder of labels is there that holds texts, or nothing yet; others keep XML there, or other texts."""
    if not labels.is_dir() or is_kitti(labels):
        return False
    suffixes = {path.suffix.lower() for path in islice(files_below(labels), _LOOKED_AT)}
    return not suffixes or ".txt" in suffixes


def _beside_folders(root: Path) -> list[Path]:
    """Folders that may hold pictures with texts beside them: the usual ones, and those that are called like a split."""
    names = [name for name in (*_BESIDE_FOLDERS, *_SPLITS, "valid") if (root / name).is_dir()]
    return [root / name for name in names]


def _names_files(root: Path) -> list[str]:
    return [*_NAMES_FILES, *(path.name for path in _yamls(root))]


def _yamls(root: Path) -> list[Path]:
    return sorted(path for suffix in (".yaml", ".yml") for path in root.glob(any_case(suffix)))


def read_yolo_settings(path: Path) -> YoloSettings:
    """Read the YAML file, every value as it is written: a class may be called `no`.

    Raises:
        InputError: it is no YAML, or one of the keys says something else than a folder, a list or names.
    """
    try:
        text = "".join(text_lines(path)).expandtabs(2)  # PyYAML takes no tabs between words
        content = yaml.load(text, yaml.BaseLoader)  # gives texts alone
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: expected YAML, got {reason}. Write classes.txt and take this file away.") from error
    if not isinstance(content, dict):
        content = {}
    merged = content.pop("<<", {})
    content = {**(merged if isinstance(merged, dict) else {}), **content}
    given = {key: value for key, value in content.items() if value not in _NOTHING}
    given = {_SPLIT_KEYS.get(key, key) if _SPLIT_KEYS.get(key) not in given else key: given[key] for key in given}
    splits = {}
    for key, value in given.items():
        if key in _SPLITS or (isinstance(value, str) and value.endswith(".txt")):
            splits[key] = tuple(value) if isinstance(value, list) else (value,)
    wrong = [key for key in splits if not all(isinstance(value, str) for value in splits[key])]
    if wrong or not isinstance(given.get("path", ""), str):
        key = wrong[0] if wrong else "path"
        raise InputError(f"{path}: expected folders or lists for {key}, got {given[key]}. Name some.")
    return YoloSettings(
        path=given.get("path"),
        splits=splits,
        names=_names(given.get("names", []), path=path),
        key_point_numbers=_key_point_numbers(given.get("kpt_shape")),
    )


def _key_point_numbers(shape: object) -> int:
    sides = finite_numbers(shape) if isinstance(shape, list) and len(shape) == 2 else None
    return 0 if sides is None else int(sides[0] * sides[1])


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
    files = _yamls(root)
    found = [read_yolo_settings(path) for path in files]
    telling = [settings for settings in found if settings.names or settings.splits]
    if len(telling) > 1:
        names = ", ".join(path.name for path in files)
        raise InputError(f"{root}: expected one YAML file, got {names}. Keep the one that names classes and splits.")
    return telling[0] if telling else YoloSettings()


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
    return tuple(name.strip() for name in names)


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


def _named_lists(root: Path, settings: YoloSettings) -> dict[str, list[Path]]:
    """Find what the YAML file names; a test set need not be there."""
    lists: dict[str, list[Path]] = {}
    for split, values in settings.splits.items():
        # Tools write these relative to the folder, to `path`, or to a folder that is gone.
        found = [(value, found_path(value, [root, root / (settings.path or ".")])) for value in values]
        missing = [value for value, path in found if path is None]
        if not missing:
            lists[split] = [path for _, path in found if path is not None]
        elif split != "test":
            raise InputError(
                f"{root}: expected a folder or list {missing[0]}, which the YAML file names for {split}, got none. "
                f"Mend the YAML file's {split}."
            )
    return lists


def _is_list(path: Path) -> bool:
    return path.is_file() and is_picture(Path(next(text_lines(path), "").strip()))


def _found_lists(root: Path) -> dict[str, Path]:
    """Take folders below `images` for splits; images right there are `all`. Else darknet's lists, or folders."""
    images = root / "images"
    listed = {name: root / f"{name}.txt" for name in (*_SPLITS, "valid") if _is_list(root / f"{name}.txt")}
    if images.is_dir() and any(map(is_picture, images.iterdir())) and listed:
        return listed
    if images.is_dir():
        folders = {path.name: path for path in sorted(images.iterdir()) if path.is_dir() and path.name[0] != "."}
        return {"all": images} if any(map(is_picture, images.iterdir())) else folders
    splits = {path.parent.name: path for path in _images_folders(root)[1:] if (path.parent / "labels").is_dir()}
    beside = {folder.name: folder for folder in _beside_folders(root) if any(map(is_picture, folder.iterdir()))}
    flat = {name: folder for name, folder in beside.items() if name not in (*_SPLITS, "valid")}
    return splits or listed or ({"all": next(iter(flat.values()))} if flat else beside)

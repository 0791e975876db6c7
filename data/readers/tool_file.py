"""One file in which a tool keeps the labels of many pictures: JSON, JSON lines or XML of its own form.

`tool_dialects.py` knows the forms. Splits are those that the file tells, else its folder where that holds the pictures,
else the file's name.
"""

from __future__ import annotations

import codecs
import json
import re
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from .annotation_xml import xml_root
from .box_table import BoxTable, TableLayout
from .pictures import Pictures, any_case, id_from_path, images_base
from .reader import Place, with_usual_names
from .text_lines import text_lines
from .tool_dialects import DIALECTS, SUFFIXES, ToolDialect, ToolImage, ToolLabels

_MOST_FILES = 20
"""In a folder with more files than these, each tells of one image."""
_HEAD_BYTES = 1_000_000
_SPLIT_NAMES = re.compile(r"(?<![a-z])(train|training|val|valid|validation|test)(?![a-z])")
_ORDINARY = {"training": "train", "validation": "val"}


class ToolFileLayout(TableLayout):
    """Reads files of one tool."""

    kind = "tool"
    form = (
        "a tool's own file (CVAT's XML; JSON of VIA, CreateML, Label Studio, Datumaro, FiftyOne, SageMaker, Vertex AI)"
    )

    def __init__(self, root: Path, files: list[Path]) -> None:
        """Read some files of a folder.

        Raises:
            InputError: a file is not what its beginning seemed to be.
        """
        base = images_base(root)
        class_names: dict[str, None] = {}
        tables: dict[str, BoxTable] = {}
        dialects = []
        for path in files:
            dialect = _dialect(path)
            if dialect is None:
                raise InputError(f"{path}: expected one of the tools' files as before, got another. Leave it in place.")
            labels = _labels(path, dialect)
            dialects.append(dialect.name)
            class_names.update(dict.fromkeys(labels.class_names))
            own_split = _split_name(path, root)
            split_of = [_ORDINARY.get(image.split, image.split) or own_split for image in labels.images]
            pictures = Pictures(
                [path.parent, *_folders(root, [path.stem, *dict.fromkeys(split_of)]), root],
                (image.name for image in labels.images),
            )
            for split, image in zip(split_of, labels.images, strict=True):
                table = tables.setdefault(split, BoxTable(path / split, file=path))
                table.in_shares = dialect.in_shares
                _add(table, image, pictures=pictures, base=base)
        lists = {split: table.source for split, table in tables.items()}
        super().__init__(
            name=root.resolve().name, base=base, lists=with_usual_names(lists), tables=list(tables.values())
        )
        used = frozenset[str]().union(*(table.used_names for table in tables.values()))
        self.class_names = (*class_names, *sorted(used.difference(class_names)))
        self.dialect = ", ".join(dict.fromkeys(dialects))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """One file; or all of a folder, of its folder `annotations`, or of those that hold the pictures."""
        if root.is_file():
            around = root.parent.parent if root.parent.name == "annotations" else root.parent
            return [Place(path=root, open=partial(cls, around, [root]))] if is_tool_file(root) else []
        if not root.is_dir():
            return []
        for folders in ([root], [root / "annotations"], [path for path in sorted(root.iterdir()) if path.is_dir()]):
            files = [path for folder in folders for path in _files(folder)]
            if files:
                return [Place(path=files[0], open=partial(cls, root, files))]
        return []


def _folders(root: Path, splits: list[str]) -> list[Path]:
    """Where pictures may be, but for the file's own folder and the data set's."""
    inner = [root / "images", root / "data"]
    return [*inner, *(folder / split for folder in (*inner, root) for split in splits)]


def is_tool_file(path: Path) -> bool:
    """Whether a file begins as one of the tools' does."""
    return path.suffix.lower() in SUFFIXES and _dialect(path) is not None


def _files(folder: Path) -> list[Path]:
    found = [path for suffix in SUFFIXES for path in islice(folder.glob(any_case(suffix)), _MOST_FILES + 1)]
    return sorted(filter(is_tool_file, found)) if 0 < len(found) <= _MOST_FILES else []


def _dialect(path: Path) -> ToolDialect | None:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8)
    fitting = (each for each in DIALECTS if path.suffix.lower() in each.suffixes and each.sign.search(head))
    return next(fitting, None)


def _labels(path: Path, dialect: ToolDialect) -> ToolLabels:
    """Read a file whole.

    Raises:
        InputError: it is not what its beginning seems to be.
    """
    content: Any  # foreign JSON, or XML
    try:
        if path.suffix.lower() == ".xml":
            content = xml_root(path)
        elif dialect.is_lines:
            content = [json.loads(line) for line in text_lines(path) if line.strip()]
        else:
            content = json.loads("".join(text_lines(path)))
        return dialect.read(content)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        got = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise InputError(f"{path}: expected {dialect.name} file, got {got}. Export it again.") from error


def _add(table: BoxTable, image: ToolImage, *, pictures: Pictures, base: Path) -> None:
    if not image.name:
        table.add_stray(f"{table.file}: expected an image's name, got none")
        return
    image_id = id_from_path(pictures.path(image.name), base)
    if image_id not in table:
        table.add_image(image_id, hw_px=image.hw_px, remark=image.remark or pictures.remark(image.name))
    if image.is_unlabelled:
        table.add_missing(image_id, f"{table.file}, {image.name}: expected labels, got an image that nobody labelled")
    for item in image.objects:
        if not item.label or item.box_xyxy is None:
            got = item.got or item.label
            table.add_broken(image_id, f"{table.file}, {image.name}: expected a label and a box, got {got[:120]}")
            continue
        table.add_object(image_id, name=item.label, box_xyxy_px=item.box_xyxy, difficult=False, remark=item.remark)


def _split_name(path: Path, root: Path) -> str:
    """Take the folder's name where it is a split's, else what the file's name says of one."""
    if path.parent.resolve() != root.resolve() and path.parent.name != "annotations":
        return path.parent.name
    said = _SPLIT_NAMES.search(path.stem)
    return said[0] if said else "all"

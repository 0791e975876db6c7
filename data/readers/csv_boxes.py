"""CSV: one file a split, one box a line, `image,label,xmin,ymin,xmax,ymax`, and what other tools write so.

Our own convention: pixels, 0-based, both corners inside the box, as in Kaggle's files: the width is xmax - xmin + 1,
and a box that fills an image 100 pixels wide has xmin 0 and xmax 99. Decimals are allowed. Files in another convention
show in the report, as soon as a box touches its image's right or lower edge: it reaches out of the image by a pixel.
Other tools' files (`csv_dialects.py`) are in continuous edges, or in shares of the image.

The first line names the columns, in any order; further columns are passed over. A column `difficult` (0 or 1) may be
added. A line with an image and nothing else lists an image without objects. Images are looked for beside the file, in
`images` and in a folder of the split's name. Classes are those of `classes.txt`, a line each, in its order; without it
those of the objects, in alphabetical order.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.image_files import IMAGE_SUFFIXES
from .box_table import BoxTable, TableLayout
from .csv_dialects import ATTRIBUTES, COLUMNS, CROWD, DIFFICULT, SHAPE, SPLIT, CsvDialect, dialect_of
from .pictures import Pictures, any_case, id_from_path, images_base
from .reader import Place, with_usual_names
from .text_lines import filled_lines, text_lines

csv.field_size_limit(2**31 - 1)  # VIA's outlines run over pages
_SPLITS = {"training": "train", "valid": "val", "validation": "val", "unassigned": "all"}
_FLAGS = {"": False, "0": False, "1": True}
_NO_SPLIT = re.compile(r"(?:^|[-_])(?:annotations|bbox|labels|oidv\d)(?=[-_.]|$)")
"""What names of files say beside the split: `train-annotations-bbox.csv`, `train_labels.csv`."""
_NAMES_FILE = "classes.txt"
_MOST_FILES = 20
_NEEDED = ("train", "val", "valid")


class CsvLayout(TableLayout):
    """Reads `SPLIT.csv`."""

    kind = "csv"
    form = "a CSV file with the columns image,label,xmin,ymin,xmax,ymax, or another tool's"

    def __init__(self, root: Path, files: dict[str, Path]) -> None:
        """Read some files of a folder.

        Args:
            root: the data set's folder.
            files: split -> file.

        Raises:
            InputError: a file's columns are others.
        """
        base = images_base(root)
        dialects = {path: _known_dialect(path) for path in files.values()}
        lists: dict[str, BoxTable] = {}
        for split, path in files.items():
            lists.update(_read(path, dialects[path], split=split, root=root, base=base))
        by_name = {name: table.source for name, table in lists.items()}
        super().__init__(
            name=root.resolve().name, base=base, lists=with_usual_names(by_name), tables=list(lists.values())
        )
        names = root / _NAMES_FILE
        self.class_names = tuple(filled_lines(names)) if names.is_file() else tuple(sorted(self.class_names))
        self.dialect = ", ".join(dict.fromkeys(dialect.name for dialect in dialects.values() if dialect.name))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """One file; or all of a folder that tell of boxes, or of its folder `annotations`, or beside the images."""
        if root.is_file():
            if root.suffix.lower() != ".csv":
                return []
            around = root.parent.parent if root.parent.name == "annotations" else root.parent
            return [Place(path=root, open=partial(cls, around, {_split_name(root): root}))]
        if not root.is_dir():
            return []
        files = _by_split(_files(root) or _files(root / "annotations"))
        if not files:
            beside = {folder.name: _files(folder) for folder in sorted(root.iterdir()) if folder.is_dir()}
            files = {name: found[0] for name, found in beside.items() if len(found) == 1}
        return [Place(path=next(iter(files.values())), open=partial(cls, root, files))] if files else []


def _files(folder: Path) -> list[Path]:
    found = sorted(islice(folder.glob(any_case(".csv")), _MOST_FILES)) if folder.is_dir() else []
    telling = [path for path in found if dialect_of(path) is not None]
    # The list to train on is not passed over for another one that can be read.
    return [path for path in found if path in telling or _split_name(path) in _NEEDED] if telling else []


def _by_split(files: list[Path]) -> dict[str, Path]:
    short = {_split_name(path): path for path in files}
    return short if len(short) == len(files) else {path.stem: path for path in files}


def _split_name(path: Path) -> str:
    return _NO_SPLIT.sub("", path.stem).strip("-_") or "all"


def _known_dialect(path: Path) -> CsvDialect:
    dialect = dialect_of(path)
    if dialect is None or dialect.twice:
        got = next(text_lines(path), "").strip()[:120]
        raise InputError(
            f"{path}: expected a first line {','.join(COLUMNS)}, and perhaps {DIFFICULT}, got {got or 'none'}. "
            f"Name the columns so, each once."
        )
    return dialect


def _read(path: Path, dialect: CsvDialect, *, split: str, root: Path, base: Path) -> dict[str, BoxTable]:
    """Read a file: split -> its labels; one split unless the file itself tells of several."""
    folders = [path.parent, root / "images" / split, root / "images", root / split, root]
    names = dict.fromkeys(row["image"] for _, row in _rows(path, dialect) if row["image"])
    suffix = _suffix(next(iter(names), ""), folders)
    pictures = Pictures(folders, (name + suffix for name in names))
    readable = _readable_names(root) if dialect.in_shares else _numbered_names(root, path, dialect)
    tables: dict[str, BoxTable] = {}
    for line, row in _rows(path, dialect):
        inner = row.get(SPLIT, "").lower()
        name = _SPLITS.get(inner, inner) or split
        table = tables.setdefault(name, BoxTable(path / name if SPLIT in dialect.columns else path, file=path))
        where = f"{path} line {line}"
        if not row["image"]:
            table.add_stray(f"{where}: expected an image's name, got none")
            continue
        image = row["image"] + suffix
        image_id = id_from_path(pictures.path(image), base)
        if image_id not in table:  # an image has a line per box: that is no repetition
            table.add_image(image_id, remark=pictures.remark(image))
        _add_object(table, image_id, row, dialect=dialect, where=where, readable=readable)
    for table in tables.values():
        table.in_shares = table.is_in_shares() if dialect.in_shares is None else dialect.in_shares
        if not dialect.name and table.is_in_shares(dialect.to_edges):
            raise InputError(
                f"{path}: expected pixels in xmin, ymin, xmax and ymax, got numbers from 0 to 1, which are shares of "
                "the image. Multiply x by its width and y by its height."
            )
    return tables or {split: BoxTable(path)}


def _rows(path: Path, dialect: CsvDialect) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, what it says), blank lines passed over."""
    reader = csv.reader(text_lines(path), delimiter=dialect.delimiter, strict=True)
    try:
        if dialect.has_header:
            next(reader, None)
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, dialect.row(fields)
    except csv.Error as error:
        raise InputError(
            f"{path} line {reader.line_num}: expected CSV, got {error}. Look for a quotation mark without its other."
        ) from error


def _add_object(
    table: BoxTable, image_id: str, row: dict[str, str], *, dialect: CsvDialect, where: str, readable: dict[str, str]
) -> None:
    written, edges, remark = dialect.corners(row)
    label = dialect.label(row)
    if not label and (not any(written) or written == ["{}"]):
        return
    difficult, crowd = (_FLAGS.get(row.get(name, "")) for name in (DIFFICULT, CROWD))
    if not label or edges is None or difficult is None:
        wanted = "a label, four numbers" + (f" and {DIFFICULT} 0 or 1" if DIFFICULT in row else "")
        wanted = "a class and a shape with an extent" if SHAPE in row else wanted
        got = ",".join([row.get(ATTRIBUTES, label), *written, row.get(DIFFICULT, "")]).rstrip(",")
        table.add_broken(image_id, f"{where}: expected {wanted}, got {got!r}")
        return
    name = readable.get(label, label)
    table.class_names[name] = None
    is_crowd = bool(crowd)
    table.add_object(
        image_id, name=name, box_xyxy_px=edges, difficult=difficult or is_crowd, crowd=is_crowd, remark=remark
    )


def _suffix(name: str, folders: list[Path]) -> str:
    """Find what to add to the names of images that are written without a suffix, as Open Images' are."""
    if not name or Path(name).suffix.lower() in IMAGE_SUFFIXES:
        return ""
    there = (suffix for suffix in IMAGE_SUFFIXES if any((folder / (name + suffix)).is_file() for folder in folders))
    return next(there, IMAGE_SUFFIXES[0])


def _numbered_names(root: Path, path: Path, dialect: CsvDialect) -> dict[str, str]:
    """Name what is written as numbers from 0, where `classes.txt` has a name for each and no number is one."""
    file = root / _NAMES_FILE
    names = filled_lines(file) if file.is_file() else []
    labels = {dialect.label(row) for _, row in _rows(path, dialect)} - {""}
    of_number = {str(number): name for number, name in enumerate(names)}
    return of_number if labels <= of_number.keys() and labels.isdisjoint(names) else {}


def _readable_names(root: Path) -> dict[str, str]:
    """Read Open Images' names of its classes (`/m/01yrx,Cat` a line), if they lie there."""
    files = sorted(path for folder in (root, root / "annotations") for path in folder.glob("*class-descriptions*.csv"))
    rows = csv.reader(text_lines(files[0])) if files else ()
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}

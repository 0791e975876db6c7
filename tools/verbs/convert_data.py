"""`singleshot convert-data`: labelled images from one layout to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes
from ..terminal.stage_progress import stage_progress, tell


def convert_data(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO or CSV.")],
    to: Annotated[Literal["coco", "yolo", "voc", "csv"], typer.Option("--to", help="The layout to write.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="A folder that is not there yet.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,…|N|FILE", help="Classes to keep, in this order; the data's own if not given."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Another name for a class, once for each; several may become one."),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Hard-link the images instead of copying them.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
    ] = False,
    missing_is_background: Annotated[
        bool,
        typer.Option(
            "--missing-is-background",
            help="An image without a file of labels has no objects, instead of being left out.",
        ),
    ] = False,
) -> None:
    """Write labelled images in another layout, under the names of their own splits.

    Prints what the target cannot hold. The folder is written whole or not at all.

    Example: singleshot convert-data VOCdevkit --to coco -o animals-coco
    """
    with exit_codes():
        from ...data.class_choice import chosen_classes
        from ...data.dataset import open_dataset
        from ...data.writers.convert import convert_data as convert

        names = None if classes is None else chosen_classes(classes, data)
        dataset = open_dataset(
            data,
            class_names=names,
            strict=strict,
            missing_is_background=missing_is_background,
            renamed=_renamed(rename or []),
        )
        with stage_progress() as on_progress:
            conversion = convert(dataset, to, out, link=link, on_progress=on_progress)
        tell(dataset.found, *dataset.report.lines())
        print(f"{out}: {to} layout, " + ", ".join(f"{name} {count}" for name, count in conversion.images.items()))
        for line in conversion.lost:
            print(f"not kept, {line}")


def _renamed(pairs: list[str]) -> dict[str, str]:
    renamed = {}
    for pair in pairs:
        old, sign, new = (part.strip() for part in pair.partition("="))
        if not (old and sign and new):
            raise InputError(f"--rename: expected OLD=NEW, got {pair}. Write the class's name, = and its new one.")
        renamed[old] = new
    return renamed

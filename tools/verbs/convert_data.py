"""`singleshot convert-data`: labelled images from one layout to another."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..terminal.exits import exit_codes


class TargetLayout(str, Enum):
    """The layouts that can be written."""

    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    CSV = "csv"


def convert_data(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO or CSV.")],
    to: Annotated[TargetLayout, typer.Option("--to", help="The layout to write.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="A folder that is not there yet.")],
    classes: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Classes to keep, in this order; the data's own if not given.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Hard-link the images instead of copying them.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
    ] = False,
) -> None:
    """Write labelled images in another layout, under the names of their own splits.

    Prints what the target cannot hold. The folder is written whole or not at all.

    Example: singleshot convert-data VOCdevkit --to coco -o animals-coco
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    talk = Console(stderr=True)
    with exit_codes():
        from ...data.dataset import open_dataset
        from ...data.writers.convert import convert_data as convert

        names = None if classes is None else classes.split(",")
        dataset = open_dataset(data, class_names=names, strict=strict)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=talk, transient=True) as progress:
            task = progress.add_task("images", total=None)
            conversion = convert(
                dataset,
                to.value,
                out,
                link=link,
                on_progress=lambda split, done, total: progress.update(
                    task, description=split, completed=done, total=total
                ),
            )
        for line in (dataset.found, *dataset.report.lines()):
            talk.print(line, highlight=False, markup=False, soft_wrap=True)
        print(f"{out}: {to.value} layout, " + ", ".join(f"{name} {count}" for name, count in conversion.images.items()))
        for line in conversion.lost:
            print(f"not kept, {line}")

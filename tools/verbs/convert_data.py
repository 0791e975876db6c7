"""`singleshot convert-data`: labelled images from one layout to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ...runtime.errors import InputError
from ..terminal.data_options import AnywayFlag, BackgroundFlag, StrictFlag
from ..terminal.exits import exit_codes
from ..terminal.stage_progress import stage_progress, tell


def convert_data(
    data: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Labelled images of any tool; one or more.")],
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
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=NEW]",
            help="A split to write, once for each, perhaps under another name; all of the data's own if not given. "
            "seeded-train and seeded-val become train and val.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of seeded splits, and of --classes N.")] = 0,
    link: Annotated[bool, typer.Option("--link", help="Hard-link the images instead of copying them.")] = False,
    strict: StrictFlag = False,
    missing_is_background: BackgroundFlag = False,
    anyway: AnywayFlag = False,
) -> None:
    """Write labelled images in another layout, under the names of their own splits.

    Several data sets become one: splits of one name are joined, classes of one name are one class, and each image lies
    in a folder named like its data set. Prints what the target cannot hold. The folder is written whole or not at all.

    Examples:
      singleshot convert-data VOCdevkit --to coco -o animals-coco

      singleshot convert-data photos --to yolo --split seeded-train --split seeded-val -o photos-yolo

      singleshot convert-data VOCdevkit photos --rename Dog=dog --to coco -o both
    """
    with exit_codes():
        from ...data.class_choice import chosen_classes
        from ...data.dataset import open_dataset
        from ...data.writers.convert import convert_data as convert

        names = None if classes is None else chosen_classes(classes, *data, seed=seed)
        dataset = open_dataset(
            *data,
            class_names=names,
            strict=strict,
            missing_is_background=missing_is_background,
            anyway=anyway,
            renamed=_renamed(rename or []),
        )
        with stage_progress() as on_progress:
            conversion = convert(
                dataset, to, out, splits=_splits(split or []), seed=seed, link=link, on_progress=on_progress
            )
        tell(dataset.found, *dataset.notes, *dataset.report.lines())
        print(f"{out}: {to} layout, " + ", ".join(f"{name} {count}" for name, count in conversion.images.items()))
        for line in conversion.lost:
            print(f"not kept, {line}")


def _splits(written: list[str]) -> dict[str, str]:
    """Split of the data -> its name there; nothing if all are meant."""
    from ...data.splits import SEEDED_TRAIN, SEEDED_VAL

    splits = {}
    for text in written:
        name, sign, new = (part.strip() for part in text.partition("="))
        if not name or (sign and not new):
            raise InputError(f"--split: expected NAME or NAME=NEW, got {text}. Write the split's name.")
        splits[name] = new or {SEEDED_TRAIN: "train", SEEDED_VAL: "val"}.get(name, name)
    if len(set(splits.values())) < len(splits):
        raise InputError(
            f"--split: expected a name of its own for each, got {', '.join(splits.values())}. Name others."
        )
    return splits


def _renamed(pairs: list[str]) -> dict[str, str]:
    renamed = {}
    for pair in pairs:
        old, sign, new = (part.strip() for part in pair.partition("="))
        if not (old and sign and new):
            raise InputError(f"--rename: expected OLD=NEW, got {pair}. Write the class's name, = and its new one.")
        renamed[old] = new
    return renamed

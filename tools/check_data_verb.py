"""`singleshot check-data`: what labelled images hold, and what is wrong with them, before a detector is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..runtime.errors import MissingDependencyError
from .exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ..calib.data_check import DataCheck
    from ..calib.datasets import Dataset
    from ..train.box_coverage import BoxCoverage

_DEFAULT_NETWORK = "ssd_lite0"


def check_data(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO or CSV.")],
    split: Annotated[
        list[str] | None, typer.Option(help="A split to look at, once for each; all of the data's own if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of seeded splits.")] = 0,
    classes: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Classes to look at; all of the data's if not given.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Whose default boxes to hold against the objects; {_DEFAULT_NETWORK} where training is installed.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write one page with plots and pictures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
    ] = False,
) -> None:
    """Look at every labelled image: counts, sizes and shapes of boxes, duplicates, broken and suspicious files.

    For each split also the share of objects that the network's default boxes can match at IoU 0.5.

    Example: singleshot check-data VOCdevkit --classes cat,dog,person --html animals.html
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        from ..calib.datasets import open_dataset

        dataset = open_dataset(data, class_names=None if classes is None else classes.split(","), strict=strict)
        check = _check_with_progress(dataset, split or [], seed, talk)
        coverages = _coverages(dataset, check, network, talk)
        if html is not None:
            from .data_page import save_data_page

            save_data_page(dataset, check, coverages, html)
        if as_json:
            shares = {name: coverage.to_dict() for name, coverage in coverages.items()}
            print(json.dumps({**check.to_dict(), "default_boxes": shares}, indent=1))
        else:
            from .data_tables import print_data_tables

            print_data_tables(check, coverages)
        if html is not None:
            talk.print(f"{html}: written", highlight=False, markup=False, soft_wrap=True)


def _check_with_progress(dataset: Dataset, splits: list[str], seed: int, talk: Console) -> DataCheck:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ..calib.data_check import check_data as check

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("images", total=None)
        return check(
            dataset,
            splits,
            seed=seed,
            on_progress=lambda name, done, total: progress.update(task, description=name, completed=done, total=total),
        )


def _coverages(dataset: Dataset, check: DataCheck, network: str | None, talk: Console) -> dict[str, BoxCoverage]:
    """Split -> coverage; nothing if training is not installed and no network was named."""
    from ..runtime.require import require

    try:
        require("torch", extra="train", why="The share of objects that default boxes match")
    except MissingDependencyError as error:
        if network is not None:
            raise
        talk.print(f"not looked at: {error}", highlight=False, markup=False, soft_wrap=True)
        return {}
    from ..train.box_coverage import box_coverage

    return {name: box_coverage(dataset, name, network or _DEFAULT_NETWORK, seed=check.seed) for name in check.splits}

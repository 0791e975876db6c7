"""`singleshot check-data`: what labelled images hold, and what is wrong with them, before a detector is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError, MissingDependencyError
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ...data.check.data_check import DataCheck
    from ...data.dataset import Dataset
    from ...train.augmentation_settings import AugmentationSettings
    from ...train.networks.box_coverage import BoxCoverage
    from ...train.networks.box_fitting import FittedBoxes

_DEFAULT_NETWORK = "ssd_lite0"


_Data = Annotated[Path, typer.Argument(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO or CSV.")]
_Splits = Annotated[
    list[str] | None, typer.Option(help="A split to look at, once for each; all of the data's own if not given.")
]
_Seed = Annotated[int, typer.Option(help="Of seeded splits.")]
_Classes = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Classes to look at; all of the data's if not given.")
]
_Network = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"Whose default boxes to hold against the objects; {_DEFAULT_NETWORK} where training is installed.",
    ),
]
_FitDefaultBoxes = Annotated[
    bool,
    typer.Option("--fit-default-boxes", help="Also fit default boxes to the objects; `train` has this option too."),
]
_ShowAugmented = Annotated[
    Path | None,
    typer.Option(metavar="OUT.png", help="Draw images of the first split as a network is trained on them."),
]
_Config = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Settings of `train`, whose augmentation is to be drawn.")
]
_Html = Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write one page with plots and pictures.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
_Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
]


def check_data(
    data: _Data,
    split: _Splits = None,
    seed: _Seed = 0,
    classes: _Classes = None,
    network: _Network = None,
    fit_default_boxes: _FitDefaultBoxes = False,
    show_augmented: _ShowAugmented = None,
    config: _Config = None,
    html: _Html = None,
    as_json: _Json = False,
    strict: _Strict = False,
) -> None:
    """Look at every labelled image: counts, sizes and shapes of boxes, duplicates, broken and suspicious files.

    For each split also the share of objects that the network's default boxes can match at IoU 0.5.

    Example: singleshot check-data VOCdevkit --classes cat,dog,person --html animals.html

    Example: singleshot check-data VOCdevkit --split train --show-augmented augmented.png --config animals.toml
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        from ...data.dataset import open_dataset

        if html is not None:
            from ..pages.figure import check_figures
            from ..pages.page import check_page_name

            check_page_name(html)
            check_figures("--html")
        augmentation = _augmentation(config, is_shown=show_augmented is not None)
        dataset = open_dataset(data, class_names=None if classes is None else classes.split(","), strict=strict)
        check = _check_with_progress(dataset, split or [], seed, talk)
        coverages = _coverages(dataset, check, network, talk)
        fitted = _fitted(dataset, check, network or _DEFAULT_NETWORK) if fit_default_boxes else None
        sheet = None
        if show_augmented is not None and augmentation is not None:
            from ..pages.augmented_sheet import augmented_sheet, save_sheet

            first, size_of = next(iter(check.splits)), network or _DEFAULT_NETWORK
            sheet = augmented_sheet(dataset, first, network=size_of, augmentation=augmentation, seed=seed)
            save_sheet(sheet, show_augmented)
        if html is not None:
            from ..pages.data_page import save_data_page

            save_data_page(dataset, check, coverages, html, fitted=fitted, augmented=sheet)
        _print_found(check, coverages, fitted, as_json=as_json)
        for written in (show_augmented, html):
            if written is not None:
                talk.print(f"{written}: written", highlight=False, markup=False, soft_wrap=True)


def _print_found(
    check: DataCheck, coverages: dict[str, BoxCoverage], fitted: FittedBoxes | None, *, as_json: bool
) -> None:
    if as_json:
        shares = {name: coverage.to_dict() for name, coverage in coverages.items()}
        more = {} if fitted is None else {"fitted_default_boxes": fitted.to_dict()}
        print(json.dumps({**check.to_dict(), "default_boxes": shares, **more}, indent=1))
    else:
        from ..pages.data_tables import print_data_tables

        print_data_tables(check, coverages, fitted=fitted)


def _augmentation(config: Path | None, *, is_shown: bool) -> AugmentationSettings | None:
    """Read what is to be drawn, before all images are looked at; none if nothing is drawn."""
    if not is_shown:
        if config is not None:
            raise InputError("--config: expected with --show-augmented, got it alone. Add --show-augmented OUT.png.")
        return None
    from ...runtime.require import require

    require("torch", extra="train", why="--show-augmented")
    from ...train.configuration import load_settings
    from ...train.settings import train_settings

    return train_settings(**({} if config is None else load_settings(config))).augmentation


def _check_with_progress(dataset: Dataset, splits: list[str], seed: int, talk: Console) -> DataCheck:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ...data.check.data_check import check_data as check

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
    from ...runtime.require import require

    try:
        require("torch", extra="train", why="The share of objects that default boxes match")
    except MissingDependencyError as error:
        if network is not None:
            raise
        talk.print(f"not looked at: {error}", highlight=False, markup=False, soft_wrap=True)
        return {}
    from ...train.networks.box_coverage import box_coverage

    return {name: box_coverage(dataset, name, network or _DEFAULT_NETWORK, seed=check.seed) for name in check.splits}


def _fitted(dataset: Dataset, check: DataCheck, network: str) -> FittedBoxes:
    from ...runtime.require import require

    require("torch", extra="train", why="Fitting default boxes")
    from ...train.networks.box_fitting import fitted_boxes

    return fitted_boxes(dataset, list(check.splits), network, seed=check.seed)

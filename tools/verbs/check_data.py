"""`singleshot check-data`: what labelled images hold, and what is wrong with them, before a detector is trained."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError, MissingDependencyError
from ..terminal.data_options import BackgroundFlag, StrictFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...data.check.data_check import DataCheck
    from ...data.dataset import Dataset
    from ...train.augmentation_settings import AugmentationSettings
    from ...train.networks.box_coverage import BoxCoverage
    from ...train.networks.box_fitting import FittedBoxes

_DEFAULT_NETWORK = "ssd_lite0"


@dataclass(frozen=True, kw_only=True)
class CheckDataOptions:
    """What `check-data` is told."""

    data: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Labelled images: a folder or file of any tool, or several data sets."),
    ]
    split: Annotated[
        list[str] | None, typer.Option(help="A split to look at, once for each; all of the data's own if not given.")
    ] = None
    seed: Annotated[int, typer.Option(help="Of seeded splits.")] = 0
    classes: Annotated[
        str | None, typer.Option(metavar="A,B,…|N|FILE", help="Classes to look at; all of the data's if not given.")
    ] = None
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Whose default boxes to hold against the objects; {_DEFAULT_NETWORK} where training is installed.",
        ),
    ] = None
    fit_default_boxes: Annotated[
        bool,
        typer.Option("--fit-default-boxes", help="Also fit default boxes to the objects; `train` has this option too."),
    ] = False
    show_augmented: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw images of the first split as a network is trained on them."),
    ] = None
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Settings of `train`, whose augmentation is to be drawn.")
    ] = None
    html: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write one page with plots and pictures.")] = (
        None
    )
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False
    strict: StrictFlag = False
    missing_is_background: BackgroundFlag = False


@verb
def check_data(options: CheckDataOptions) -> None:
    """Look at every labelled image: counts, sizes and shapes of boxes, duplicates, broken and suspicious files.

    For each split also the share of objects that the network's default boxes can match at IoU 0.5.

    Example: singleshot check-data VOCdevkit --classes cat,dog,person --html animals.html

    Example: singleshot check-data VOCdevkit --split train --show-augmented augmented.png --config animals.toml
    """
    from ...data.check.data_check import check_data as check_dataset
    from ...data.class_choice import chosen_classes
    from ...data.dataset import open_dataset

    if options.html is not None:
        from ..pages.figure import check_figures
        from ..pages.page import check_page_name

        check_page_name(options.html)
        check_figures("--html")
    augmentation = _augmentation(options)
    names = None if options.classes is None else chosen_classes(options.classes, *options.data, seed=options.seed)
    dataset = open_dataset(
        *options.data,
        class_names=names,
        strict=options.strict,
        missing_is_background=options.missing_is_background,
    )
    with stage_progress() as on_progress:
        check = check_dataset(dataset, options.split or [], seed=options.seed, on_progress=on_progress)
    coverages = _coverages(dataset, check, options.network)
    network = options.network or _DEFAULT_NETWORK
    fitted = _fitted(dataset, check, network) if options.fit_default_boxes else None
    sheet = None
    if options.show_augmented is not None and augmentation is not None:
        from ..pages.augmented_sheet import augmented_sheet, save_sheet

        first = next(iter(check.splits))
        sheet = augmented_sheet(dataset, first, network=network, augmentation=augmentation, seed=options.seed)
        save_sheet(sheet, options.show_augmented)
    if options.html is not None:
        from ..pages.data_page import save_data_page

        save_data_page(dataset, check, coverages, options.html, fitted=fitted, augmented=sheet)
    _print_found(check, coverages, fitted, as_json=options.as_json)
    tell(*(f"{written}: written" for written in (options.show_augmented, options.html) if written is not None))


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


def _augmentation(options: CheckDataOptions) -> AugmentationSettings | None:
    """Read what is to be drawn, before all images are looked at; none if nothing is drawn."""
    config = options.config
    if options.show_augmented is None:
        if config is not None:
            raise InputError("--config: expected with --show-augmented, got it alone. Add --show-augmented OUT.png.")
        return None
    from ...runtime.require import require

    require("torch", extra="train", why="--show-augmented")
    from ...train.configuration import load_settings
    from ...train.settings import train_settings

    return train_settings(**({} if config is None else load_settings(config))).augmentation


def _coverages(dataset: Dataset, check: DataCheck, network: str | None) -> dict[str, BoxCoverage]:
    """Split -> coverage; nothing if training is not installed and no network was named."""
    from ...runtime.require import require

    try:
        require("torch", extra="train", why="The share of objects that default boxes match")
    except MissingDependencyError as error:
        if network is not None:
            raise
        tell(f"not looked at: {error}")
        return {}
    from ...train.networks.box_coverage import box_coverage

    return {name: box_coverage(dataset, name, network or _DEFAULT_NETWORK, seed=check.seed) for name in check.splits}


def _fitted(dataset: Dataset, check: DataCheck, network: str) -> FittedBoxes:
    from ...runtime.require import require

    require("torch", extra="train", why="Fitting default boxes")
    from ...train.networks.box_fitting import fitted_boxes

    return fitted_boxes(dataset, list(check.splits), network, seed=check.seed)

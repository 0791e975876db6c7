"""`singleshot train`: from labelled images to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import exit_codes

if TYPE_CHECKING:
    from ..calib.datasets import Dataset
    from ..train.settings import TrainSettings


def train(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of a network: ssd_lite0.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds ILSVRC or VOCdevkit.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Classes to learn, in this order; all of the data's if not given."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 60,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW at its peak.")] = 1e-3,
    frozen_stages: Annotated[
        int, typer.Option(min=0, max=7, help="Stages of the pretrained trunk that are not trained.")
    ] = 2,
    pretrained: Annotated[bool, typer.Option(help="Start the trunk from ImageNet weights.")] = True,
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16: mixed, about twice as fast where the processor has it.")
    ] = "float32",
    train_split: Annotated[str, typer.Option(help="A split; auto: train where the data have train and val.")] = "auto",
    val_split: Annotated[str, typer.Option(help="A split; auto: val, or seeded-val beside seeded-train.")] = "auto",
    split_seed: Annotated[int, typer.Option(help="Of the seeded splits.")] = 0,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    validate_every: Annotated[int, typer.Option(min=1, help="Epochs between two validations.")] = 5,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read and augment images.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last.ckpt.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
    ] = False,
) -> None:
    """Train a detector; the folder gets best.ckpt, last.ckpt (each epoch) and metrics.csv.

    Example: singleshot train ssd_lite0 --data VOC --classes cat,dog,person -o runs/animals
    """
    with exit_codes():
        from ..calib.datasets import open_dataset
        from ..runtime.require import require

        require("lightning", extra="train", why="training")
        from ..train.settings import train_settings
        from ..train.training import train as train_detector

        settings = train_settings(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            frozen_stages=frozen_stages,
            pretrained=pretrained,
            precision=precision,
            train_split=train_split,
            val_split=val_split,
            split_seed=split_seed,
            seed=seed,
            validate_every=validate_every,
            workers=workers,
        )
        names = None if classes is None else [name.strip() for name in classes.split(",")]
        dataset = open_dataset(data, class_names=names, strict=strict)
        result = train_detector(network, dataset, out, settings, resume=resume, on_report=_print_report)
        print(f"{result.best}: AP50 (VOC) {result.best_ap50_voc:.3f}, {result.epochs} epochs")


def _print_report(dataset: Dataset, settings: TrainSettings) -> None:
    from rich.console import Console

    talk = Console(stderr=True)
    found = f"{dataset.layout} layout: {dataset.name}, training on {settings.train_split}, validating on {settings.val_split}"
    for line in (found, *dataset.report.lines()):
        talk.print(line, highlight=False, markup=False, soft_wrap=True)

"""`singleshot train`: from labelled images to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typing_extensions import Self

from .exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ..calib.datasets import Dataset
    from ..train.settings import TrainSettings


def train(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of a network: ssd_lite0.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO, CSV.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Classes to learn, in this order; all of the data's if not given."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 60,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW at its peak.")] = 1e-3,
    frozen_stages: Annotated[
        int | None,
        typer.Option(min=0, max=7, help="Stages of the pretrained trunk that are not trained; 2 if not given."),
    ] = None,
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
    settings: dict[str, object] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "pretrained": pretrained,
        "precision": precision,
        "train_split": train_split,
        "val_split": val_split,
        "split_seed": split_seed,
        "seed": seed,
        "validate_every": validate_every,
        "workers": workers,
        **({} if frozen_stages is None else {"frozen_stages": frozen_stages}),
    }
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    with exit_codes():
        _train(network, data, out, class_names=names, settings=settings, resume=resume, strict=strict)


def _train(
    network: str,
    data: Path,
    out: Path,
    *,
    class_names: list[str] | None,
    settings: dict[str, object],
    resume: bool,
    strict: bool,
) -> None:
    from rich.console import Console

    from ..calib.datasets import open_dataset
    from ..runtime.require import require

    require("lightning", extra="train", why="training")
    talk = Console(stderr=True)
    with _how_to_resume(out, talk):
        from ..train.settings import train_settings
        from ..train.training import train as train_detector

        checked = train_settings(**settings)
        dataset = open_dataset(data, class_names=class_names, strict=strict)
        with _Looking(talk) as looking:
            result = train_detector(
                network, dataset, out, checked, resume=resume, on_look=looking.show, on_report=looking.report
            )
        measured = "not measured" if result.best_ap50_voc is None else f"{result.best_ap50_voc:.3f}"
        print(f"{result.best}: AP50 (VOC) {measured}, {result.epochs} epochs")


class _Looking:
    """A bar while every image is looked at, then the report; nothing of it is left while the network trains."""

    def __init__(self, talk: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._talk = talk
        self._bar = Progress(*columns, console=talk, transient=True)
        self._task = self._bar.add_task("looking at images", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, split: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, description=f"looking at {split}", completed=done, total=total)

    def report(self, dataset: Dataset, settings: TrainSettings) -> None:
        """Take the bar away and say what was found."""
        self._bar.stop()
        splits = f"training on {settings.train_split}, validating on {settings.val_split}"
        for line in (f"{dataset.layout} layout: {dataset.name}, {splits}", *dataset.report.lines()):
            self._talk.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _how_to_resume(out: Path, talk: Console) -> Iterator[None]:
    """After Ctrl-C or SIGTERM, say what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        last = out / "last.ckpt"
        kept = f"{last} holds the last whole epoch; the same command with --resume goes on from there."
        talk.print(
            f"Interrupted. {kept if last.is_file() else 'No epoch was finished: there is nothing to resume from.'}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise

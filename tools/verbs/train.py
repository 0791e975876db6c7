"""`singleshot train`: from labelled images to a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typing_extensions import Self

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ...data.dataset import Dataset
    from ...train.run.train import TrainingResult
    from ...train.settings import TrainSettings

_Network = Annotated[str, typer.Argument(metavar="NETWORK", help="Name of a network; `singleshot models` lists them.")]
_Data = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO, CSV. Needed.")
]
_Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run. Needed.")]
_Config = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="Settings; options of the command line win over them.")
]
_PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print every setting as TOML with what it means, and leave.")
]
_Classes = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,…|N|FILE",
        help="Classes to learn: by name in this order, so many sampled by --seed, or a file with a name a line; "
        "all of the data's if not given.",
    ),
]
_From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Start from the weights of a checkpoint or graph of the same network, or from a classifier's "
        "convolutions for a detector's trunk. The input may be of another size, a detector's classes others.",
    ),
]
_CacheDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where decoded images are kept, for later runs too.",
        show_default="$SINGLESHOT_CACHE_DIR, or ~/.cache/singleshot/images",
    ),
]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on from the folder's last.ckpt.")]
_Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

# Settings: none where neither given nor wanted otherwise than in the file. Defaults are those of `TrainSettings`.
_Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training images.", show_default="60")]
_BatchSize = Annotated[int | None, typer.Option(min=1, help="Images a step.", show_default="16")]
_LearningRate = Annotated[float | None, typer.Option(help="Of AdamW at its peak.", show_default="0.001")]
_FrozenStages = Annotated[
    int | None,
    typer.Option(min=0, max=7, help="Stages of a pretrained trunk that are not trained.", show_default="2"),
]
_Pretrained = Annotated[
    bool | None,
    typer.Option("--pretrained/--no-pretrained", help="Start from ImageNet weights.", show_default="if there are any"),
]
_FitDefaultBoxes = Annotated[
    bool, typer.Option("--fit-default-boxes", help="Fit an SSD's default boxes to the boxes of the training split.")
]
_Precision = Annotated[
    str | None,
    typer.Option(
        help="fp32; bf16 or fp16: mixed, about twice as fast where the device has it; auto.",
        show_default="auto",
    ),
]
_TrainSplit = Annotated[
    str | None, typer.Option(help="A split; auto: train where the data have train and val.", show_default="auto")
]
_ValSplit = Annotated[
    str | None, typer.Option(help="A split; auto: val, or seeded-val beside seeded-train.", show_default="auto")
]
_SplitSeed = Annotated[int | None, typer.Option(help="Of the seeded splits.", show_default="0")]
_Seed = Annotated[
    int | None, typer.Option(help="Of weights, order, augmentation, and the sample of classes.", show_default="0")
]
_ValidateEvery = Annotated[int | None, typer.Option(min=1, help="Epochs between two validations.", show_default="5")]
_Patience = Annotated[
    int | None,
    typer.Option(min=0, help="End after so many validations without a better one; 0: never.", show_default="0"),
]
_Balanced = Annotated[
    bool | None, typer.Option("--balanced/--no-balanced", help="Sample every class equally often.", show_default="no")
]
_Workers = Annotated[int | None, typer.Option(min=0, help="Processes that read and augment images.", show_default="2")]

_SETTINGS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "frozen_stages",
    "pretrained",
    "precision",
    "train_split",
    "val_split",
    "split_seed",
    "seed",
    "validate_every",
    "patience",
    "balanced",
    "workers",
)
"""Arguments of `train` that are settings of the same name."""


def train(
    network: _Network,
    data: _Data = None,
    out: _Out = None,
    config: _Config = None,
    print_config: _PrintConfig = False,
    classes: _Classes = None,
    epochs: _Epochs = None,
    batch_size: _BatchSize = None,
    learning_rate: _LearningRate = None,
    frozen_stages: _FrozenStages = None,
    pretrained: _Pretrained = None,
    fit_default_boxes: _FitDefaultBoxes = False,
    precision: _Precision = None,
    train_split: _TrainSplit = None,
    val_split: _ValSplit = None,
    split_seed: _SplitSeed = None,
    seed: _Seed = None,
    validate_every: _ValidateEvery = None,
    patience: _Patience = None,
    balanced: _Balanced = None,
    workers: _Workers = None,
    start_from: _From = None,
    cache_dir: _CacheDir = None,
    resume: _Resume = False,
    strict: _Strict = False,
    as_json: _Json = False,
) -> None:
    """Train a network; the folder gets best.ckpt, last.ckpt (each epoch), metrics.csv and, at the end, report.html.

    Example: singleshot train ssd_lite0 --data VOC --classes cat,dog,person -o runs/animals

    From a trained one, on your own photos: singleshot train ssd_lite0 --data PHOTOS --from animals.onnx -o runs/mine

    Every setting, the input's height and width too: singleshot train ssd_lite0 --print-config > animals.toml; then
    train with --config animals.toml
    """
    arguments = dict(locals())
    flags = {name: arguments[name] for name in _SETTINGS}
    flags["default_boxes"] = "fitted" if fit_default_boxes else None
    run = _Run(
        network=network,
        data=data,
        out=out,
        classes=classes,
        start_from=start_from,
        cache_dir=cache_dir,
        resume=resume,
        strict=strict,
        as_json=as_json,
    )
    with exit_codes():
        run.start(config, flags, print_config=print_config)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What was asked for beside the settings."""

    network: str
    data: Path | None
    out: Path | None
    classes: str | None
    start_from: Path | None
    cache_dir: Path | None
    resume: bool
    strict: bool
    as_json: bool

    def start(self, config: Path | None, flags: Mapping[str, object], *, print_config: bool) -> None:
        """Train, or print the settings that would be trained with."""
        from ...runtime.require import require_training
        from ..pages.figure import check_figures

        require_training("training")
        check_figures("the page about a training")  # not found out hours later
        if print_config:
            from ...train.configuration import for_network, settings_text

            print(settings_text(self.network, for_network(_settings(config, flags), self.network)), end="")
            return
        data = _given(self.data, "--data", "labelled images")
        out = _given(self.out, "--out", "the run")
        self._train(data, out, config, flags)

    def _train(self, data: Path, out: Path, config: Path | None, flags: Mapping[str, object]) -> None:
        from rich.console import Console

        from ...data.class_choice import chosen_classes
        from ...data.dataset import open_dataset

        talk = Console(stderr=True)
        with _how_to_resume(out, talk):
            from ...train.distributed import announced_world
            from ...train.run.train import train as train_network

            settings = _settings(config, flags)
            names = None if self.classes is None else chosen_classes(self.classes, data, seed=settings.seed)
            dataset = open_dataset(data, class_names=names, strict=self.strict)
            with _Looking(talk) as looking:
                result = train_network(
                    self.network,
                    dataset,
                    out,
                    settings,
                    start_from=self.start_from,
                    resume=self.resume,
                    cache_folder=self.cache_dir,
                    on_need=looking.need,
                    on_look=looking.show,
                    on_report=looking.report,
                )
            if announced_world(settings.devices).rank:  # one of several processes has the last word
                return
        report = _report(out, dataset, result, talk)
        _print_result(result, report, as_json=self.as_json)


def _settings(config: Path | None, flags: Mapping[str, object]) -> TrainSettings:
    """What the command line says, then the file, then the defaults."""
    from ...train.configuration import load_settings
    from ...train.settings import train_settings

    from_file = {} if config is None else load_settings(config)
    return train_settings(**{**from_file, **{name: value for name, value in flags.items() if value is not None}})


def _given(folder: Path | None, option: str, what: str) -> Path:
    if folder is None:
        raise InputError(f"{option}: expected the folder of {what}, got none. Name it by {option} DIR.")
    return folder


def _report(out: Path, dataset: Dataset, result: TrainingResult, talk: Console) -> Path:
    """Look at the best checkpoint once more, image by image, and write the page."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ...calib.records.mistakes import review
    from ...train.checkpoints.checkpoint import open_checkpoint_session
    from ...train.run.run_folder import RunFolder
    from ..pages.training_page import save_training_page

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    folder = RunFolder(path=out)
    with open_checkpoint_session(result.best) as session, Progress(*columns, console=talk, transient=True) as bar:
        task = bar.add_task("looking back", total=None)
        split = session.card.origin.settings["val_split"]
        seed = session.card.origin.settings["split_seed"]
        found = review(
            session,
            dataset,
            split,
            seed=seed,
            on_progress=lambda _, done, total: bar.update(task, completed=done, total=total),
        )
        save_training_page(session.card, folder.metrics, found, dataset, folder.report)
    return folder.report


def _print_result(result: TrainingResult, report: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**result.to_dict(), "report": str(report)}, indent=1))
        return
    measured = "not measured" if result.best_score is None else f"{result.best_score:.3f}"
    early = ", ended early" if result.stopped_early else ""
    print(f"{result.best}: {result.metric} {measured}, {result.epochs} epochs{early}\n{report}: written")


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

    def need(self, folder: Path, size: int) -> None:
        """Say what disk the decoded images take, before they do."""
        line = f"decoding images into {folder}: {size / 2**20:.0f} MiB, for later runs too"
        self._talk.print(line, highlight=False, markup=False, soft_wrap=True)

    def report(self, dataset: Dataset, settings: TrainSettings) -> None:
        """Take the bar away and say what was found."""
        self._bar.stop()
        splits = f"training on {settings.train_split}, validating on {settings.val_split}"
        for line in (f"{dataset.found}, {splits}", *dataset.report.lines()):
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

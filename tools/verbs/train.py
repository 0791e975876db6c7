"""`singleshot train`: from labelled images to a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.data_options import AnywayFlag, BackgroundFlag, StrictFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...data.dataset import Dataset
    from ...train.run.train import TrainingResult
    from ...train.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What `train` is told. Of a setting none means that the file, or else `TrainSettings`, says it."""

    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="Name of a network; `singleshot models` lists them.")
    ]
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Labelled images: a folder or file of any tool. Needed. Once for each of several data sets: a class "
            "that one of them does not label is not taught as background there.",
        ),
    ] = None
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run. Needed.")] = None
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Settings; options of the command line win over them.")
    ] = None
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print every setting as TOML with what it means, and leave.")
    ] = False
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…|N|FILE",
            help="Classes to learn: by name in this order, so many sampled by --seed, or a file with a name a line; "
            "all of the data's if not given.",
        ),
    ] = None
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training images.", show_default="60")] = (
        None
    )
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images a step.", show_default="16")] = None
    learning_rate: Annotated[float | None, typer.Option(help="Of AdamW at its peak.", show_default="0.001")] = None
    frozen_stages: Annotated[
        int | None,
        typer.Option(min=0, max=7, help="Stages of a pretrained trunk that are not trained.", show_default="2"),
    ] = None
    pretrained: Annotated[
        bool | None,
        typer.Option(
            "--pretrained/--no-pretrained",
            help="Start from ImageNet's weights; ssd_mobilenet2 from the shipped detector's.",
            show_default="if there are any",
        ),
    ] = None
    fit_default_boxes: Annotated[
        bool,
        typer.Option("--fit-default-boxes", help="Fit an SSD's default boxes to the boxes of the training split."),
    ] = False
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32; bf16 or fp16: mixed, about twice as fast where the device has it; auto.",
            show_default="auto",
        ),
    ] = None
    train_split: Annotated[
        str | None, typer.Option(help="A split; auto: train where the data have train and val.", show_default="auto")
    ] = None
    val_split: Annotated[
        str | None, typer.Option(help="A split; auto: val, or seeded-val beside seeded-train.", show_default="auto")
    ] = None
    split_seed: Annotated[int | None, typer.Option(help="Of the seeded splits.", show_default="0")] = None
    seed: Annotated[
        int | None, typer.Option(help="Of weights, order, augmentation, and the sample of classes.", show_default="0")
    ] = None
    validate_every: Annotated[
        int | None, typer.Option(min=1, help="Epochs between two validations.", show_default="5")
    ] = None
    patience: Annotated[
        int | None,
        typer.Option(min=0, help="End after so many validations without a better one; 0: never.", show_default="0"),
    ] = None
    balanced: Annotated[
        bool | None,
        typer.Option("--balanced/--no-balanced", help="Sample every class equally often.", show_default="no"),
    ] = None
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that read and augment images.", show_default="2")
    ] = None
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Start from the weights of a checkpoint or graph of the same network, or from a classifier's "
            "convolutions for a detector's trunk. The input may be of another size, a detector's classes others.",
        ),
    ] = None
    quantization_aware: Annotated[
        bool | None,
        typer.Option(
            "--quantization-aware/--no-quantization-aware",
            help="Fine-tune the weights of --from so that they bear int8: every step computes what the int8 graph "
            "computes. 3 epochs at a learning rate of 0.0001 where nothing else is said.",
            show_default="no",
        ),
    ] = None
    cache_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where decoded images are kept, for later runs too.",
            show_default="$SINGLESHOT_CACHE_DIR, or ~/.cache/singleshot/images",
        ),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last.ckpt.")] = False
    strict: StrictFlag = False
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False


@verb
def train(options: TrainOptions) -> None:
    """Train a network; the folder gets best.ckpt, last.ckpt (each epoch), metrics.csv and, at the end, report.html.

    Example: singleshot train ssd_lite0 --data VOC --classes cat,dog,person -o runs/animals

    What int8 loses, a few epochs may win back: singleshot train ssd_lite0 --data VOC --from runs/animals/best.ckpt
    -o runs/int8 --quantization-aware; then export, and quantize takes the ranges that were trained with.

    Of several data sets: singleshot train ssd_lite0 --data PETS --data PEOPLE -o runs/both

    From a trained one, on your own photos: singleshot train ssd_lite0 --data PHOTOS --from animals.onnx -o runs/mine

    Every setting, the input's height and width too: singleshot train ssd_lite0 --print-config > animals.toml; then
    train with --config animals.toml
    """
    from ...runtime.require import require_training
    from ..pages.figure import check_figures

    require_training("training")
    check_figures("the page about a training")  # not found out hours later
    if options.print_config:
        from ...train.configuration import for_network, settings_text

        print(settings_text(options.network, for_network(_settings(options), options.network)), end="")
        return
    data = options.data
    if not data:
        raise _not_given("--data", "labelled images")
    out = options.out
    if out is None:
        raise _not_given("--out", "the run")
    with _how_to_resume(out):
        from ...data.class_choice import chosen_classes
        from ...data.dataset import open_dataset
        from ...train.distributed import announced_world

        settings = _settings(options)
        names = None if options.classes is None else chosen_classes(options.classes, *data, seed=settings.seed)
        dataset = open_dataset(
            *data,
            class_names=names,
            strict=options.strict,
            missing_is_background=options.missing_is_background,
            anyway=options.anyway,
        )
        result = _trained(options, dataset, out, settings)
        if announced_world(settings.devices).rank:  # one of several processes has the last word
            return
    report = _report(out, dataset, result)
    _print_result(result, report, as_json=options.as_json)


def _trained(options: TrainOptions, dataset: Dataset, out: Path, settings: TrainSettings) -> TrainingResult:
    """Train, with a bar while every image is looked at, of which nothing is left while the network trains."""
    from ...data.mixed_data import counts_by_part
    from ...train.run.train import TrainingRun
    from ...train.run.train import train as train_network
    from ..pages.data_tables import part_lines

    run = TrainingRun(
        network=options.network,
        data=dataset,
        out=out,
        settings=settings,
        start_from=options.start_from,
        resume=options.resume,
        cache_folder=options.cache_dir,
    )

    if settings.quantization_aware:
        from ...export.quantize.aware import int8_to_train

        with stage_progress(is_logged=True) as on_progress:
            int8 = int8_to_train(run, on_progress=on_progress)
        run = replace(run, int8=int8)
        tell(f"int8: {int8.summary}; PyTorch rounds as the int8 graph does")

    def say_need(folder: Path, size: int) -> None:
        tell(f"decoding images into {folder}: {size / 2**20:.0f} MiB, for later runs too")

    def say_found(dataset: Dataset, settings: TrainSettings) -> None:
        looking.close()
        splits = settings.train_split, settings.val_split
        parts = {split: counts_by_part(dataset, split, seed=settings.split_seed) for split in splits}
        tell(f"{dataset.found}, training on {splits[0]}, validating on {splits[1]}", *dataset.notes)
        tell(*dataset.report.lines(), *part_lines(parts))

    with ExitStack() as looking:
        on_look = looking.enter_context(stage_progress())
        return train_network(run, on_look=on_look, on_need=say_need, on_report=say_found)


def _settings(options: TrainOptions) -> TrainSettings:
    """What the command line says, then the file, then the defaults."""
    from ...train.configuration import load_settings
    from ...train.settings import TrainSettings, train_settings

    flags = {name: value for name, value in vars(options).items() if name in TrainSettings.model_fields}
    flags["default_boxes"] = "fitted" if options.fit_default_boxes else None
    from_file = {} if options.config is None else load_settings(options.config)
    return train_settings(**{**from_file, **{name: value for name, value in flags.items() if value is not None}})


def _not_given(option: str, what: str) -> InputError:
    return InputError(f"{option}: expected the folder of {what}, got none. Name it by {option} DIR.")


def _report(out: Path, dataset: Dataset, result: TrainingResult) -> Path:
    """Look at the best checkpoint once more, image by image, and write the page."""
    from ...calib.records.mistakes import review
    from ...train.checkpoints.checkpoint import open_checkpoint_session
    from ...train.run.run_folder import RunFolder
    from ..pages.training_page import save_training_page

    folder = RunFolder(path=out)
    with open_checkpoint_session(result.best) as session, stage_progress() as on_progress:
        settings = session.card.origin.settings
        seed = settings["split_seed"]
        found = review(session, dataset, settings["val_split"], seed=seed, on_progress=on_progress)
        save_training_page(session.card, folder.metrics, found, dataset, folder.report)
    return folder.report


def _print_result(result: TrainingResult, report: Path, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**result.to_dict(), "report": str(report)}, indent=1))
        return
    from ...calib.accuracy.average_precision import MIN_OBJECTS

    of_few = f"not measured (no class has {MIN_OBJECTS} objects in the images that validate)"
    measured = of_few if result.best_score is None else f"{result.best_score:.3f}"
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    early = ", ended early" if result.stopped_early else ""
    print(f"{result.best}: {result.metric} {measured}, {epochs}{early}\n{report}: written")


@contextmanager
def _how_to_resume(out: Path) -> Iterator[None]:
    """After Ctrl-C or SIGTERM, say what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        last = out / "last.ckpt"
        kept = f"{last} holds the last whole epoch; the same command with --resume goes on from there."
        tell(f"Interrupted. {kept if last.is_file() else 'No epoch was finished: there is nothing to resume from.'}")
        raise

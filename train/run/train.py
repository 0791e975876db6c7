"""A training run: from labelled images to checkpoints."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from ...data.cache.building import OnNeed
from ...data.dataset import Dataset
from ...data.parts import listed
from ...data.splits import SEEDED_SPLITS
from ...runtime.card import Card, InputSpec, Int8Training, Origin, Postprocess, Task
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.image_files import read_image_bgr
from ...runtime.progress import Progress, no_progress
from ...runtime.shipped import shipped_detector
from ..checkpoints.resuming import check_same_run
from ..checkpoints.starting_weights import StartingWeights, load_starting_weights
from ..configuration import resolved_settings, with_fitted_boxes
from ..distributed import announced_world, images_per_process, machines_and_devices
from ..feed.batches import AugmentedImage, training_batches
from ..feed.device_augmentation import Place, where_to_augment
from ..feed.epochs import epochs_of
from ..feed.survey import SplitSurvey
from ..feed.training_images import TrainingImages, open_training_images
from ..feed.workers import ReadAhead, ended_workers
from ..learn.classifier_training import ClassifierTraining
from ..learn.detector_training import DetectorTraining
from ..learn.training_module import Training
from ..networks.int8_rounding import check_folds_norms, round_as_int8
from ..networks.registry import build_network, input_of, network_named, options_of
from ..precision import lightning_precision
from ..settings import TrainSettings
from .callbacks import MetricsTable, Patience, TrainingProgress, WholeCheckpoints, moving_average
from .freed_memory import keep_freed_memory
from .quiet_lightning import quiet_lightning
from .run_folder import RunFolder

CHECKPOINT_FRAMES = 8
"""Validation frames that go into a checkpoint; a few MiB."""

_LONGEST_VALIDATION = timedelta(hours=6)
"""How long the other processes wait for the one that measures."""


TRAININGS: dict[Task, type[DetectorTraining] | type[ClassifierTraining]] = {
    "detector": DetectorTraining,
    "classifier": ClassifierTraining,
}
"""How a network is trained, by its task."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a run leaves behind."""

    best: Path
    """The checkpoint of the greatest `metric`; the latest validated one where the split supports no such figure."""
    metric: str
    """The column of `metrics.csv` that says which epoch is best."""
    best_score: float | None
    """Its greatest value; none where no class has enough objects in the validation split."""
    epochs: int
    """Epochs trained in all, those before a resume counted."""
    stopped_early: bool
    """Whether the settings' patience ended the run."""

    def to_dict(self) -> dict[str, object]:
        """Write for a machine, ready for JSON."""
        return {**asdict(self), "best": str(self.best)}


def monitor_of(network: str) -> str:
    """Name the figure of a validation whose greatest value marks a network's best checkpoint.

    Raises:
        InputError: there is no such network.
    """
    return TRAININGS[network_named(network).task].monitor


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What is trained, on what, and where it goes.

    Args:
        network: a name of `NETWORKS`.
        data: labelled images; their classes are the network's.
        out: the run's folder.
        settings: see `TrainSettings`.
        start_from: checkpoint or graph to start with, see `StartingWeights.put_into`; given again on a resume. Where
            not given, the shipped detector, for a network that starts from it.
        resume: go on from `last.ckpt` in the folder instead of starting.
        int8: what a quantization-aware training rounds to, see `export.quantize.aware`; given again on a resume.
        cache_folder: where decoded images are kept for this run and later ones; the user's own where not given.
    """

    network: str
    data: Dataset
    out: StrPath
    settings: TrainSettings
    start_from: StrPath | None = None
    resume: bool = False
    int8: Int8Training | None = None
    cache_folder: StrPath | None = None

    def starting_point(self) -> tuple[nn.Module, Card]:
        """Build the network with the weights that a quantization-aware run starts from, before any image is read.

        Raises:
            InputError: as `train`.
        """
        settings = resolved_settings(self.network, self.data, self.settings)
        start = _starting_weights(_given_start(self), self.network, self.data, settings)
        card = planned_card(self.network, self.data, start.with_boxes(settings, self.network))
        network = build_network(self.network, options_of(card))
        check_folds_norms(network, self.network)
        start.put_into(network, card)
        return network.eval(), card


def train(
    run: TrainingRun,
    *,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    on_look: Progress = no_progress,
    on_need: OnNeed | None = None,
    on_report: Callable[[Dataset, TrainSettings], None] | None = None,
) -> TrainingResult:
    """Train a network; the run's folder gets `best.ckpt`, `last.ckpt` (each epoch) and `metrics.csv`.

    Args:
        run: what is trained, on what, and where it goes.
        progress: show a progress bar on the terminal.
        callbacks: further ones of Lightning's, called after the run's own.
        on_look: called with (split, images done, images in all) while images are looked at.
        on_need: called with a folder and the bytes that it is going to take, before images are decoded into it.
        on_report: called with the data and the resolved settings once that is done, before training starts.

    Of several processes (`settings.devices`, or `torchrun`) each calls this; the first one writes.

    Raises:
        InputError: unknown network or split; weights that do not fit; images of a step that do not divide by the
            processes; a class without objects; nothing to resume, or another run; a folder with a run, or in use.
    """
    network, data, resume = run.network, run.data, run.resume
    folder, world = RunFolder(path=Path(run.out)), announced_world(run.settings.devices)
    images_per_process(run.settings.batch_size, world)
    if not world.rank:  # the others may come when the first has begun
        folder.check(resume=resume)
    settings = resolved_settings(network, data, run.settings)
    if settings.quantization_aware and run.int8 is None:
        _given_start(run)
        raise InputError(
            "quantization_aware: expected false here, got true: nothing was calibrated. "
            "`singleshot train --quantization-aware` does."
        )
    start = _start(run, settings)
    spec = input_of(network, settings.height, settings.width)
    input_hw = spec.height, spec.width
    images = open_training_images(
        data, settings, input_hw=input_hw, cache_folder=run.cache_folder, on_look=on_look, on_need=on_need
    )
    settings = with_fitted_boxes(start.with_boxes(settings, network) if start else settings, network, data)
    if on_report is not None:
        on_report(data, settings)
    card = _card(network, data, settings, images.train, start).model_copy(update={"int8": run.int8})
    with nullcontext() if world.rank else folder.claimed(resume=resume):
        first_epoch = check_same_run(folder.last, card) if resume else 0
        lightning.seed_everything(settings.seed, verbose=False)
        epochs = epochs_of(images.cache, settings, first_epoch=first_epoch, rank=world.rank, world_size=world.size)
        place = where_to_augment(images.cache)
        batches = training_batches(images.cache, epochs, input_hw=input_hw, settings=settings, place=place)
        module = _module(card, data, settings, images, start, place, steps_per_epoch=len(batches))
        if min(settings.batch_size // world.size, len(epochs)) == 1:
            module.check_single_image()
        return _trained(module, batches, folder, images.val, resume=resume, progress=progress, callbacks=callbacks)


def _module(
    card: Card,
    data: Dataset,
    settings: TrainSettings,
    images: TrainingImages,
    start: StartingWeights | None,
    place: Place,
    *,
    steps_per_epoch: int,
) -> Training:
    frames = _frames(data, images.val.image_ids, card.input)
    module = TRAININGS[card.task](card, data, settings, steps_per_epoch=steps_per_epoch, frames=frames)
    if start is not None:
        module.start_trained(start.put_into(module.network, card))
    if card.int8 is not None:
        round_as_int8(module.network, card.int8)
    if place == "resident":
        module.hold(images.cache.pixels)
    return module


def _trained(
    module: Training,
    batches: ReadAhead[AugmentedImage],
    folder: RunFolder,
    val_part: SplitSurvey,
    *,
    resume: bool,
    progress: bool,
    callbacks: Sequence[Callback],
) -> TrainingResult:
    settings = module.settings
    detects = module.card.task == "detector"
    monitor = module.monitor if val_part.supports_ap or not detects else None
    keep_best, keep_last = _checkpoints(folder, monitor=monitor)
    patience = _patience(settings, val_part, monitor)
    with quiet_lightning():
        trainer = _trainer(folder, settings, progress=progress, callbacks=[*patience, keep_best, keep_last, *callbacks])
        with ended_workers(batches):
            _fit(trainer, module, batches, folder.last if resume else None)
    score = keep_best.best_model_score
    return TrainingResult(
        best=folder.best,
        metric=module.monitor,
        best_score=None if score is None else float(score),
        epochs=trainer.current_epoch,
        stopped_early=trainer.current_epoch < settings.epochs,
    )


def _fit(
    trainer: lightning.Trainer, module: Training, batches: ReadAhead[AugmentedImage], resume_from: Path | None
) -> None:
    keep_freed_memory()
    try:
        trainer.fit(
            module,
            batches,
            DataLoader([0]),  # type: ignore[arg-type]  # one item: the step reads the split itself, image by image
            ckpt_path=None if resume_from is None else str(resume_from),
            weights_only=True,
        )
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputError(
            f"{error.filename or 'disk'}: expected room to write, got a full disk. The checkpoints are whole: "
            f"make room, then go on with --resume."
        ) from error
    except (RuntimeError, SystemExit) as error:
        # Lightning ends by SystemExit after Ctrl-C, or by what it runs into when it tidies up a run that had not begun.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def _patience(settings: TrainSettings, val_part: SplitSurvey, monitor: str | None) -> list[Callback]:
    if not settings.patience:
        return []
    if monitor is None:
        raise InputError(
            f"patience: expected 0 where the split {val_part.split} has too few objects of every class to tell a "
            f"better validation, got {settings.patience}. Leave it out, or choose another split by --val-split."
        )
    return [Patience(monitor, patience=settings.patience)]


def _given_start(run: TrainingRun) -> StrPath:
    if run.start_from is None:
        raise InputError(
            f"--from: expected a trained {run.network} to go on from with --quantization-aware, got none. "
            f"Train it first, then name its best.ckpt by --from."
        )
    return run.start_from


def _start(run: TrainingRun, settings: TrainSettings) -> StartingWeights | None:
    if run.start_from is not None:
        return _starting_weights(run.start_from, run.network, run.data, settings)
    if settings.pretrained and network_named(run.network).starts_shipped:
        return _starting_weights(shipped_detector(), run.network, run.data, settings, with_any_boxes=True)
    return None


def _starting_weights(
    path: StrPath, network: str, data: Dataset, settings: TrainSettings, *, with_any_boxes: bool = False
) -> StartingWeights:
    """Read weights to start from, and refuse what does not fit before any image is decoded."""
    start = replace(load_starting_weights(path), with_any_boxes=with_any_boxes)
    if start.path.suffix == ".onnx" and not settings.frozen_norms:
        raise InputError(
            f"frozen_norms: expected true with {path}, whose batch norms are folded into its convolutions, got false. "
            f"Start from the checkpoint that it was exported from, or from nothing by --no-pretrained without --from."
        )
    own = (network, data.class_names)
    if settings.quantization_aware and (start.card.network, start.card.class_names) != own:
        raise InputError(
            f"{path}: expected a {network} of the classes {', '.join(data.class_names)} to go on from with "
            f"--quantization-aware, got a {start.card.network} of {', '.join(start.card.class_names)}. "
            f"Train from it without --quantization-aware first."
        )
    if settings.default_boxes == "network":  # fitted ones are not known yet, nor is what predicts relative to them
        card = planned_card(network, data, start.with_boxes(settings, network))
        start.put_into(build_network(network, options_of(card)), card)
    return start


def planned_card(network: str, data: Dataset, settings: TrainSettings) -> Card:
    """Say everything of a run that is known before its images are."""
    found = network_named(network)
    return Card(
        kind="checkpoint",
        task=found.task,
        network=network,
        class_names=data.class_names,
        input=input_of(network, settings.height, settings.width),
        postprocess=Postprocess(variances=found.variances),
        origin=Origin(
            settings=settings.model_dump(mode="json"),
            packages={name: version(name) for name in ("torch", "torchvision", "lightning")},
        ),
    )


def _card(
    network: str, data: Dataset, settings: TrainSettings, train_part: SplitSurvey, start: StartingWeights | None
) -> Card:
    planned, split = planned_card(network, data, settings), train_part.split
    origin = planned.origin.model_copy(
        update={
            "data": f"{data.layout} {data.name} {split}, {len(train_part.image_ids)} images{_left_open(data)}",
            "data_sha256": train_part.sha256,
            "split_seed": settings.split_seed if split in SEEDED_SPLITS else None,
        }
    )
    return planned.model_copy(update={"origin": origin if start is None else start.origin(origin)})


def _left_open(data: Dataset) -> str:
    """Say which of several data sets does not label what."""
    named = [f"{part} without labels of {listed(names)}" for part, names in data.parts.not_labelled.items()]
    return f" ({'; '.join(named)})" if named else ""


def _frames(data: Dataset, image_ids: Sequence[str], spec: InputSpec) -> NDArray[np.uint8]:
    """Take frames evenly from the validation images, fitted to the input: [n, H, W, 3]."""
    places = np.linspace(0, len(image_ids) - 1, min(CHECKPOINT_FRAMES, len(image_ids)), dtype=int)
    paths = [data.sample(image_ids[place]).image_path for place in places]
    return np.stack([fit_frame(read_image_bgr(path), spec) for path in paths])


def _checkpoints(folder: RunFolder, *, monitor: str | None) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    best = ModelCheckpoint(
        dirpath=folder.path, filename=folder.best.stem, monitor=monitor, mode="max", enable_version_counter=False
    )
    last = ModelCheckpoint(
        dirpath=folder.path,
        filename=folder.last.stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return best, last


def _trainer(
    folder: RunFolder, settings: TrainSettings, *, progress: bool, callbacks: list[Callback]
) -> lightning.Trainer:
    bars: list[Callback] = [TrainingProgress()] if progress else []
    machines, devices = machines_and_devices(settings.devices)
    together = DDPStrategy(timeout=_LONGEST_VALIDATION)
    return lightning.Trainer(
        accelerator="auto",
        devices=devices,
        num_nodes=machines,
        strategy="auto" if machines * devices == 1 else together,
        use_distributed_sampler=False,  # ours deals the images out, so that a step is the same for any number
        precision=lightning_precision(settings.precision),
        max_epochs=settings.epochs,
        check_val_every_n_epoch=settings.validate_every,
        num_sanity_val_steps=0,
        logger=_tensorboard(folder),
        plugins=[WholeCheckpoints()],
        callbacks=[moving_average(settings.ema_decay), MetricsTable(folder.metrics), *callbacks, *bars],
        enable_progress_bar=progress,
        enable_model_summary=False,
    )


def _tensorboard(folder: RunFolder) -> TensorBoardLogger | None:
    """Log for TensorBoard wherever it is installed."""
    if find_spec("tensorboard") is None:
        return None
    return TensorBoardLogger(folder.path, name="", version=folder.tensorboard.name)

"""A training run: from labelled images to checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..calib.datasets import Dataset
from ..calib.evaluation import evaluate
from ..calib.splits import SEEDED_SPLITS, SEEDED_TRAIN, SEEDED_VAL
from ..runtime.card import CARD_KEY, Card, InputSpec, Measurement, Origin, card_from_json
from ..runtime.detector import fit_frame
from ..runtime.errors import InputError
from ..runtime.images import read_image_bgr
from .augmentation import AugmentedImage
from .averaging import moving_average
from .batches import Batch, training_batches
from .checkpoint import FRAMES_KEY
from .losses import multibox_loss
from .matching import match_targets
from .metrics_table import MetricsTable
from .networks import network_named
from .quiet import quiet_lightning
from .resuming import check_same_run
from .session_torch import TorchSession, normalised_images
from .settings import TrainSettings
from .survey import SplitSurvey, check_surveys, survey_split

BEST = "best.ckpt"
LAST = "last.ckpt"
METRICS = "metrics.csv"
AP_METRIC = "val_ap50_voc"
FRAMES = 8
"""Validation frames that go into a checkpoint; a few MiB."""


class DetectorTraining(lightning.LightningModule):
    """What Lightning needs to know of a detector: its step, its validation, its optimizer."""

    def __init__(
        self,
        card: Card,
        data: Dataset,
        settings: TrainSettings,
        *,
        steps_per_epoch: int,
        frames: NDArray[np.uint8],
    ) -> None:
        """Build the network that the card names.

        Args:
            card: goes into every checkpoint, with what validation measured.
            data: labelled images; the validation split is read from it.
            settings: resolved, both splits named.
            steps_per_epoch: for the schedule.
            frames: [n, H, W, 3] uint8, BGR; go into every checkpoint for the proof of an export.
        """
        super().__init__()
        hw = (card.input.height, card.input.width)
        build = network_named(card.network).build
        self.network = build(hw, len(card.class_names) + 1, settings.pretrained)
        self.network.trunk.freeze(settings.frozen_stages)
        self.card = card
        self._data = data
        self._settings = settings
        self._steps_per_epoch = steps_per_epoch
        self._frames = torch.from_numpy(frames)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of one batch."""
        images = normalised_images(batch.images, self.card.input).contiguous(memory_format=torch.channels_last)
        heads = self.network(images)
        targets = match_targets(batch.objects, self.network.default_cxcywh, variances=self.card.postprocess.variances)
        loss = multibox_loss(heads, targets)
        count = len(batch.images)
        self.log("loss", loss.total, on_step=False, on_epoch=True, batch_size=count, prog_bar=True)
        self.log("class_loss", loss.classification, on_step=False, on_epoch=True, batch_size=count)
        self.log("box_loss", loss.localization, on_step=False, on_epoch=True, batch_size=count)
        return loss.total

    def on_train_epoch_start(self) -> None:
        """Keep a pretrained trunk's batch norm frozen (batches are too small to estimate it anew); never skip the
        last validation.
        """
        if self._settings.pretrained:
            self.network.trunk.eval()
        if self.current_epoch + 1 == self._settings.epochs:
            self.trainer.check_val_every_n_epoch = 1

    def validation_step(self, batch: object, batch_idx: int) -> None:
        """Measure average precision on the whole validation split; Lightning calls it once a validation."""
        card, settings = self.card, self._settings
        session = TorchSession(self.network, card)
        result = evaluate(session, self._data, settings.val_split, seed=settings.split_seed)
        for name, value in (
            (AP_METRIC, result.mean_ap50_voc),
            ("val_ap50", result.mean_ap50),
            ("val_ap50_95", result.mean_ap50_95),
        ):
            if value is not None:
                self.log(name, value, prog_bar=name == AP_METRIC, batch_size=1)
        if result.mean_ap50_voc is None:  # no class has enough objects: a figure would mean nothing
            return
        over = ", ".join(item.name for item in result.supported)
        measured = Measurement(
            metric=f"AP50 (VOC all-point), mean over {over}",
            value=result.mean_ap50_voc,
            data=f"{self._data.name} {settings.val_split}, {result.images} images",
            note=f"epoch {self.current_epoch}",
        )
        self.card = card.model_copy(update={"measurements": (measured,)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the card and a few frames into the file."""
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint[FRAMES_KEY] = self._frames

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the run measured before it was resumed."""
        before = card_from_json(checkpoint[CARD_KEY], source=LAST)
        self.card = self.card.model_copy(update={"measurements": before.measurements})

    def configure_optimizers(self) -> Any:  # Lightning's own union of a dozen shapes
        """AdamW; the trunk learns slower, norms and biases do not decay; linear warm-up, then a cosine."""
        settings = self._settings
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                key = (name.startswith("trunk."), parameter.ndim > 1)
                groups.setdefault(key, []).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": settings.learning_rate * (settings.trunk_learning_rate_factor if in_trunk else 1.0),
                    "weight_decay": settings.weight_decay if decays else 0.0,
                }
                for (in_trunk, decays), parameters in groups.items()
            ]
        )
        warmup = max(1, round(settings.warmup_epochs * self._steps_per_epoch))
        total = max(settings.epochs * self._steps_per_epoch, warmup + 1)
        schedule = torch.optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - warmup),
            ],
            milestones=[warmup],
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a run leaves behind."""

    best: Path
    """The checkpoint of greatest validation AP50; the latest validated one where the split supports no AP50."""
    best_ap50_voc: float | None
    """None where no class has enough objects in the validation split."""
    epochs: int
    """Epochs trained in all, those before a resume counted."""


def train(
    network: str,
    data: Dataset,
    out: Path,
    settings: TrainSettings,
    *,
    resume: bool = False,
    progress: bool = True,
    on_look: Callable[[str, int, int], None] | None = None,
    on_report: Callable[[Dataset, TrainSettings], None] | None = None,
) -> TrainingResult:
    """Train a detector; the run's folder gets `best.ckpt`, `last.ckpt` (each epoch) and `metrics.csv`.

    Args:
        network: a name of `NETWORKS`.
        data: labelled images; their classes are the detector's.
        out: the run's folder.
        settings: see `TrainSettings`.
        resume: go on from `last.ckpt` in the folder instead of starting.
        progress: show a progress bar on the terminal.
        on_look: called with (split, images done, images in all) while every image is looked at.
        on_report: called with the data and the resolved settings once that is done, before training starts.

    Raises:
        InputError: unknown network or split; a class without objects; nothing to resume, or another run; or a folder
            that already holds a run.
    """
    last = out / LAST
    _check_folder(last, resume=resume)
    network_named(network)
    settings = with_splits(settings, data)
    train_part, val_part = (
        survey_split(data, split, seed=settings.split_seed, on_progress=_named(on_look, split))
        for split in (settings.train_split, settings.val_split)
    )
    check_surveys(data, train_part, val_part)
    if on_report is not None:
        on_report(data, settings)
    card = _card(network, data, settings, train_part)
    first_epoch = check_same_run(last, card) if resume else 0
    _make_folder(out)
    lightning.seed_everything(settings.seed, verbose=False)
    batches = training_batches(
        data,
        list(train_part.image_ids),
        input_hw=(card.input.height, card.input.width),
        settings=settings,
        first_epoch=first_epoch,
    )
    frames = _frames(data, val_part.image_ids, card.input)
    module = DetectorTraining(card, data, settings, steps_per_epoch=len(batches), frames=frames)
    module.network.to(memory_format=torch.channels_last)
    keep_best, keep_last = _checkpoints(out, monitor=AP_METRIC if val_part.supports_ap else None)
    with quiet_lightning():
        trainer = _trainer(out, settings, progress=progress, callbacks=[keep_best, keep_last])
        _fit(trainer, module, batches, last if resume else None)
    score = keep_best.best_model_score
    return TrainingResult(
        best=out / BEST, best_ap50_voc=None if score is None else float(score), epochs=trainer.current_epoch
    )


def with_splits(settings: TrainSettings, data: Dataset) -> TrainSettings:
    """Replace `auto` by names: the data's own splits where they have both, else the seeded ones.

    A seeded split goes with the other seeded one: the official `val` shares images with `seeded-train`.
    """
    official = {"train", "val"} <= set(data.split_names())
    if not official or {settings.train_split, settings.val_split} & set(SEEDED_SPLITS):
        names = {"train_split": SEEDED_TRAIN, "val_split": SEEDED_VAL}
    else:
        names = {"train_split": "train", "val_split": "val"}
    left_open = {key: name for key, name in names.items() if getattr(settings, key) == "auto"}
    return settings.model_copy(update=left_open)


def _fit(
    trainer: lightning.Trainer, module: DetectorTraining, batches: DataLoader[AugmentedImage], resume_from: Path | None
) -> None:
    try:
        trainer.fit(
            module,
            batches,
            DataLoader([0]),  # type: ignore[arg-type]  # one item: the step reads the split itself, image by image
            ckpt_path=None if resume_from is None else str(resume_from),
            weights_only=True,
        )
    except SystemExit as stop:  # Lightning's way to end after Ctrl-C; who called us may want to end otherwise
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise


def _named(on_look: Callable[[str, int, int], None] | None, split: str) -> Callable[[int, int], None] | None:
    return None if on_look is None else lambda done, total: on_look(split, done, total)


def _check_folder(last: Path, *, resume: bool) -> None:
    if resume and not last.is_file():
        raise InputError(f"{last}: expected a checkpoint to resume from, got no such file. Leave out --resume.")
    if not resume and last.exists():
        raise InputError(
            f"{last.parent}: expected a folder without a run, got one with {last.name}. "
            f"Go on with it by --resume, or name another folder."
        )


def _make_folder(out: Path) -> None:
    """Find out before training, not after its first epoch, whether the folder can be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"{out}: expected a folder that can be written to, got {error.strerror}. Name another by --out."
        ) from error


def _card(network: str, data: Dataset, settings: TrainSettings, train_part: SplitSurvey) -> Card:
    spec = network_named(network).input
    size = {"height": settings.height or spec.height, "width": settings.width or spec.width}
    split = train_part.split
    return Card(
        kind="checkpoint",
        network=network,
        class_names=data.class_names,
        input=spec.model_copy(update=size),
        origin=Origin(
            data=f"{data.layout} {data.name} {split}, {len(train_part.image_ids)} images",
            data_sha256=train_part.sha256,
            split_seed=settings.split_seed if split in SEEDED_SPLITS else None,
            settings=settings.model_dump(),
            packages={name: version(name) for name in ("torch", "torchvision", "lightning")},
        ),
    )


def _frames(data: Dataset, image_ids: Sequence[str], spec: InputSpec) -> NDArray[np.uint8]:
    """Take frames evenly from the validation images, fitted to the input: [n, H, W, 3]."""
    places = np.linspace(0, len(image_ids) - 1, min(FRAMES, len(image_ids)), dtype=int)
    paths = [data.sample(image_ids[place]).image_path for place in places]
    return np.stack([fit_frame(read_image_bgr(path, upright=False), spec) for path in paths])


def _checkpoints(out: Path, *, monitor: str | None) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    best = ModelCheckpoint(
        dirpath=out, filename=Path(BEST).stem, monitor=monitor, mode="max", enable_version_counter=False
    )
    last = ModelCheckpoint(
        dirpath=out,
        filename=Path(LAST).stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return best, last


def _trainer(out: Path, settings: TrainSettings, *, progress: bool, callbacks: list[Callback]) -> lightning.Trainer:
    bars = [RichProgressBar(console_kwargs={"stderr": True})] if progress else []
    return lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if settings.precision == "bfloat16" else "32-true",
        max_epochs=settings.epochs,
        check_val_every_n_epoch=settings.validate_every,
        num_sanity_val_steps=0,
        gradient_clip_val=settings.gradient_clip,
        logger=False,
        callbacks=[moving_average(settings.ema_decay), MetricsTable(out / METRICS), *callbacks, *bars],
        enable_progress_bar=progress,
        enable_model_summary=False,
    )

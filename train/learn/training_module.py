"""What Lightning needs to know of every run, whatever is learned: the step, the validation, the optimizer."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from ...data.dataset import Dataset
from ...runtime.card import CARD_KEY, Card, Measurement, card_from_json
from ...runtime.errors import CheckError, InputError
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ..checkpoints.checkpoint import FRAMES_KEY
from ..checkpoints.torch_session import normalised_images
from ..feed.batches import Batch, PlannedBatch
from ..settings import TrainSettings

_LEAST_SCALE = 1.0
"""float16's scaling of the loss makes gradients overflow now and then, skips the step and scales less; below this the
scale is not what made them overflow."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What one validation measured.

    Args:
        figures: column of `metrics.csv` -> value; every name starts with `val_`.
        measurements: what of it goes into the card; empty keeps the card's earlier ones.
    """

    figures: Mapping[str, float]
    measurements: tuple[Measurement, ...] = field(default=())


class Training(lightning.LightningModule, ABC):
    """A network in training; what is particular to a task is in the subclass for it."""

    monitor: ClassVar[str]
    """The figure of a validation whose greatest value marks the best checkpoint."""

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
        self.network = self.built(card, settings).to(memory_format=torch.channels_last)
        self.card = card
        self.data = data
        self.settings = settings
        self.on_validated_image: Progress = no_progress
        """Told of each image while a validation runs."""
        self._steps_per_epoch = steps_per_epoch
        self._frames = torch.from_numpy(frames)
        self._image_ids: tuple[str, ...] = ()
        self._starts_trained = False
        self._kept_norms: tuple[nn.BatchNorm2d, ...] = ()
        self._pixels: Tensor | None = None

    @abstractmethod
    def built(self, card: Card, settings: TrainSettings) -> nn.Module:
        """Build the network that the card names; parameters of its `trunk`, if it has one, may start pretrained."""

    def start_trained(self, norms: Sequence[nn.BatchNorm2d]) -> None:
        """Be told that the network has an earlier training's weights: a trunk then learns slower, or not at all.

        Args:
            norms: those that came along; unless the settings say otherwise they keep mean and variance through the run,
                of which small batches give no good ones.
        """
        self._starts_trained = True
        trunk = getattr(self.network, "trunk", None)
        if not self.settings.trunk_learning_rate_factor and isinstance(trunk, nn.Module):
            trunk.requires_grad_(False)
        self._kept_norms = tuple(norm for norm in norms if self.settings.frozen_norms or not norm.weight.requires_grad)

    def hold(self, pixels: NDArray[np.uint8]) -> None:
        """Have the device that trains hold the pixels of all images, [bytes], for batches that are made of them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the file's view cannot be written to, nor is it
            self._pixels = torch.from_numpy(pixels)

    def check_single_image(self) -> None:
        """Refuse to train on one image at a step where a batch norm would see one value, which has no variance.

        Raises:
            InputError: the network has such a batch norm, and it learns.
        """
        probe, kept_norms = deepcopy((self.network, self._kept_norms))
        self._keep_norms(probe.train(), kept_norms)
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                probe(torch.zeros(1, 3, self.card.input.height, self.card.input.width))
        except ValueError as error:  # of batch norm; there is no other way to ask it
            raise InputError(
                f"batch_size: expected 2 images or more at a step, of which {self.card.network} takes mean and "
                f"variance, got 1. Train on more images, with a --batch-size of 2 or more for each process."
            ) from error

    def on_fit_start(self) -> None:
        """Copy to the device what it is to hold."""
        if self._pixels is not None:
            self._pixels = self._pixels.to(self.device)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Augment a batch where it is trained on; Lightning's hook, for batches of any kind."""
        if isinstance(batch, PlannedBatch):
            return batch.augmented_on(device, self._pixels, non_blocking=True)
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    @abstractmethod
    def losses(self, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Compute the parts of a batch's loss, scalars by name; training lowers their sum.

        Args:
            images: [N, 3, H, W] float32, the batch's, normalised as the network expects.
            batch: what is to be learned of them.
        """

    @abstractmethod
    def validate(self, on_progress: Progress) -> Validation:
        """Measure the network, in evaluation mode, on the whole validation split."""

    def measurements_of(self, figures: Mapping[str, float], *, images: int) -> tuple[Measurement, ...]:
        """Make the card's measurements of a validation's figures, metric -> value, over so many images."""
        data = f"{self.data.name} {self.settings.val_split}, {images} images"
        note = f"epoch {self.current_epoch + 1}"
        return tuple(Measurement(metric=metric, value=value, data=data, note=note) for metric, value in figures.items())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of one batch; what is random in it, as dropout is, is a function of seed and step alone."""
        torch.manual_seed(_step_seed(self.settings.seed, self.trainer.global_step, self.global_rank))
        images = normalised_images(batch.images, self.card.input).contiguous(memory_format=torch.channels_last)
        parts = self.losses(images, batch)
        total = torch.stack(list(parts.values())).sum()
        self._image_ids = tuple(batch.image_ids)
        if not torch.isfinite(total):
            self._stop_at("loss", ", ".join(f"{name} {float(part.detach()):g}" for name, part in parts.items()))
        count = len(batch.images)
        self.log("loss", total, on_step=False, on_epoch=True, batch_size=count, prog_bar=True, sync_dist=True)
        self.log_dict(parts, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)
        return total

    def on_train_epoch_start(self) -> None:
        """Keep a pretrained trunk's batch norm frozen (batches are too small to estimate it anew); never skip the
        last validation.
        """
        self._keep_norms(self.network, self._kept_norms)
        if self.current_epoch + 1 == self.settings.epochs:
            self.trainer.check_val_every_n_epoch = 1

    def _keep_norms(self, network: nn.Module, norms: Sequence[nn.BatchNorm2d]) -> None:
        if self.settings.pretrained and isinstance(trunk := getattr(network, "trunk", None), nn.Module):
            trunk.eval()
        for norm in norms:
            norm.eval()

    def on_train_epoch_end(self) -> None:
        """Tell the loggers the learning rate that the epoch ended with; `metrics.csv` has it by itself."""
        for logger in self.loggers:
            rate = self.trainer.optimizers[0].param_groups[-1]["lr"]
            logger.log_metrics({"learning_rate": rate}, step=self.trainer.global_step)

    def validation_step(self, batch: object, batch_idx: int) -> None:
        """Measure the validation split; Lightning calls it once a validation. Of several processes one measures."""
        measured = self.validate(self.on_validated_image) if self.trainer.is_global_zero else None
        measured = self.trainer.strategy.broadcast(measured)
        if measured is None:
            raise RuntimeError("the first process gave no validation")
        for name, value in measured.figures.items():
            self.log(name, value, prog_bar=name == self.monitor, batch_size=1)
        if measured.measurements:
            self.card = self.card.model_copy(update={"measurements": measured.measurements})

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Shorten the gradient to its greatest norm; stop at one that has none, before it reaches the weights."""
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        if not torch.isfinite(norm) and (scaler is None or scaler.get_scale() < _LEAST_SCALE):
            self._stop_at("gradient", f"norm {float(norm):g}")

    def _stop_at(self, what: str, got: str) -> NoReturn:
        files = ", ".join(str(self.data.sample(image_id).image_path) for image_id in self._image_ids)
        where = f"epoch {self.current_epoch + 1}, step {self.trainer.global_step + 1}"
        raise CheckError(
            f"{where}: expected a finite {what}, got {got}. The batch's files: {files}. "
            f"Look at them with `singleshot check-data`; where they are sound, start again with a smaller "
            f"learning rate or precision fp32. Checkpoints of earlier epochs are as they were."
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the card and a few frames into the file."""
        checkpoint[CARD_KEY] = self.card.to_json()
        checkpoint[FRAMES_KEY] = self._frames

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the run measured before it was resumed."""
        before = card_from_json(checkpoint[CARD_KEY], source="last.ckpt")
        self.card = self.card.model_copy(update={"measurements": before.measurements})

    def configure_optimizers(self) -> Any:  # Lightning's own union of a dozen shapes
        """AdamW; a pretrained trunk learns slower, norms and biases do not decay; linear warm-up, then the schedule."""
        settings = self.settings
        is_trained = settings.pretrained or self._starts_trained
        trunk_factor = settings.trunk_learning_rate_factor if is_trained else 1.0
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                key = (name.startswith("trunk."), parameter.ndim > 1)
                groups.setdefault(key, []).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": settings.learning_rate * (trunk_factor if in_trunk else 1.0),
                    "weight_decay": settings.weight_decay if decays else 0.0,
                }
                for (in_trunk, decays), parameters in groups.items()
            ],
            fused=settings.precision != Precision.FP16,  # which would leave the scaled gradients to it, after clipping
        )
        warmup = max(1, round(settings.warmup_epochs * self._steps_per_epoch))
        total = max(settings.epochs * self._steps_per_epoch, warmup + 1)
        rise = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup)
        if settings.schedule == "cosine":
            then: LRScheduler = CosineAnnealingLR(optimizer, T_max=total - warmup)
        else:
            then = ConstantLR(optimizer, factor=1.0)
        schedule = SequentialLR(optimizer, [rise, then], milestones=[warmup])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _step_seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])

"""Batches of augmented images: all randomness is a function of (seed, epoch, image)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..calib.datasets import Dataset as LabelledDataset
from ..runtime.images import read_image_bgr
from .augmentation import Augmentation, AugmentedImage
from .settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one training step sees.

    Args:
        images: [N, 3, H, W] uint8, RGB.
        objects: per image, boxes_xyxy [n, 4] float32 normalised and labels [n] int64 as in `AugmentedImage`.
    """

    images: Tensor
    objects: list[tuple[Tensor, Tensor]]

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Batch:
        """Copy to a device; Lightning calls it."""
        return Batch(
            images=self.images.to(device, non_blocking=non_blocking),
            objects=[(boxes.to(device), labels.to(device)) for boxes, labels in self.objects],
        )


class AugmentedImages(Dataset[AugmentedImage]):
    """Images by (epoch, index), augmented; only ids are held in memory."""

    def __init__(self, data: LabelledDataset, image_ids: list[str], *, input_hw: tuple[int, int], seed: int) -> None:
        self._data = data
        self._image_ids = image_ids
        self._augment = Augmentation(input_hw)
        self._seed = seed

    def __len__(self) -> int:
        return len(self._image_ids)

    def __getitem__(self, key: tuple[int, int]) -> AugmentedImage:
        epoch, index = key
        sample = self._data.sample(self._image_ids[index])
        image_rgb = np.ascontiguousarray(read_image_bgr(sample.image_path, upright=False)[:, :, ::-1])
        labels = np.where(sample.difficult, -1, sample.class_ids + 1)
        seed = np.random.SeedSequence((self._seed, epoch, index)).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed))
            return self._augment(image_rgb, sample.boxes_xyxy_px, labels)


class ShuffledEpochs(Sampler[tuple[int, int]]):
    """A full reshuffle each epoch, by seed and epoch alone."""

    def __init__(self, count: int, *, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._count)
        return ((self._epoch, int(index)) for index in order)


def training_batches(
    data: LabelledDataset,
    image_ids: list[str],
    *,
    input_hw: tuple[int, int],
    settings: TrainSettings,
    first_epoch: int = 0,
) -> DataLoader[AugmentedImage]:
    """Make the loader of a run; the last, incomplete batch of an epoch is left out if there is a complete one.

    Args:
        data: labelled images.
        image_ids: those to train on.
        input_hw: of the network.
        settings: of the run.
        first_epoch: of a resumed run. Lightning starts its workers before it tells the epoch.
    """
    epochs = ShuffledEpochs(len(image_ids), seed=settings.seed)
    epochs.set_epoch(first_epoch)
    return DataLoader(
        AugmentedImages(data, image_ids, input_hw=input_hw, seed=settings.seed),
        batch_size=settings.batch_size,
        sampler=epochs,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        worker_init_fn=_leave_sigterm_to_the_run,
        collate_fn=_collate,
        drop_last=len(image_ids) > settings.batch_size,
    )


def _leave_sigterm_to_the_run(_worker: int) -> None:
    """Ignore SIGTERM in a worker: service managers send it to every process, and the run itself ends its workers."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _collate(images: list[AugmentedImage]) -> Batch:
    return Batch(
        images=torch.stack([item.image for item in images]),
        objects=[(item.boxes_xyxy, item.labels) for item in images],
    )

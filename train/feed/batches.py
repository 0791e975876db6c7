"""Batches of augmented images: all randomness is a function of (seed, epoch, image)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from ...data.cache.image_cache import ImageSource
from ..augmentation_settings import AugmentationSettings
from ..settings import TrainSettings
from .augmentation import AugmentationPlan, augmented_image, plan_augmentation
from .device_augmentation import Place, PlannedImages, planned_images
from .epochs import Epochs
from .workers import ReadAhead, end_with_the_run

Objects = list[tuple[Tensor, Tensor]]
"""Per image, boxes_xyxy [n, 4] float32 normalised and labels [n] int64 as in `AugmentationPlan`."""


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """What is known of a batch's images.

    Args:
        objects: per image, boxes_xyxy [n, 4] float32 normalised and labels [n] int64: from 1 up, -1 marks an object
            that is neither learned nor held against the network.
        image_ids: of the N images, to name them by.
        labelled: [N, classes] bool, of which classes each image's labels speak; None: of all.
    """

    objects: Objects
    image_ids: tuple[str, ...]
    labelled: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Send the labels from worker to run as arrays: each tensor would go as a file of its own, one by one."""
        labelled = None if self.labelled is None else self.labelled.numpy()
        objects = [(boxes.numpy(), labels.numpy()) for boxes, labels in self.objects]
        return {**self.__dict__, "objects": objects, "labelled": labelled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        objects = [(torch.from_numpy(boxes), torch.from_numpy(labels)) for boxes, labels in state["objects"]]
        labelled = None if state["labelled"] is None else torch.from_numpy(state["labelled"])
        self.__dict__.update(state, objects=objects, labelled=labelled)

    def labels_on(self, device: torch.device) -> dict[str, Any]:
        """Copy all but the pixels to a device: by the names that they have here."""
        return {
            "objects": [(boxes.to(device), labels.to(device)) for boxes, labels in self.objects],
            "image_ids": self.image_ids,
            "labelled": None if self.labelled is None else self.labelled.to(device),
        }


@dataclass(frozen=True, kw_only=True)
class Batch(_Labelled):
    """What one training step sees.

    Args:
        images: [N, 3, H, W] uint8, RGB.
    """

    images: Tensor

    def shared(self) -> Self:
        """Move the images to memory that processes share."""
        return replace(self, images=self.images.share_memory_())  # type: ignore[no-untyped-call]  # of torch

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Batch:
        """Copy to a device; Lightning calls it."""
        return Batch(images=self.images.to(device, non_blocking=non_blocking), **self.labels_on(device))


@dataclass(frozen=True, kw_only=True)
class PlannedBatch(_Labelled):
    """A batch that is augmented where it is trained on."""

    planned: PlannedImages

    def shared(self) -> Self:
        """Move the images and plans to memory that processes share."""
        return replace(self, planned=self.planned.shared())

    def pin_memory(self) -> PlannedBatch:
        """Let a GPU read the images without waiting; torch calls it."""
        return replace(self, planned=self.planned.pin_memory())

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Batch:
        """Copy to a device and augment the images there; Lightning calls it."""
        return self.augmented_on(device, non_blocking=non_blocking)

    def augmented_on(self, device: torch.device, pixels: Tensor | None = None, *, non_blocking: bool = False) -> Batch:
        """Augment the images on a device, of the cache's pixels where it holds them; see `PlannedImages.augmented`."""
        images = self.planned.to(device, non_blocking=non_blocking).augmented(pixels)
        return Batch(images=images, **self.labels_on(device))


@dataclass(frozen=True, kw_only=True)
class AugmentedImage:
    """One image as the network trains on it.

    Args:
        image_rgb: [H, W, 3] uint8; where the training device is to augment it, [h, w, 3] as stored.
        plan: what was, or is to be, done to it.
        image_id: to name it by.
        offset: of the stored image among its cache's pixels.
        labelled: [classes] bool, of which classes its labels speak; None: of all.
    """

    image_rgb: NDArray[np.uint8]
    plan: AugmentationPlan
    image_id: str
    offset: int
    labelled: NDArray[np.bool_] | None = None


class AugmentedImages(Dataset[AugmentedImage]):
    """Images by (epoch, index), augmented."""

    def __init__(
        self,
        source: ImageSource,
        *,
        input_hw: tuple[int, int],
        seed: int,
        augmentation: AugmentationSettings,
        place: Place = "workers",
    ) -> None:
        """Take images and what is to be done to them; see `training_batches`."""
        self._source = source
        self._input_hw = input_hw
        self._seed = seed
        self._augmentation = augmentation
        self._place = place

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, key: tuple[int, int]) -> AugmentedImage:
        epoch, index = key
        stored = self._source.image(index)
        rng = np.random.default_rng((self._seed, epoch, index))
        plan = plan_augmentation(stored, self._augmentation, rng)
        image_rgb = stored.image_rgb  # a view: no pixel is read yet
        if self._place == "workers":
            image_rgb = augmented_image(image_rgb, plan, self._input_hw)
        elif self._place == "device":
            image_rgb = image_rgb.copy()
        self._source.forget_pages()
        return AugmentedImage(
            image_rgb=image_rgb, plan=plan, image_id=stored.image_id, offset=stored.offset, labelled=stored.labelled
        )

    def batch(self, images: list[AugmentedImage]) -> Batch | PlannedBatch:
        """Put images together; torch calls it.

        A worker moves them to shared memory here and not when they are sent: sending is the work of a thread, whose
        error, where that memory is full, nobody hears, while the run waits for the batch.
        """
        batch = self._batch(images)
        return batch if get_worker_info() is None else batch.shared()

    def _batch(self, images: list[AugmentedImage]) -> Batch | PlannedBatch:
        objects = [(torch.from_numpy(item.plan.boxes_xyxy), torch.from_numpy(item.plan.labels)) for item in images]
        image_ids = tuple(item.image_id for item in images)
        masks = [item.labelled for item in images if item.labelled is not None]
        labelled = torch.from_numpy(np.stack(masks)) if masks else None
        if self._place != "workers":
            planned = planned_images(
                [item.image_rgb for item in images],
                [item.plan for item in images],
                self._input_hw,
                resident_offsets=[item.offset for item in images] if self._place == "resident" else None,
            )
            return PlannedBatch(planned=planned, objects=objects, image_ids=image_ids, labelled=labelled)
        stacked = torch.from_numpy(np.stack([item.image_rgb for item in images]))
        pixels = stacked.permute(0, 3, 1, 2)  # channels last
        return Batch(images=pixels, objects=objects, image_ids=image_ids, labelled=labelled)


def training_batches(
    source: ImageSource,
    epochs: Epochs,
    *,
    input_hw: tuple[int, int],
    settings: TrainSettings,
    place: Place = "workers",
) -> ReadAhead[AugmentedImage]:
    """Make the loader of a run; the last, incomplete batch of an epoch is left out if there is a complete one.

    Args:
        source: labelled images.
        epochs: their order, set to the epoch that the run starts with: Lightning starts its workers before it tells
            the epoch.
        input_hw: height and width that images are fitted to.
        settings: the run's; a batch is what all processes together take at a step.
        place: where images are augmented; either way it is the same picture, to within a few grey levels.
    """
    images = AugmentedImages(
        source,
        input_hw=input_hw,
        seed=settings.seed,
        augmentation=settings.augmentation,
        place=place,
    )
    batch_size = settings.batch_size // epochs.world_size
    if settings.workers:
        # One thread a worker. Told here, before they are forked: a worker that tries to end the threads of OpenCV's
        # pool, which it inherits without them, waits for ever.
        cv2.setNumThreads(1)
    return ReadAhead(
        images,
        batch_size=batch_size,
        sampler=epochs,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        worker_init_fn=end_with_the_run,
        collate_fn=images.batch,
        drop_last=len(epochs) > batch_size,
        pin_memory=torch.cuda.is_available(),
    )

"""The validation split as the network sees it: whole images, only resized, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data.dataset import Dataset
from ...data.image_stream import streamed_images
from ...data.sample import Sample
from ...runtime.card import InputSpec
from ...runtime.detection.letterbox import boxes_to_input, fit_frame
from ...runtime.progress import Progress, no_progress

_BATCH = 16
"""Images that are measured at once."""


def validation_batches(
    data: Dataset, split: str, spec: InputSpec, *, seed: int = 0, on_progress: Progress = no_progress
) -> Iterator[tuple[list[Sample], NDArray[np.uint8]]]:
    """Give a split's usable images, fitted to the input by the resize that runs in production.

    Args:
        data: labelled images; those that cannot be read are left out and counted in its report.
        split: one of its splits.
        spec: the card's input.
        seed: of a seeded split.
        on_progress: called after each image.

    Yields:
        n samples and their frames, [n, H, W, 3] uint8 BGR.

    Raises:
        InputError: no image can be used, or the data set is strict and something is wrong.
    """
    samples: list[Sample] = []
    frames: list[NDArray[np.uint8]] = []
    for sample, image in streamed_images(data, split, seed=seed, on_progress=on_progress):
        samples.append(sample)
        frames.append(fit_frame(image, spec))
        if len(samples) == _BATCH:
            yield samples, np.stack(frames)
            samples, frames = [], []
    if samples:
        yield samples, np.stack(frames)


def objects_of(samples: list[Sample], spec: InputSpec, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Say what is to be learned of images that are not augmented, as `Batch.objects` does."""
    objects = []
    for sample in samples:
        height, width = sample.height_px, sample.width_px
        shares = np.divide(sample.boxes_xyxy_px, [width, height] * 2, dtype=np.float32)
        boxes = torch.from_numpy(boxes_to_input(shares, spec, height=height, width=width))
        labels = torch.from_numpy(np.where(sample.difficult, -1, sample.class_ids + 1))
        objects.append((boxes.to(device), labels.to(device)))
    return objects


def labelled_of(samples: list[Sample], device: torch.device) -> Tensor | None:
    """Say of which classes the labels of images speak, as `Batch.labelled` does."""
    masks = [sample.labelled for sample in samples if sample.labelled is not None]
    return torch.from_numpy(np.stack(masks)).to(device) if masks else None

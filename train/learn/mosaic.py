"""Four images of a batch in one: more objects and smaller ones, in places where they were not."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from ..feed.batches import Objects

_SPLIT = (0.3, 0.7)
"""Where the four meet, as a share of either side."""


def mosaic(
    images: Tensor, objects: Objects, labelled: Tensor | None, *, share: float
) -> tuple[Tensor, Objects, Tensor | None]:
    """Put images together with three others of their batch, each shrunk to its own part; they meet anywhere about the
    middle, at one point for the whole batch. All that is random comes from torch's own generator.

    Args:
        images: [N, 3, H, W] float32.
        objects: of each image, as a batch has them.
        labelled: [N, classes] bool, of which classes its labels speak; None: of all.
        share: of the images, 0 to 1.

    Returns:
        The same for as many images; the labels of one that is put together speak of what those of all four speak of.

    Source: Bochkovskiy et al. 2020, section 3.3 "Mosaic".
    """
    if not share:
        return images, objects, labelled  # nothing is drawn: what else is random stays as it is
    count, (height, width) = len(images), images.shape[2:]
    chosen = torch.nonzero(torch.rand(count) < share)[:, 0]
    if not len(chosen):
        return images, objects, labelled
    across, down = torch.empty(2).uniform_(*_SPLIT).tolist()
    left, top = round(across * width), round(down * height)
    parts = [(0, 0, left, top), (left, 0, width, top), (0, top, left, height), (left, top, width, height)]
    of_part = torch.cat([chosen[None], torch.randint(count, (len(parts) - 1, len(chosen)))])  # [4, chosen]
    together = images.new_empty((len(chosen), *images.shape[1:]))
    for (x1, y1, x2, y2), those in zip(parts, of_part, strict=True):
        together[:, :, y1:y2, x1:x2] = functional.resize(images[those], [y2 - y1, x2 - x1], antialias=True)
    images = images.index_copy(0, chosen.to(images.device), together)
    if labelled is not None:
        labelled = labelled.index_copy(0, chosen.to(labelled.device), labelled[of_part].all(dim=0))
    put = list(objects)
    for at, those in zip(chosen.tolist(), of_part.T.tolist(), strict=True):
        moved = [_moved(objects[i], part, (height, width)) for i, part in zip(those, parts, strict=True)]
        put[at] = torch.cat([boxes for boxes, _ in moved]), torch.cat([labels for _, labels in moved])
    return images, put, labelled


def _moved(
    objects: tuple[Tensor, Tensor], part_px: tuple[int, int, int, int], hw_px: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Move the boxes of an image to where its part lies."""
    boxes, labels = objects
    height, width = hw_px
    part = boxes.new_tensor(part_px) / boxes.new_tensor((width, height, width, height))
    corner, extent = part[:2].repeat(2), (part[2:] - part[:2]).repeat(2)
    return boxes * extent + corner, labels

"""Augmentation of a whole batch at once, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...data.cache.image_cache import ImageCache
from .augmentation import GREY, AugmentationPlan, input_from_image

_FAR_PX = 1e6


@dataclass(frozen=True, kw_only=True)
class PlannedImages:
    """N images as stored, and what is to be done to them.

    Args:
        canvases: [N, h, w, 3] uint8, RGB, each image in the upper left corner, grey around it; none where the device
            already has the pixels.
        canvas_hw: (h, w) of the canvases.
        places: [N, 3] int64, where each image lies among the pixels of its cache: offset, its height, its width.
        sampling: [N, 2, 3] float32, from normalised coordinates of the input to pixels of the canvas (edges, not
            middles).
        limits_px: [N, 4] float32, xyxy: where the canvas may be looked at; what lies beyond repeats the edge.
        colour: [N, 3, 4] float32, as in `AugmentationPlan`.
        input_hw: (H, W) of the network.
    """

    canvases: Tensor | None
    canvas_hw: tuple[int, int]
    places: Tensor
    sampling: Tensor
    limits_px: Tensor
    colour: Tensor
    input_hw: tuple[int, int]

    def shared(self) -> PlannedImages:
        """Move to memory that processes share."""
        return self._each(Tensor.share_memory_)

    def pin_memory(self) -> PlannedImages:
        """Copy to memory from which a GPU reads without waiting."""
        return self._each(Tensor.pin_memory)

    def to(self, device: torch.device, *, non_blocking: bool = False) -> PlannedImages:
        """Copy to a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def augmented(self, pixels: Tensor | None = None) -> Tensor:
        """Carry the plans out where the tensors are: [N, 3, H, W] uint8, RGB.

        One bilinear resampling without antialiasing, as `augmented_image` does, and the colours.

        Args:
            pixels: of the whole cache, [bytes] uint8, on this device; needed where there are no canvases.
        """
        canvases = self.canvases
        if canvases is None:
            if pixels is None:
                raise RuntimeError("images without canvases need the cache's pixels")
            canvases = _canvases_of(pixels, self.places, self.canvas_hw)
        height, width = self.input_hw
        count, device = len(canvases), canvases.device
        canvas_height, canvas_width = self.canvas_hw
        ys, xs = ((torch.arange(side, device=device) + 0.5) / side for side in (height, width))
        points = torch.stack([*torch.meshgrid(xs, ys, indexing="xy"), torch.ones(height, width, device=device)])
        places = (self.sampling @ points.reshape(3, -1)).reshape(count, 2, height, width)
        lowest, highest = self.limits_px[:, :2, None, None] + 0.5, self.limits_px[:, 2:, None, None] - 0.5
        places = places.clamp(lowest, highest) / places.new_tensor([canvas_width, canvas_height]).view(1, 2, 1, 1)
        grid = (2 * places - 1).permute(0, 2, 3, 1)  # [N, H, W, 2]
        # What lies beyond the canvas is sampled as 0: that is grey.
        shifted = canvases.permute(0, 3, 1, 2).float() - GREY
        sampled = functional.grid_sample(shifted, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        rounded = (sampled + GREY).round()
        coloured = self.colour[:, :, :3] @ rounded.flatten(2) + self.colour[:, :, 3:]
        return coloured.round().clamp(0, 255).to(torch.uint8).reshape(count, 3, height, width)

    def _each(self, change: Callable[[Tensor], Tensor]) -> PlannedImages:
        return PlannedImages(
            canvases=None if self.canvases is None else change(self.canvases),
            canvas_hw=self.canvas_hw,
            places=change(self.places),
            sampling=change(self.sampling),
            limits_px=change(self.limits_px),
            colour=change(self.colour),
            input_hw=self.input_hw,
        )


def planned_images(
    images_rgb: Sequence[NDArray[np.uint8]],
    plans: Sequence[AugmentationPlan],
    input_hw: tuple[int, int],
    *,
    resident_offsets: Sequence[int] | None = None,
) -> PlannedImages:
    """Put images of any size on canvases of one size, or only say where the device has them.

    Args:
        images_rgb: N times [h, w, 3] uint8.
        plans: one for each.
        input_hw: (H, W) of the network.
        resident_offsets: where each begins among the cache's pixels, which the device has; none sends them along.
    """
    sizes = np.array([image.shape[:2] for image in images_rgb])
    height, width = (int(side) for side in sizes.max(axis=0))
    canvases = None
    if resident_offsets is None:
        canvases = np.full((len(plans), height, width, 3), GREY, np.uint8)
        for at, (image, (rows, columns)) in enumerate(zip(images_rgb, sizes, strict=True)):
            canvases[at, :rows, :columns] = image
    offsets = np.array(resident_offsets or [0] * len(plans))
    sampling = np.zeros((len(plans), 2, 3), np.float32)
    limits = np.empty((len(plans), 4), np.float32)
    colour = np.tile(np.eye(3, 4, dtype=np.float32), (len(plans), 1, 1))
    for at, (image, plan) in enumerate(zip(images_rgb, plans, strict=True)):
        rows, columns = image.shape[:2]
        sampling[at] = input_from_image(plan) * np.array([[columns], [rows]])
        limits[at] = _limits_px(plan, (rows, columns))
        if plan.colour is not None:
            colour[at] = plan.colour
    return PlannedImages(
        canvases=None if canvases is None else torch.from_numpy(canvases),
        canvas_hw=(height, width),
        places=torch.from_numpy(np.column_stack([offsets, sizes])),
        sampling=torch.from_numpy(sampling),
        limits_px=torch.from_numpy(limits),
        colour=torch.from_numpy(colour),
        input_hw=input_hw,
    )


def _canvases_of(pixels: Tensor, places: Tensor, canvas_hw: tuple[int, int]) -> Tensor:
    """Gather images from where the cache has them onto canvases of one size: [N, h, w, 3]."""
    offsets, heights, widths = places.view(-1, 3, 1, 1, 1).unbind(1)  # [N, 1, 1, 1] each
    height, width = canvas_hw
    ys, xs, channels = (
        torch.arange(count, device=pixels.device).view(shape)
        for count, shape in ((height, (-1, 1, 1)), (width, (1, -1, 1)), (3, (1, 1, -1)))
    )
    inside = (ys < heights) & (xs < widths)
    found = pixels[torch.where(inside, offsets + (ys * widths + xs) * 3 + channels, 0)]
    return torch.where(inside, found, GREY)


def _limits_px(plan: AugmentationPlan, stored_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    if plan.part_px is not None:
        return plan.part_px
    if plan.within:
        return 0, 0, stored_hw[1], stored_hw[0]
    return -_FAR_PX, -_FAR_PX, _FAR_PX, _FAR_PX


Place = Literal["workers", "device", "resident"]
"""Where images are augmented. `workers`: image by image; `device`: whole batches, their pixels sent along; `resident`:
likewise, of pixels that the device holds from the start."""


_SHARE = 0.3
"""Of a GPU's free memory that images may take."""


def where_to_augment(cache: ImageCache) -> Place:
    """Choose for this machine: a CUDA GPU augments by itself, and holds all images where they fit beside a network."""
    if not torch.cuda.is_available():
        return "workers"
    free, _ = torch.cuda.mem_get_info()
    return "resident" if cache.pixels.nbytes <= _SHARE * free else "device"

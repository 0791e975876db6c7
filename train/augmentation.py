"""SSD's augmentation, in torchvision's transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

_EXPANSION_GREY = 127
_MAX_EXPANSION = 2.5
_EXPANSION_SHARE = 0.4
_COLOUR_SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class AugmentedImage:
    """One image as the network trains on it.

    Args:
        image: [3, H, W] uint8, RGB.
        boxes_xyxy: [n, 4] float32, normalised.
        labels: [n] int64, from 1 up; -1 marks an object that is neither learned nor held against the network.
    """

    image: Tensor
    boxes_xyxy: Tensor
    labels: Tensor


class Augmentation:
    """Expansion, crops that keep enough of an object, flip, colour; then the resize that runs in production.

    The resize is bilinear without antialiasing, which is within one grey level of OpenCV's INTER_LINEAR.

    Source: Liu et al. 2016, section 2.2 "Data augmentation" and 3.6.
    """

    def __init__(self, input_hw: tuple[int, int]) -> None:
        self._input_hw = input_hw
        self._expand = v2.RandomZoomOut(fill=_EXPANSION_GREY, side_range=(1.0, _MAX_EXPANSION), p=_EXPANSION_SHARE)
        self._crop = v2.RandomIoUCrop()
        self._finish = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.Resize(list(input_hw), antialias=False),
                # Last, on fewest pixels.
                v2.RandomPhotometricDistort(p=_COLOUR_SHARE),
            ]
        )

    def __call__(
        self, image_rgb: NDArray[np.uint8], boxes_xyxy_px: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> AugmentedImage:
        """Augment by torch's global random state.

        Args:
            image_rgb: [h, w, 3] uint8.
            boxes_xyxy_px: [n, 4] float32, continuous edges, in pixels of the image.
            labels: [n] int64.
        """
        height, width = image_rgb.shape[:2]
        sample = {
            "image": tv_tensors.Image(torch.from_numpy(image_rgb).permute(2, 0, 1)),
            "boxes": tv_tensors.BoundingBoxes(
                torch.from_numpy(boxes_xyxy_px), format="XYXY", canvas_size=(height, width)
            ),
            "labels": torch.from_numpy(labels),
        }
        sample = self._expand(sample)
        if len(sample["labels"]):  # a crop is drawn by its overlap with objects: background images have none
            sample = _without_empty_boxes(self._crop(sample))
        sample = self._finish(sample)
        height, width = self._input_hw
        boxes = sample["boxes"].as_subclass(Tensor) / torch.tensor([width, height, width, height])
        return AugmentedImage(
            image=sample["image"].as_subclass(Tensor).contiguous(),
            boxes_xyxy=boxes.clamp(0, 1),
            labels=sample["labels"],
        )


def _without_empty_boxes(sample: dict[str, Any]) -> dict[str, Any]:  # images and boxes of torchvision's own types
    """Drop the objects that a crop left out; their boxes have no area any more.

    torchvision's SanitizeBoundingBoxes also drops boxes a rounding error below one pixel thin, which are objects.
    """
    boxes = sample["boxes"]
    kept = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return {**sample, "boxes": tv_tensors.wrap(boxes[kept], like=boxes), "labels": sample["labels"][kept]}

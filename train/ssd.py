"""The single-shot detector: a trunk, further maps, and one prediction head per map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .default_boxes import DefaultBoxSettings, default_boxes
from .layers import ConvNorm, separable
from .lite0 import Lite0Trunk

_BACKGROUND_PRIOR = 0.99
"""Share of background that the untrained heads predict; starts training without a flood of false alarms."""


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What the network emits for a batch.

    Args:
        class_logits: [N, D, C], before softmax; label 0 is background.
        box_offsets: [N, D, 4], (dx, dy, dw, dh) relative to the default boxes.
    """

    class_logits: Tensor
    box_offsets: Tensor


class TopDown(nn.Module):
    """Brings the meaning of coarse maps to the fine ones: lateral 1x1, upsample, add, smooth.

    Source: Lin et al. 2017, Feature Pyramid Networks; separable smoothing as in SSDLite.
    """

    def __init__(self, in_channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(channels, width, activation=False) for channels in in_channels)
        self.smooths = nn.ModuleList(separable(width, width) for _ in in_channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map [N, c_i, h_i, w_i], finest first, to [N, width, h_i, w_i]."""
        merged: list[Tensor] = []
        for lateral, x in zip(reversed(self.laterals), reversed(maps), strict=True):
            y = lateral(x)
            if merged:
                y = y + _upsampled(merged[-1], y.shape[-2], y.shape[-1])
            merged.append(y)
        return [smooth(x) for smooth, x in zip(self.smooths, reversed(merged), strict=True)]


def _upsampled(x: Tensor, height: int, width: int) -> Tensor:
    """Enlarge by repetition; whole factors stay constants in an exported graph, sizes need the batch's shape."""
    factors = (height / x.shape[-2], width / x.shape[-1])
    if all(factor.is_integer() for factor in factors):
        return functional.interpolate(x, scale_factor=factors, mode="nearest")
    return functional.interpolate(x, size=(height, width), mode="nearest")


class Branch(nn.Module):
    """A head's branch on one map: separable convolutions, then a 3x3 depthwise and a 1x1 predictor."""

    def __init__(self, width: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.tower = nn.Sequential(*(separable(width, width) for _ in range(depth)))
        self.depthwise = ConvNorm(width, width, 3, groups=width)
        self.predictor = nn.Conv2d(width, outputs, 1)
        nn.init.normal_(self.predictor.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, self.predictor.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, width, h, w] to [N, outputs, h, w]."""
        y: Tensor = self.predictor(self.depthwise(self.tower(x)))
        return y


class SSD(nn.Module):
    """A single-shot detector.

    Args:
        trunk: gives three maps, finest first, and says their channels.
        input_hw: height and width of the input.
        classes: C, background counted.
        boxes: settings of the default boxes, one entry per map: the trunk's three, then the further ones.
        width: channels of the maps that the heads see.
        branch_depth: separable convolutions in each branch before its predictor.

    Source: Liu et al. 2016; separable heads as in SSDLite (Sandler et al. 2018).
    """

    default_cxcywh: Tensor

    def __init__(
        self,
        trunk: Lite0Trunk,
        *,
        input_hw: tuple[int, int],
        classes: int,
        boxes: DefaultBoxSettings,
        width: int = 128,
        branch_depth: int = 1,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.classes = classes
        self.top_down = TopDown(trunk.out_channels, width)
        further = len(boxes.aspect_ratios) - len(trunk.out_channels)
        self.extras = nn.ModuleList(separable(width, width, stride=2) for _ in range(further))
        self.class_branches = nn.ModuleList(
            _class_branch(width, branch_depth, boxes=count, classes=classes) for count in boxes.boxes_per_cell
        )
        self.box_branches = nn.ModuleList(Branch(width, branch_depth, count * 4) for count in boxes.boxes_per_cell)
        cxcywh = default_boxes(self._map_hws(input_hw), boxes)
        self.register_buffer("default_cxcywh", torch.from_numpy(cxcywh), persistent=False)

    def forward(self, images: Tensor) -> Heads:
        """Predict for [N, 3, H, W] float32 images, normalised as the trunk expects."""
        maps = self._maps(images)
        n = images.shape[0]
        logits = [
            branch(x).permute(0, 2, 3, 1).reshape(n, -1, self.classes)  # [N, d, C]
            for branch, x in zip(self.class_branches, maps, strict=True)
        ]
        offsets = [
            branch(x).permute(0, 2, 3, 1).reshape(n, -1, 4)  # [N, d, 4]
            for branch, x in zip(self.box_branches, maps, strict=True)
        ]
        return Heads(class_logits=torch.cat(logits, 1), box_offsets=torch.cat(offsets, 1))

    def _maps(self, images: Tensor) -> list[Tensor]:
        maps = self.top_down(self.trunk(images))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return list(maps)

    def _map_hws(self, input_hw: tuple[int, int]) -> list[tuple[int, int]]:
        """Ask the network itself, so that padding and strides cannot be told twice."""
        with torch.no_grad():
            was_training = self.training
            maps = self.eval()._maps(torch.zeros(1, 3, *input_hw))
            self.train(was_training)
        return [(x.shape[-2], x.shape[-1]) for x in maps]


def _class_branch(width: int, depth: int, *, boxes: int, classes: int) -> Branch:
    """Make a branch whose untrained scores say background, so that training starts without false alarms."""
    branch = Branch(width, depth, boxes * classes)
    prior = math.log(_BACKGROUND_PRIOR * (classes - 1) / (1 - _BACKGROUND_PRIOR))
    with torch.no_grad():
        cast(Tensor, branch.predictor.bias).view(-1, classes)[:, 0] = prior
    return branch

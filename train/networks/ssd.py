"""The single-shot detector: feature maps, and a class and a box branch on each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .branches import Branch, MakeBranch
from .default_boxes import DefaultBoxSettings, default_boxes

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


class SSD(nn.Module):
    """A single-shot detector.

    Args:
        trunk: maps images to a list of feature maps, finest first.
        further: maps that list to the one that is predicted on, finest first.
        input_hw: height and width of the input.
        class_count: C less the background.
        boxes: settings of the default boxes, one entry per map that is predicted on.
        branch: makes a branch.

    Source: Liu et al. 2016, section 2.1.
    """

    default_cxcywh: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        further: nn.Module,
        *,
        input_hw: tuple[int, int],
        class_count: int,
        boxes: DefaultBoxSettings,
        branch: MakeBranch,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.further = further
        self.classes = class_count + 1  # C
        map_shapes = self._map_shapes(input_hw)
        self.map_hws = [(height, width) for _, height, width in map_shapes]
        cxcywh = default_boxes(self.map_hws, boxes)
        self.register_buffer("default_cxcywh", torch.from_numpy(cxcywh), persistent=False)
        places = [(channels, count) for (channels, *_), count in zip(map_shapes, boxes.boxes_per_cell, strict=True)]
        self.class_branches = nn.ModuleList(
            _expecting_background(branch(channels, count * self.classes), self.classes) for channels, count in places
        )
        self.box_branches = nn.ModuleList(branch(channels, count * 4) for channels, count in places)

    def forward(self, images: Tensor) -> Heads:
        """Predict for [N, 3, H, W] float32 images, normalised as the trunk expects."""
        maps = self.further(self.trunk(images))
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

    def _map_shapes(self, input_hw: tuple[int, int]) -> list[tuple[int, int, int]]:
        """Ask the network itself, so that padding and strides cannot be told twice: (channels, height, width)."""
        with torch.no_grad():
            self.eval()
            maps = self.further(self.trunk(torch.zeros(1, 3, *input_hw)))
            self.train()
        return [(x.shape[1], x.shape[2], x.shape[3]) for x in maps]


def _expecting_background(branch: Branch, classes: int) -> Branch:
    """Make untrained scores say background, so that training starts without false alarms."""
    prior = math.log(_BACKGROUND_PRIOR * (classes - 1) / (1 - _BACKGROUND_PRIOR))
    with torch.no_grad():
        cast(Tensor, branch.predictor.bias).view(-1, classes)[:, 0] = prior
    return branch

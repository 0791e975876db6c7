"""Branches of an SSD: from one feature map to the numbers of its default boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from torch import Tensor, nn

from .layers import ConvNorm, separable


class Branch(nn.Module):
    """A tower of layers on one map, then a predictor.

    Args:
        tower: [N, c, h, w] to [N, c', h, w].
        predictor: the last convolution, to as many channels as there are numbers for a cell.
    """

    def __init__(self, tower: nn.Module, predictor: nn.Conv2d) -> None:
        super().__init__()
        self.tower = tower
        self.predictor = predictor
        nn.init.normal_(predictor.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, predictor.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, c, h, w] to [N, outputs, h, w]."""
        y: Tensor = self.predictor(self.tower(x))
        return y


MakeBranch: TypeAlias = Callable[[int, int], Branch]
"""Makes a branch for (channels of the map, numbers for a cell)."""


def separable_branches(*, depth: int) -> MakeBranch:
    """Branches of `depth` separable convolutions, then a 3x3 depthwise and a 1x1 predictor, as in SSDLite."""

    def make(channels: int, outputs: int) -> Branch:
        tower = [separable(channels, channels) for _ in range(depth)]
        depthwise = ConvNorm(channels, channels, 3, groups=channels)
        return Branch(nn.Sequential(*tower, depthwise), nn.Conv2d(channels, outputs, 1))

    return make


def plain_branches(*, depth: int = 0) -> MakeBranch:
    """Branches of `depth` 3x3 convolutions with batch norm and ReLU, then a 3x3 predictor; SSD's own for depth 0."""

    def make(channels: int, outputs: int) -> Branch:
        tower = (ConvNorm(channels, channels, 3, activation="relu") for _ in range(depth))
        return Branch(nn.Sequential(*tower), nn.Conv2d(channels, outputs, 3, padding=1))

    return make

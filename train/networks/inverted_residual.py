"""Inverted residuals in stages: what MobileNetV2 and EfficientNet-Lite are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from .layers import ConvNorm

tensorflow_conv = partial(ConvNorm, padding="same", eps=1e-3, momentum=0.01)
"""A convolution that pads and normalises as TensorFlow's models do, whose weights these networks have."""

_STEM_CHANNELS = 32


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Blocks of one resolution and width.

    Args:
        blocks: how many.
        kernel: of their depthwise convolutions.
        stride: of the first of them.
        expansion: channels inside a block, in those that it is given.
        channels: that it gives.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise k x k, project 1x1; the input is added where shapes allow.

    Source: Sandler et al. 2018, MobileNetV2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = tensorflow_conv(in_channels, hidden) if expansion != 1 else nn.Identity()
        self.depthwise = tensorflow_conv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = tensorflow_conv(hidden, out_channels, activation=None)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, h, w] to [N, out, h / stride, w / stride]."""
        return self.projected(x, self.expand(x))

    def projected(self, x: Tensor, expanded: Tensor) -> Tensor:
        """Do the rest for an input [N, in, h, w] that is expanded already, [N, hidden, h, w]."""
        y: Tensor = self.project(self.depthwise(expanded))
        return x + y if self.residual else y


class StagedTrunk(nn.Module):
    """A stem of stride 2 and stages of inverted residuals, the first of which can be kept from training.

    Args:
        stages: finest first.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stem = tensorflow_conv(3, _STEM_CHANNELS, 3, stride=2)
        made, channels = [], _STEM_CHANNELS
        for stage in stages:
            blocks = []
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(
                    InvertedResidual(
                        channels, stage.channels, kernel=stage.kernel, stride=stride, expansion=stage.expansion
                    )
                )
                channels = stage.channels
            made.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(made)
        self.frozen_stages = 0

    def freeze(self, stages: int) -> None:
        """Exclude the stem and the first stages from training; 0 frees all."""
        self.frozen_stages = stages
        for index, part in enumerate([self.stem, *self.stages]):
            part.requires_grad_(stages == 0 or index > stages)

    def staged(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what each stage's first block expands its input to, and what the stage gives.

        Where a stage is frozen neither has gradients.

        Args:
            images: [N, 3, H, W], normalised RGB.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.frozen_stages == 0):
            x = self.stem(images)
        for index, stage in enumerate(self.stages):
            first, *others = cast("list[InvertedResidual]", list(cast(nn.Sequential, stage)))
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.frozen_stages):
                expanded = first.expand(x)
                x = first.projected(x, expanded)
                for block in others:
                    x = block(x)
            yield expanded, x

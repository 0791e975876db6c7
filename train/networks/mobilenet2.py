"""MobileNetV2 as a trunk, up to its last convolution."""

from __future__ import annotations

from torch import Tensor

from .inverted_residual import Stage, StagedTrunk, tensorflow_conv

_STAGES = (
    Stage(blocks=1, kernel=3, stride=1, expansion=1, channels=16),
    Stage(blocks=2, kernel=3, stride=2, expansion=6, channels=24),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=32),
    Stage(blocks=4, kernel=3, stride=2, expansion=6, channels=64),
    Stage(blocks=3, kernel=3, stride=1, expansion=6, channels=96),
    Stage(blocks=3, kernel=3, stride=2, expansion=6, channels=160),
    Stage(blocks=1, kernel=3, stride=1, expansion=6, channels=320),
)
_TAPS = (3, 5)  # stages whose first block is expanded at stride 8 and 16
_LAST_CHANNELS = 1280


class MobileNet2Trunk(StagedTrunk):
    """MobileNetV2 without its classifier: maps of stride 8, 16 and 32, 2.22 M parameters.

    The finer two are what a block expands before it halves them, as SSDLite has it: more channels than between blocks.

    Source: Sandler et al. 2018, MobileNetV2, sections 3 and 6.2.
    """

    mean = (127.5, 127.5, 127.5)
    std = (127.5, 127.5, 127.5)
    out_channels = (192, 576, _LAST_CHANNELS)
    """Of the three maps, finest first."""

    def __init__(self) -> None:
        super().__init__(_STAGES)
        self.last = tensorflow_conv(_STAGES[-1].channels, _LAST_CHANNELS)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map [N, 3, H, W] normalised RGB to [N, 192, H/8, W/8], [N, 576, H/16, W/16], [N, 1280, H/32, W/32]."""
        steps = list(self.staged(images))
        return [*(steps[tap][0] for tap in _TAPS), self.last(steps[-1][1])]

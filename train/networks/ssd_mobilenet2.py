"""`ssd_mobilenet2`: SSDLite on MobileNetV2, whose weights know COCO."""

from __future__ import annotations

from torch import Tensor, nn

from .branches import separable_branches
from .default_boxes import DefaultBoxSettings
from .inverted_residual import tensorflow_conv
from .mobilenet2 import MobileNet2Trunk
from .options import NetworkOptions
from .ssd import SSD

# From the second map on those that TensorFlow's SSDLite has (0.2 to 0.95, evenly spaced), before them a finer one with
# SSD's 0.1; the ratio 3 is left out on the two finest.
SSD_MOBILENET2_BOXES = DefaultBoxSettings(
    scales=(0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0),
    aspect_ratios=((2.0,), (2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0)),
)
FURTHER = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels inside and behind each of the further maps' blocks."""


class _FurtherMaps(nn.Module):
    """The trunk's maps as they are, then 1x1, depthwise 3x3 of stride 2 and 1x1 for each of the further ones."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        blocks = []
        for inner, outer in FURTHER:
            blocks.append(
                nn.Sequential(
                    tensorflow_conv(in_channels, inner),
                    tensorflow_conv(inner, inner, 3, stride=2, groups=inner),
                    tensorflow_conv(inner, outer),
                )
            )
            in_channels = outer
        self.blocks = nn.ModuleList(blocks)

    def forward(self, trunk_maps: list[Tensor]) -> list[Tensor]:
        """Map the trunk's three [N, c_i, h_i, w_i] to seven, each half as wide and high as the one before."""
        maps = list(trunk_maps)
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps


def ssd_mobilenet2(options: NetworkOptions) -> SSD:
    """Make the SSD: maps of stride 8 to 512, branches of a depthwise 3x3 and a 1x1.

    With 25 classes 3,482,292 parameters.

    Source: Sandler et al. 2018, MobileNetV2, section 6.2; with TensorFlow's further maps, and a map of stride 8 before
    its own.
    """
    return SSD(
        MobileNet2Trunk(),
        _FurtherMaps(MobileNet2Trunk.out_channels[-1]),
        input_hw=options.input_hw,
        class_count=options.class_count,
        boxes=options.default_boxes or SSD_MOBILENET2_BOXES,
        branch=separable_branches(depth=0),
    )

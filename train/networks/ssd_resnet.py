"""The paper's modified SSD: its classifier's convolutions under SSD's branches."""

from __future__ import annotations

from torch import Tensor, nn

from .branches import plain_branches
from .default_boxes import DefaultBoxSettings
from .layers import ConvNorm
from .options import NetworkOptions
from .resnet_dropout import STAGE_2_CHANNELS, stages_1_and_2
from .ssd import SSD

_WIDTH = 96
_DEPTH = 2

SSD_RESNET_BOXES = DefaultBoxSettings(
    scales=(0.2, 0.375, 0.55, 0.725, 0.9, 1.075),
    aspect_ratios=((2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
)
"""Liu et al. 2016, eq. 4, for five maps."""


class _FurtherMaps(nn.Module):
    """A trunk's last map, and 3x3 convolutions of stride 2 for the further ones."""

    def __init__(self, channels: int, *, width: int, maps: int) -> None:
        super().__init__()
        self.narrow = ConvNorm(channels, width, activation="relu")
        self.extras = nn.ModuleList(ConvNorm(width, width, 3, stride=2, activation="relu") for _ in range(maps - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map [N, c, h, w] to [N, width, h, w], [N, width, h/2, w/2] and so on, sides rounded up."""
        maps: list[Tensor] = [self.narrow(x)]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps


def ssd_resnet(options: NetworkOptions) -> SSD:
    """Make the paper's detector, section 3.3.

    Stages 1 and 2 of `resnet_dropout`, then convolutions of stride 2 down to a map of 1 x 1, and on each map a class
    and a box branch of two 3x3 convolutions and a predictor. The paper gives no numbers beyond "several more layers".
    [N, 3, 224, 224] to 14 x 14, 7 x 7, 4 x 4, 2 x 2 and 1 x 1 cells, D = 1,586; 4,242,828 parameters with 25 classes.
    """
    boxes = options.default_boxes or SSD_RESNET_BOXES
    width = options.branch_width or _WIDTH
    return SSD(
        stages_1_and_2(dropout=options.dropout),
        _FurtherMaps(STAGE_2_CHANNELS, width=width, maps=len(boxes.aspect_ratios)),
        input_hw=options.input_hw,
        class_count=options.class_count,
        boxes=boxes,
        branch=plain_branches(depth=_DEPTH if options.branch_depth is None else options.branch_depth),
    )

"""`ssd_lite0`, `ssd_lite1` and `ssd_lite2`: small SSDs for CPUs, on EfficientNet-Lite."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .branches import separable_branches
from .default_boxes import DefaultBoxSettings
from .layers import ConvNorm, separable
from .lite import LiteSize, LiteTrunk, load_imagenet_weights
from .options import NetworkOptions
from .ssd import SSD

# SSD300's scales for VOC (Liu et al. 2016, section 3.1: 0.2 to 0.9, and 0.1 on the finest map), evenly spaced from
# the second map on; the ratio 3 is left out on the finest map and the two coarsest, as there.
SSD_BOXES = DefaultBoxSettings(
    scales=(0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    aspect_ratios=((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
)


class TopDown(nn.Module):
    """Brings the meaning of coarse maps to the fine ones: lateral 1x1, upsample, add, smooth.

    Source: Lin et al. 2017, Feature Pyramid Networks; separable smoothing as in SSDLite.
    """

    def __init__(self, in_channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(channels, width, activation=None) for channels in in_channels)
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


class _LiteMaps(nn.Module):
    """The trunk's maps through the top-down path, then separable convolutions of stride 2 for the further ones."""

    def __init__(self, in_channels: tuple[int, ...], *, width: int, maps: int) -> None:
        super().__init__()
        self.top_down = TopDown(in_channels, width)
        self.extras = nn.ModuleList(separable(width, width, stride=2) for _ in range(maps - len(in_channels)))

    def forward(self, trunk_maps: list[Tensor]) -> list[Tensor]:
        """Map the trunk's [N, c_i, h_i, w_i] to [N, width, h_i, w_i] and further ones, each half as wide and high."""
        maps: list[Tensor] = self.top_down(trunk_maps)
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps


def ssd_lite(options: NetworkOptions, *, size: LiteSize) -> SSD:
    """Make the SSD: maps of stride 8 to 256, 128 channels wide, separable branches.

    With 25 classes 3,477,892 parameters on Lite0, 4,242,564 parameters on Lite1, 4,883,140 parameters on Lite2.
    Separable heads as in SSDLite (Sandler et al. 2018).
    """
    trunk = LiteTrunk(size)
    if options.pretrained:
        load_imagenet_weights(trunk)
    boxes = options.default_boxes or SSD_BOXES
    width = options.branch_width or 128
    return SSD(
        trunk,
        _LiteMaps(trunk.out_channels, width=width, maps=len(boxes.aspect_ratios)),
        input_hw=options.input_hw,
        class_count=options.class_count,
        boxes=boxes,
        branch=separable_branches(depth=1 if options.branch_depth is None else options.branch_depth),
    )

"""SSD7, the paper's baseline, and its convolutions as a classifier."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .branches import plain_branches
from .classifier import Classifier
from .default_boxes import DefaultBoxSettings
from .layers import ConvNorm
from .options import NetworkOptions
from .ssd import SSD

_LAYERS = ((32, 5), (48, 3), (64, 3), (64, 3), (48, 3), (48, 3), (32, 3))
"""(channels, kernel) of the seven convolutions."""
SSD7_LEAST_SIDE = 2 ** (len(_LAYERS) - 1)
"""Each pooling halves the map; the last has at least one cell."""
_FIRST_MAP = 3
"""Layer 4, counted from 1, is the first that is predicted on."""

SSD7_BOXES = DefaultBoxSettings(scales=(0.08, 0.16, 0.32, 0.64, 0.96), aspect_ratios=((2.0,),) * 4)
"""Per cell the ratios 0.5, 1 and 2, and a second, larger box for 1."""

SSD7_VARIANCES = (1.0, 1.0)


class Ssd7Trunk(nn.Module):
    """Seven convolutions with batch norm and ELU, 2x2 max-pooling after each but the last; 143,616 parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers, channels = [], 3
        for out, kernel in _LAYERS:
            layers.append(ConvNorm(channels, out, kernel, activation="elu"))
            channels = out
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map [N, 3, H, W] to [N, 64, H/8, W/8], [N, 48, H/16, W/16], [N, 48, H/32, W/32], [N, 32, H/64, W/64]."""
        maps = []
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else functional.max_pool2d(x, 2))
            if number >= _FIRST_MAP:
                maps.append(x)
        return maps


def ssd7(options: NetworkOptions) -> SSD:
    """Make SSD7, the paper's baseline of section 4.3: a 3x3 class and box predictor on the convolutions 4 to 7.

    [N, 3, 224, 224] to 28 x 28, 14 x 14, 7 x 7 and 3 x 3 cells of 4 boxes, D = 4,152; 351,456 parameters with 25
    classes.

    Source: pierluigiferrari/ssd_keras, SSD7; there a convolution before a batch norm has a bias too, which the norm
    takes out again.
    """
    return SSD(
        Ssd7Trunk(),
        nn.Identity(),
        input_hw=options.input_hw,
        class_count=options.class_count,
        boxes=options.default_boxes or SSD7_BOXES,
        branch=plain_branches(),
    )


class _LastMap(Ssd7Trunk):
    """The trunk, its coarsest map alone."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # one map instead of all
        """Map [N, 3, H, W] to [N, 32, H/64, W/64]."""
        return super().forward(x)[-1]


def ssd7_classifier(options: NetworkOptions) -> Classifier:
    """Make the paper's baseline of section 4.2: SSD7's seven convolutions, average pooling, one dense layer.

    [N, 3, 224, 224] to [N, C]; 144,441 parameters with 25 classes.
    """
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_LAYERS[-1][0], options.class_count))
    return Classifier(_LastMap(), head)

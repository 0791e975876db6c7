"""The paper's own classifier: a short ResNet with dropout and three small dense layers."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from .classifier import Classifier
from .layers import ConvNorm, Dropout
from .options import NetworkOptions

STAGE_2_CHANNELS = 512

_STEM_CHANNELS = 64
_STEM_DROPOUT = 0.1
_DENSE_DROPOUT = 0.25
_BLOCKS = (
    (64, 128, 2),
    (64, 256, 2),
    (64, 256, 1),
    (64, 256, 1),
    (128, 512, 2),
    (128, 512, 1),
    (128, 512, 1),
    (128, 512, 1),
)
"""(inner channels, output channels, stride): projection blocks have stride 2, identity blocks stride 1."""


class Bottleneck(nn.Module):
    """1x1, k x k and 1x1 convolution beside a shortcut, batch norm in each, ReLU after the sum.

    Args:
        in_channels: channels that come in.
        inner: channels of the first two convolutions.
        out_channels: channels of the last convolution.
        stride: 2 makes a projection block, whose shortcut is a 1x1 convolution; 1 an identity block.
        kernel: of the middle convolution.
    """

    def __init__(self, in_channels: int, inner: int, out_channels: int, *, stride: int, kernel: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(in_channels, inner, activation="relu")
        self.middle = ConvNorm(inner, inner, kernel, stride=stride, activation="relu")
        self.expand = ConvNorm(inner, out_channels, activation=None)
        projects = stride != 1 or in_channels != out_channels
        self.shortcut = (
            ConvNorm(in_channels, out_channels, stride=stride, activation=None) if projects else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, h, w] to [N, out, h / stride, w / stride]."""
        y: Tensor = self.expand(self.middle(self.reduce(x))) + self.shortcut(x)
        return functional.relu(y)


def stages_1_and_2(*, kernel: int = 3, dropout: float | None = None) -> nn.Sequential:
    """Make stages 1 and 2 of the paper's section 3.2: [N, 3, H, W] to [N, 512, H/16, W/16].

    Stage 1: 7x7 convolution to 64 channels, stride 1, batch norm, ReLU, 10 % dropout, 2x2 max-pooling. Stage 2: eight
    bottleneck blocks, three of them projections of stride 2. 1,523,520 parameters.

    Args:
        kernel: of the blocks' middle convolutions.
        dropout: after stage 1; 10 % where not given.
    """
    # ReLU after pooling gives the same (it is monotonic, and dropout keeps signs), with a quarter of the values.
    stem = [
        ConvNorm(3, _STEM_CHANNELS, 7, activation=None),
        Dropout(_STEM_DROPOUT if dropout is None else dropout),
        nn.MaxPool2d(2),
        nn.ReLU(),
    ]
    blocks, channels = [], _STEM_CHANNELS
    for inner, out, stride in _BLOCKS:
        blocks.append(Bottleneck(channels, inner, out, stride=stride, kernel=kernel))
        channels = out
    return nn.Sequential(*stem, *blocks)


def resnet_dropout(
    options: NetworkOptions,
    *,
    kernel: int = 3,
    before_dense: Literal["average", "flatten"] = "average",
    dense_layers: int = 3,
) -> Classifier:
    """Make the paper's final classifier, section 3.2.

    Stages 1 and 2, then stage 3: three dense layers of as many units as there are classes, ReLU and 25 % dropout
    after each of the first two. [N, 3, 224, 224] to [N, C]; 1,537,645 parameters with 25 classes.

    The paper leaves two things open. It says neither how the maps reach the dense layers (here: averaged over the
    image, as in ResNet50) nor, "filter size 1x1 and stride length 2x2 on each convolutional layer" after ResNet50,
    which of a block's convolutions are 1x1 (here: the outer two, the middle one is 3x3 and carries the stride).

    Args:
        options: size, classes; `dropout` replaces the share of stage 3.
        kernel: 1 for the other reading of the blocks, `resnet_dropout_1x1`: 882,285 parameters.
        before_dense: `flatten` for the other way to the dense layers, `resnet_dropout_flat`: 4,033,645 parameters at
            224 x 224.
        dense_layers: 1 leaves out the two that are followed by dropout, `resnet_dropout_linear`: 1,536,345 parameters.
    """
    dropout = _DENSE_DROPOUT if options.dropout is None else options.dropout
    units = STAGE_2_CHANNELS
    pooling: list[nn.Module] = [nn.AdaptiveAvgPool2d(1)]
    if before_dense == "flatten":
        pooling = []
        for side in options.input_hw:
            units *= math.ceil(side // 2 / 8)  # pooling leaves out an odd last row, a stride of 2 does not
    layers: list[nn.Module] = [*pooling, nn.Flatten()]
    for _ in range(dense_layers - 1):
        layers += [nn.Linear(units, options.class_count), nn.ReLU(), nn.Dropout(dropout)]
        units = options.class_count
    head = nn.Sequential(*layers, nn.Linear(units, options.class_count))
    return Classifier(stages_1_and_2(kernel=kernel), head)

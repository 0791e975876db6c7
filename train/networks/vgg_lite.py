"""The paper's first prototypes: a small VGG, and the same trunk with a box beside the class."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert, generalized_box_iou_loss

from .classifier import ClassAndBox, Classifier, JointClassifier
from .options import NetworkOptions

_CHANNELS = (32, 64, 128, 256)
VGG_LEAST_SIDE = 2 ** len(_CHANNELS)
"""Each pooling halves the map; the last has at least one cell."""
_DENSE = (256, 128)
_DROPOUT = 0.5


def vgg_lite(options: NetworkOptions) -> Classifier:
    """Make the small VGG of the paper's section 3.1.

    Four 3x3 convolutions with ReLU, their channels doubling from 32, each followed by 2x2 max-pooling; flatten; dense
    layers of 256 and 128 with ReLU and 50 % dropout; one logit per class. The paper gives no numbers of channels and
    units. [N, 3, 224, 224] to [N, C]; 13,269,849 parameters at 224 x 224 with 25 classes, nearly all of them in the
    first dense layer.
    """
    return Classifier(_convolutions(), _dense_part(options, outputs=options.class_count))


def _convolutions() -> nn.Sequential:
    """Make [N, 3, H, W] to [N, 256, H/16, W/16]."""
    layers: list[nn.Module] = []
    for channels, out in zip((3, *_CHANNELS), _CHANNELS, strict=False):
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def _dense_part(options: NetworkOptions, *, outputs: int) -> nn.Sequential:
    height, width = (side // 2 ** len(_CHANNELS) for side in options.input_hw)
    dropout = _DROPOUT if options.dropout is None else options.dropout
    layers: list[nn.Module] = [nn.Flatten()]
    units = _CHANNELS[-1] * height * width
    for wider in _DENSE:
        layers += [nn.Linear(units, wider), nn.ReLU(), nn.Dropout(dropout)]
        units = wider
    return nn.Sequential(*layers, nn.Linear(units, outputs))


class VggJoint(JointClassifier):
    """The paper's section 3.1.1: `vgg_lite` with a second dense part for the four edges of one box, in pixels.

    Class loss and mean squared error in pixels are summed as they are. An error of a tenth of the image weighs 500
    at 224 pixels, the class loss 3: the box drives the shared layers, and its least squares lie at the mean box, in
    the middle of the image. [N, 3, 224, 224] to [N, C] and [N, 4]; 26,148,573 parameters at 224 x 224 with 25 classes.
    """

    side_px: Tensor

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        self.features = _convolutions()
        self.class_part = _dense_part(options, outputs=options.class_count)
        self.box_part = _dense_part(options, outputs=4)
        height, width = options.input_hw
        self.register_buffer("side_px", torch.tensor([width, height] * 2, dtype=torch.float32), persistent=False)

    def class_and_box(self, images: Tensor) -> ClassAndBox:
        """Predict for [N, 3, H, W]; the box part's numbers are pixels of the input."""
        features = self.features(images)
        return ClassAndBox(
            class_logits=self.class_part(features), boxes_xyxy=self.box_part(features).float() / self.side_px
        )

    def box_loss(self, boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
        """Mean squared error of the four edges, in square pixels of the input."""
        return functional.mse_loss(boxes_xyxy * self.side_px, wanted_xyxy * self.side_px)


class VggJointNormalised(VggJoint):
    """`vgg_joint` of the paper's section 3.1.1 with what was wrong put right; the layers are the same.

    [N, 3, 224, 224] to [N, C] and [N, 4]; 26,148,573 parameters at 224 x 224 with 25 classes.

    The box part's numbers go through a sigmoid and are the box's normalised centre and size, so that class and box
    loss are of one order and every prediction is a box within reach of the image; the loss is 1 - generalised IoU
    plus smooth L1 of the edges, of which the first does not let small objects count for less than large ones.
    """

    def class_and_box(self, images: Tensor) -> ClassAndBox:
        """Predict for [N, 3, H, W]; the box part's numbers are logits of centre and size."""
        features = self.features(images)
        cxcywh = self.box_part(features).float().sigmoid()
        return ClassAndBox(class_logits=self.class_part(features), boxes_xyxy=box_convert(cxcywh, "cxcywh", "xyxy"))

    def box_loss(self, boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
        """1 - generalised IoU, plus smooth L1 of the normalised edges, summed over the four."""
        overlap: Tensor = generalized_box_iou_loss(boxes_xyxy, wanted_xyxy, reduction="mean")
        return overlap + 4 * functional.smooth_l1_loss(boxes_xyxy, wanted_xyxy, beta=0.1)

"""SSD300 as Liu et al. describe it, on VGG16."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import vgg16
from torchvision.models.detection.ssd import SSDFeatureExtractorVGG

from .branches import plain_branches
from .default_boxes import DefaultBoxSettings
from .options import NetworkOptions
from .ssd import SSD

SSD300_LEAST_SIDE = 268
"""Below it, the last two convolutions, which do not pad, have nothing left to see."""

SSD300_BOXES = DefaultBoxSettings(
    scales=(0.1, 0.2, 0.375, 0.55, 0.725, 0.9, 1.075),
    aspect_ratios=((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
)


class _Vgg16Maps(nn.Module):
    """VGG16 with its dense layers as convolutions, and SSD's extra convolutions: torchvision's, from scratch.

    The map of conv4_3 is normalised to length 20 at each place, with a learned factor per channel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.extractor = SSDFeatureExtractorVGG(vgg16(weights=None).features, highres=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map [N, 3, 300, 300] to sides of 38, 19, 10, 5, 3 and 1, with 512, 1024, 512, 256, 256, 256 channels."""
        return list(self.extractor(images).values())


def ssd300_vgg16(options: NetworkOptions) -> SSD:
    """Make the original SSD with L2 normalisation: a 3x3 class and box predictor on each of six maps.

    [N, 3, 300, 300] to D = 8,732; 26,953,796 parameters with 25 classes. The centres of the default boxes are the
    article's (i + 0.5) / cells, not those of the published Caffe code.

    Source: Liu et al. 2016, section 2 and figure 2; the paper's section 1.2 begins with it.
    """
    return SSD(
        _Vgg16Maps(),
        nn.Identity(),
        input_hw=options.input_hw,
        class_count=options.class_count,
        boxes=options.default_boxes or SSD300_BOXES,
        branch=plain_branches(),
    )

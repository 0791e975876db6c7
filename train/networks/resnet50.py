"""ResNet50, the paper's strongest baseline."""

from __future__ import annotations

import torchvision
from torch import nn

from .classifier import Classifier
from .options import NetworkOptions


def resnet50(options: NetworkOptions) -> Classifier:
    """Make torchvision's ResNet50 (stride in the 3x3 convolutions), untrained.

    [N, 3, 224, 224] to [N, C]; 23,559,257 parameters with 25 classes. The paper's sections 3.2 and 4.2.

    Source: He et al. 2015.
    """
    whole = torchvision.models.resnet50(weights=None, num_classes=options.class_count)
    *features, pooling, dense = whole.children()
    return Classifier(nn.Sequential(*features), nn.Sequential(pooling, nn.Flatten(), dense))

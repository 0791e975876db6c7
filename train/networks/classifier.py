"""What classifiers share, whatever they are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


class Classifier(nn.Module):
    """Maps images to one logit per class.

    Args:
        features: [N, 3, H, W] float32, normalised as the card's input says, to [N, c, h, w].
        head: [N, c, h, w] to [N, C] logits; no background.
    """

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map [N, 3, H, W] to [N, C], before softmax."""
        logits: Tensor = self.head(self.features(images))
        return logits


@dataclass(frozen=True, kw_only=True)
class ClassAndBox:
    """What a network says that names the one object of an image and finds it.

    Args:
        class_logits: [N, C], before softmax; no background.
        boxes_xyxy: [N, 4], normalised, not clipped.
    """

    class_logits: Tensor
    boxes_xyxy: Tensor


class JointClassifier(nn.Module, ABC):
    """A classifier that also predicts one box."""

    @abstractmethod
    def class_and_box(self, images: Tensor) -> ClassAndBox:
        """Predict for [N, 3, H, W] float32 images."""

    @abstractmethod
    def box_loss(self, boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
        """Hold [n, 4] predicted boxes against the true ones, all normalised; a scalar, the mean over boxes."""

    def forward(self, images: Tensor) -> Tensor:
        """Map [N, 3, H, W] to [N, C], before softmax: the class alone, as any classifier."""
        return self.class_and_box(images).class_logits

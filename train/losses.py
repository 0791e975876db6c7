"""The multibox loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .matching import Targets
from .ssd import Heads


@dataclass(frozen=True, kw_only=True)
class MultiboxLoss:
    """The loss by part, each a scalar divided by the number of matched default boxes."""

    classification: Tensor
    localization: Tensor

    @property
    def total(self) -> Tensor:
        """The sum that training lowers."""
        return self.classification + self.localization


def multibox_loss(heads: Heads, targets: Targets, *, negatives_per_positive: float = 3.0) -> MultiboxLoss:
    """Cross-entropy over matched boxes and the hardest negatives, smooth L1 over matched boxes.

    In each image the negatives of greatest loss are kept, three to a positive. An image without any positive counts
    as one with the batch's average of positives, rounded up, so that pictures of background teach something too.

    Args:
        heads: of N images.
        targets: for the same N images and D default boxes.
        negatives_per_positive: hard negatives kept to a positive.

    Returns:
        Both parts divided by the number of positives of the batch (at least 1).

    Source: Liu et al. 2016, eq. 1 and "Hard negative mining".
    """
    labels = targets.labels
    positive = labels > 0  # [N, D]
    count = positive.sum().clamp(min=1)
    entropy = functional.cross_entropy(
        heads.class_logits.transpose(1, 2).float(), labels.clamp(min=0), reduction="none"
    )  # [N, D]
    per_image = positive.sum(dim=1, keepdim=True)
    average = -(-count // len(labels))
    per_image = torch.where(per_image > 0, per_image, average)
    hard = _hardest(entropy.detach(), labels == 0, wanted=(per_image * negatives_per_positive).long())
    localization = functional.smooth_l1_loss(
        heads.box_offsets[positive].float(), targets.box_offsets[positive], reduction="sum"
    )
    return MultiboxLoss(
        classification=(entropy * (positive | hard)).sum() / count,
        localization=localization / count,
    )


def _hardest(loss: Tensor, candidates: Tensor, *, wanted: Tensor) -> Tensor:
    """Mark the `wanted` [N, 1] candidates of greatest loss in each row of [N, D]."""
    loss = loss.masked_fill(~candidates, -1.0)
    rank = loss.argsort(dim=1, descending=True).argsort(dim=1)
    return (rank < wanted) & candidates

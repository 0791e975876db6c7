"""The multibox loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ..distributed import ALONE, World
from ..networks.ssd import Heads
from .matching import Targets

_NEGATIVES_PER_POSITIVE = 3
"""Source: Liu et al. 2016, "Hard negative mining"."""


@dataclass(frozen=True, kw_only=True)
class MultiboxLoss:
    """The loss by part, each a scalar divided by the number of matched default boxes.

    Args:
        classification: cross-entropy over matched boxes and hard negatives.
        localization: smooth L1 or L2 over matched boxes.
        positives: the divisor, at least 1.
    """

    classification: Tensor
    localization: Tensor
    positives: Tensor

    @property
    def total(self) -> Tensor:
        """The sum that training lowers."""
        return self.classification + self.localization


def multibox_loss(
    heads: Heads,
    targets: Targets,
    *,
    labelled: Tensor | None = None,
    classification: Literal["hard_negatives", "focal"] = "hard_negatives",
    localization: Literal["smooth_l1", "l2"] = "smooth_l1",
    world: World = ALONE,
) -> MultiboxLoss:
    """Cross-entropy over matched boxes and the hardest negatives or all, smooth L1 or L2 over matched boxes.

    In each image the negatives of greatest loss are kept, three to a positive. An image without any positive counts
    as one with the batch's average of positives, rounded up, so that pictures of background teach something too.

    Where an image's labels do not speak of a class, a default box without an object may show one of it: its loss is
    that of the other classes alone, as if the network did not know the class, and so is its rank among the negatives.
    A matched box shows what its label says, and no other class.

    Args:
        heads: of N images.
        targets: for the same N images and D default boxes.
        labelled: [N, classes] bool, of which classes each image's labels speak; None: of all.
        classification: `hard_negatives` as in SSD, or `focal`: all negatives, and what is known already weighs less, by
            the square of what its probability lacks of 1.
        localization: `smooth_l1` as in SSD, or `l2`, half the squared difference, as in *Object Classification and
            Localization on ImageNet*; the two are equal for differences up to 1.
        world: processes that each have a part of the batch, of equal size, and average their gradients.

    Returns:
        Both parts divided by the number of positives of the batch (at least 1), of all processes' parts together: the
        mean over the processes is what one process with the whole batch gives, and so is that of the gradients.

    Source: Liu et al. 2016, eq. 1 and "Hard negative mining"; Lin et al. 2017, Focal Loss, eq. 4.
    """
    labels = targets.labels
    positive = labels > 0  # [N, D]
    count = world.sum(positive.sum()).clamp(min=1)
    logits = heads.class_logits  # [N, D, C]
    if labelled is not None:
        logits = logits.masked_fill(_left_open(labelled, positive), -torch.inf)
    if classification == "focal":
        class_loss = _focal(logits[labels >= 0], labels[labels >= 0])
    else:
        taught = positive | _hard_negatives(logits, labels, positive, average=-(-count // (len(labels) * world.size)))
        class_loss = _cross_entropy(logits[taught], labels[taught]).sum()
    offsets, wanted = heads.box_offsets[positive].float(), targets.box_offsets[positive]
    if localization == "smooth_l1":
        box_loss = functional.smooth_l1_loss(offsets, wanted, reduction="sum")
    else:
        box_loss = functional.mse_loss(offsets, wanted, reduction="sum") / 2
    return MultiboxLoss(
        classification=class_loss * world.size / count,
        localization=box_loss * world.size / count,
        positives=count,
    )


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Give the loss of each row of [B, 1 + classes]; boxes that teach nothing, labelled -1, as of background."""
    return functional.cross_entropy(logits.float(), labels.clamp(min=0), reduction="none")


def _focal(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = _cross_entropy(logits, labels)
    return ((1 - torch.exp(-entropy)).square() * entropy).sum()


def _hard_negatives(logits: Tensor, labels: Tensor, positive: Tensor, *, average: Tensor) -> Tensor:
    """Mark in [N, D] the negatives of greatest loss, three to a positive, or to the average where there is none."""
    with torch.no_grad():  # classes last, as they lie in memory: across the others it takes ten times as long
        entropy = _cross_entropy(logits.flatten(0, 1), labels.flatten()).view(labels.shape)
    per_image = positive.sum(dim=1, keepdim=True)
    per_image = torch.where(per_image > 0, per_image, average)
    return _hardest(entropy, labels == 0, wanted=per_image * _NEGATIVES_PER_POSITIVE)


def _left_open(labelled: Tensor, positive: Tensor) -> Tensor:
    """Mark the logits of which nobody says what they should be: [N, D, C] bool, C with background."""
    unknown = torch.cat([torch.zeros_like(labelled[:, :1]), ~labelled], dim=1)  # [N, C]; background is known
    return unknown[:, None] & ~positive[:, :, None]


def _hardest(loss: Tensor, candidates: Tensor, *, wanted: Tensor) -> Tensor:
    """Mark the `wanted` [N, 1] candidates of greatest loss in each row of [N, D]."""
    loss = loss.masked_fill(~candidates, -1.0)
    rank = loss.argsort(dim=1, descending=True).argsort(dim=1)
    return (rank < wanted) & candidates

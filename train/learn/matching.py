"""Which default box learns which object, and what it is to say."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou

from ..networks.box_coverage import MATCH_IOU


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the heads are to emit.

    Args:
        labels: [N, D] int64; 0 is background, -1 is ignored by the loss.
        box_offsets: [N, D, 4] float32; of meaning where labels > 0.
    """

    labels: Tensor
    box_offsets: Tensor


def encode_boxes(boxes_xyxy: Tensor, default_cxcywh: Tensor, variances: tuple[float, float]) -> Tensor:
    """Turn boxes into offsets from their default boxes.

    Args:
        boxes_xyxy: [D, 4] float32, normalised, one per default box.
        default_cxcywh: [D, 4] float32, normalised.
        variances: divisors of (centre, size).

    Returns:
        [D, 4] float32, (dx, dy, dw, dh).

    Source: Liu et al. 2016, eq. 2.
    """
    cxcywh = box_convert(boxes_xyxy, "xyxy", "cxcywh")
    centre = (cxcywh[:, :2] - default_cxcywh[:, :2]) / default_cxcywh[:, 2:] / variances[0]
    size = torch.log(cxcywh[:, 2:].clamp(min=1e-6) / default_cxcywh[:, 2:]) / variances[1]
    return torch.cat([centre, size], dim=1)


def match_default_boxes(iou: Tensor) -> Tensor:
    """Assign an image's objects to default boxes.

    Every object gets the default box that overlaps it most (the largest overlap first, so that two objects never
    claim the same box; of equal ones the first object, then the first default box); every other default box gets the
    object it overlaps most, if by `MATCH_IOU`.

    Args:
        iou: [n, D] float32, the overlap of n objects, at least 1, with D default boxes; -1 all along the row of an
            object that is not to be assigned.

    Returns:
        [D] int64 index of the object, or -1.

    Source: Liu et al. 2016, section 2.2, "Matching strategy".
    """
    best_iou, best_object = iou.max(dim=0)
    matched = torch.where(best_iou >= MATCH_IOU, best_object, -1)
    left = iou.clone()
    for _ in range(min(iou.shape)):  # all on the device: reading a number from a GPU would wait for it each time
        greatest, winner = left.flatten().max(dim=0, keepdim=True)  # [1], as all below
        box, default = winner // iou.shape[1], winner % iou.shape[1]
        matched[default] = torch.where(greatest >= 0, box, matched[default])
        left.index_fill_(0, box, -1).index_fill_(1, default, -1)
    return matched


def match_targets(
    objects: list[tuple[Tensor, Tensor]], default_cxcywh: Tensor, *, variances: tuple[float, float]
) -> Targets:
    """Make a batch's targets.

    Args:
        objects: per image, boxes_xyxy [n, 4] float32 normalised and labels [n] int64: from 1 up an object to learn,
            -1 an object that is neither learned nor held against the network.
        default_cxcywh: [D, 4] float32, normalised.
        variances: divisors of (centre, size).
    """
    default_xyxy = box_convert(default_cxcywh, "cxcywh", "xyxy")
    all_labels, all_offsets = [], []
    for boxes_xyxy, labels in objects:
        if not len(labels):
            all_labels.append(labels.new_zeros(len(default_cxcywh)))
            all_offsets.append(torch.zeros_like(default_cxcywh))
            continue
        iou = box_iou(boxes_xyxy, default_xyxy)  # [n, D]
        is_learned = (labels > 0)[:, None]
        matched = match_default_boxes(torch.where(is_learned, iou, -1))
        difficult = torch.where(is_learned, -1, iou).amax(dim=0)
        positive, index = matched >= 0, matched.clamp(min=0)
        all_labels.append(torch.where(positive, labels[index], torch.where(difficult >= MATCH_IOU, -1, 0)))
        offsets = encode_boxes(boxes_xyxy[index], default_cxcywh, variances)
        all_offsets.append(offsets.masked_fill(~positive[:, None], 0))
    return Targets(labels=torch.stack(all_labels), box_offsets=torch.stack(all_offsets))

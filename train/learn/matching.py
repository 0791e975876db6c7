"""Which default box learns which object, and what it is to say."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou


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


def match_default_boxes(
    boxes_xyxy: Tensor, default_cxcywh: Tensor, *, iou_threshold: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Assign objects to default boxes.

    Every object gets the default box that overlaps it most (the largest overlap first, so that two objects never
    claim the same box); every other default box gets the object it overlaps most, if by at least the threshold.

    Args:
        boxes_xyxy: [n, 4] float32, normalised.
        default_cxcywh: [D, 4] float32, normalised.
        iou_threshold: least overlap of a match.

    Returns:
        ([D] int64 index of the object or -1, [D] float32 greatest overlap with any object).

    Source: Liu et al. 2016, section 2.2, "Matching strategy".
    """
    count = len(default_cxcywh)
    if len(boxes_xyxy) == 0:
        return boxes_xyxy.new_full((count,), -1, dtype=torch.int64), boxes_xyxy.new_zeros(count)
    iou = box_iou(boxes_xyxy, box_convert(default_cxcywh, "cxcywh", "xyxy"))  # [n, D]
    best_iou, best_object = iou.max(dim=0)
    matched = torch.where(best_iou >= iou_threshold, best_object, -1)
    for _ in range(min(len(boxes_xyxy), count)):
        winner = int(iou.argmax())
        box, default = divmod(winner, count)
        matched[default] = box
        iou[box, :] = -1
        iou[:, default] = -1
    return matched, best_iou


def match_targets(
    objects: list[tuple[Tensor, Tensor]],
    default_cxcywh: Tensor,
    *,
    variances: tuple[float, float],
    iou_threshold: float = 0.5,
) -> Targets:
    """Make a batch's targets.

    Args:
        objects: per image, boxes_xyxy [n, 4] float32 normalised and labels [n] int64: from 1 up an object to learn,
            -1 an object that is neither learned nor held against the network.
        default_cxcywh: [D, 4] float32, normalised.
        variances: divisors of (centre, size).
        iou_threshold: least overlap of a match.
    """
    all_labels, all_offsets = [], []
    for boxes_xyxy, labels in objects:
        learned = labels > 0
        matched, _ = match_default_boxes(boxes_xyxy[learned], default_cxcywh, iou_threshold=iou_threshold)
        target_labels = torch.zeros_like(matched)
        offsets = torch.zeros_like(default_cxcywh)
        positive = matched >= 0
        if positive.any():
            index = matched[positive]
            target_labels[positive] = labels[learned][index]
            offsets[positive] = encode_boxes(boxes_xyxy[learned][index], default_cxcywh[positive], variances)
        if (~learned).any():
            _, overlap = match_default_boxes(boxes_xyxy[~learned], default_cxcywh, iou_threshold=iou_threshold)
            target_labels[~positive & (overlap >= iou_threshold)] = -1
        all_labels.append(target_labels)
        all_offsets.append(offsets)
    return Targets(labels=torch.stack(all_labels), box_offsets=torch.stack(all_offsets))

"""The multibox loss: torchvision's numbers, and by hand where the definitions part."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import ssd as torchvision_ssd
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_convert, box_iou

from singleshot.train.learn.losses import multibox_loss
from singleshot.train.learn.matching import Targets, match_default_boxes, match_targets
from singleshot.train.networks.default_boxes import DefaultBoxSettings, default_boxes
from singleshot.train.networks.ssd import Heads

VARIANCES = (0.1, 0.2)
CLASSES = 4
GRID = torch.from_numpy(
    default_boxes([(6, 6), (3, 3)], DefaultBoxSettings(scales=(0.15, 0.35, 0.7), aspect_ratios=((2.0,), (2.0,))))
)


def heads_of_noise(count: int, *, seed: int = 0) -> Heads:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, len(GRID), CLASSES, generator=generator)
    return Heads(class_logits=logits, box_offsets=torch.randn(count, len(GRID), 4, generator=generator))


def heads_by_hand(foreground: list[list[float]]) -> Heads:
    """Two classes; a box's loss as background is log(1 + e^x) of its number."""
    x = torch.tensor(foreground)
    logits = torch.stack([torch.zeros_like(x), x], dim=2)
    return Heads(class_logits=logits.requires_grad_(), box_offsets=torch.zeros(*x.shape, 4, requires_grad=True))


def targets_by_hand(labels: list[list[int]]) -> Targets:
    return Targets(labels=torch.tensor(labels), box_offsets=torch.zeros(len(labels), len(labels[0]), 4))


def softplus(*values: float) -> float:
    return sum(math.log1p(math.exp(value)) for value in values)


def value(scalar: Tensor) -> float:
    return float(scalar.detach())


def test_equal_to_torchvision_where_every_image_has_objects() -> None:
    objects: list[tuple[Tensor, Tensor]] = [
        (torch.tensor([[0.1, 0.1, 0.4, 0.5], [0.5, 0.5, 0.9, 0.95]]), torch.tensor([1, 3])),
        (torch.tensor([[0.0, 0.3, 1.0, 0.9]]), torch.tensor([2])),
    ]
    heads, corners = heads_of_noise(2), box_convert(GRID, "cxcywh", "xyxy")
    ours = multibox_loss(heads, match_targets(objects, GRID, variances=VARIANCES))
    theirs = torchvision_ssd.SSD.compute_loss(
        SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3),
        [{"boxes": boxes, "labels": labels} for boxes, labels in objects],
        {"bbox_regression": heads.box_offsets, "cls_logits": heads.class_logits},
        [corners] * 2,
        [match_default_boxes(box_iou(boxes, corners)) for boxes, _ in objects],
    )
    torch.testing.assert_close(ours.localization, theirs["bbox_regression"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.classification, theirs["classification"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.total, ours.localization + ours.classification)


def test_three_hardest_negatives_to_a_positive() -> None:
    heads = heads_by_hand([[0.5, 3.0, -1.0, 2.0, 1.0, -2.0]])
    loss = multibox_loss(heads, targets_by_hand([[1, 0, 0, 0, 0, 0]]))
    assert value(loss.classification) == pytest.approx(softplus(-0.5) + softplus(3.0, 2.0, 1.0), rel=1e-6)
    assert value(loss.localization) == 0


def test_focal_loss_takes_all_negatives_by_what_they_lack() -> None:
    heads = heads_by_hand([[0.5, 3.0, -1.0, 9.0, 1.0, -2.0]])
    loss = multibox_loss(heads, targets_by_hand([[1, 0, 0, -1, 0, 0]]), classification="focal")
    losses = [softplus(x) for x in (-0.5, 3.0, -1.0, 1.0, -2.0)]
    expected = sum((1 - math.exp(-each)) ** 2 * each for each in losses)
    assert value(loss.classification) == pytest.approx(expected, rel=1e-6)
    value_of_known = heads_by_hand([[9.0, -9.0]])
    assert value(multibox_loss(value_of_known, targets_by_hand([[1, 0]]), classification="focal").total) < 1e-10


def test_ignored_boxes_are_no_negatives() -> None:
    heads = heads_by_hand([[0.5, 9.0, -1.0, 2.0, 1.0, 9.0]])
    loss = multibox_loss(heads, targets_by_hand([[1, -1, 0, 0, 0, -1]]))
    assert value(loss.classification) == pytest.approx(softplus(-0.5) + softplus(2.0, 1.0, -1.0), rel=1e-6)


def test_a_background_image_counts_as_one_with_the_average_of_objects() -> None:
    heads = heads_by_hand([[0.5, -9.0, -9.0, -9.0, -9.0, -9.0], [3.0, 2.0, 1.0, 0.0, -1.0, -2.0]])
    loss = multibox_loss(heads, targets_by_hand([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]))
    # One positive in two images: half a positive each, rounded up to one, so three negatives.
    expected = softplus(-0.5) + softplus(-9.0, -9.0, -9.0) + softplus(3.0, 2.0, 1.0)
    assert value(loss.classification) == pytest.approx(expected, rel=1e-6)


def test_a_batch_of_background_alone_still_teaches() -> None:
    heads = heads_by_hand([[3.0, -1.0, -1.0, -1.0], [2.0, -1.0, -1.0, -1.0]])
    loss = multibox_loss(heads, targets_by_hand([[0] * 4, [0] * 4]))
    (gradient,) = torch.autograd.grad(loss.total, heads.class_logits)
    assert value(loss.classification) == pytest.approx(softplus(3.0, -1.0, -1.0, 2.0, -1.0, -1.0), rel=1e-6)
    assert float(gradient[0, 0, 1]) > 0


def test_localization_is_smooth_l1_over_the_positives_alone() -> None:
    heads = heads_by_hand([[0.0, 0.0, 0.0]])
    targets = targets_by_hand([[1, 1, 0]])
    targets.box_offsets[0, 0] = torch.tensor([0.5, 0.0, 0.0, 2.0])  # 0.125 and 1.5
    targets.box_offsets[0, 2] = 100.0
    assert value(multibox_loss(heads, targets).localization) == pytest.approx((0.125 + 1.5) / 2)


def test_l2_is_half_the_square_and_equals_smooth_l1_near_zero() -> None:
    heads = heads_by_hand([[0.0, 0.0, 0.0]])
    targets = targets_by_hand([[1, 1, 0]])
    targets.box_offsets[0, 0] = torch.tensor([0.5, 0.0, 0.0, 2.0])  # 0.125 and 2
    assert value(multibox_loss(heads, targets, localization="l2").localization) == pytest.approx((0.125 + 2) / 2)
    targets.box_offsets.clamp_(max=1)
    smooth, square = (multibox_loss(heads, targets, localization=kind).localization for kind in ("smooth_l1", "l2"))
    assert value(smooth) == pytest.approx(value(square))


def open_gradients(labels: list[list[int]], labelled: list[list[bool]] | None, *, seed: int = 0) -> Tensor:
    """[N, D, C] of the class loss by the logits, of noise."""
    heads = heads_of_noise(len(labels), seed=seed)
    logits = heads.class_logits[:, : len(labels[0])].requires_grad_()
    heads = Heads(class_logits=logits, box_offsets=heads.box_offsets[:, : len(labels[0])])
    mask = None if labelled is None else torch.tensor(labelled)
    loss = multibox_loss(heads, targets_by_hand(labels), labelled=mask)
    (gradient,) = torch.autograd.grad(loss.classification, logits)
    return gradient


@pytest.mark.parametrize("seed", range(5))
def test_what_an_image_does_not_label_is_pushed_neither_way_where_no_object_is(seed: int) -> None:
    labels = [[1, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]]
    gradient = open_gradients(labels, [[True, True, False], [False, False, True]], seed=seed)
    assert (gradient[0, 1:, 3] == 0).all()
    assert (gradient[1, 1:, 1:3] == 0).all()
    learned = gradient[0, 1:].abs().sum(dim=1) > 0
    assert int(learned.sum()) == 3, "three negatives to a positive"
    assert (gradient[0, 1:][learned][:, 1:3] > 0).all(), "what it labels is taught as not there"
    everywhere = open_gradients(labels, None, seed=seed)
    assert (everywhere[0, 1:, 3] > 0).any()


def test_a_matched_box_shows_its_class_and_no_other() -> None:
    gradient = open_gradients([[1, 0, 0, 0]], [[True, True, False]])
    assert float(gradient[0, 0, 1]) < 0
    assert float(gradient[0, 0, 3]) > 0


def test_what_is_not_labelled_makes_no_negative_hard() -> None:
    """The second class shouts in the box of the first class that is least hard."""
    first = torch.tensor([[0.5, 3.0, 2.0, 1.0, -1.0, -2.0]])
    second = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 50.0]])
    logits = torch.stack([torch.zeros_like(first), first, second], dim=2)
    heads = Heads(class_logits=logits, box_offsets=torch.zeros(1, 6, 4))
    loss = multibox_loss(heads, targets_by_hand([[1, 0, 0, 0, 0, 0]]), labelled=torch.tensor([[True, False]]))
    matched = math.log(1 + math.exp(-0.5) + math.exp(-0.5))  # its label excludes the second class, too
    assert value(loss.classification) == pytest.approx(matched + softplus(3.0, 2.0, 1.0), rel=1e-6)


def test_labels_of_every_class_change_no_bit() -> None:
    labels = [[1, 0, -1, 0, 2, 0], [0, 0, 0, 0, 0, 0]]
    assert torch.equal(open_gradients(labels, None), open_gradients(labels, [[True] * 3] * 2))

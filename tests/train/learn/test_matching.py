"""Matching and encoding: tables by hand, torchvision's matcher and coder, and what must always hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.ops import box_convert, box_iou

from singleshot.runtime.detection import boxes as runtime_boxes
from singleshot.train.learn.matching import Targets, encode_boxes, match_default_boxes, match_targets
from singleshot.train.networks.default_boxes import DefaultBoxSettings, default_boxes

VARIANCES = (0.1, 0.2)
WORST_ENCODING = 2e-4
"""Absolute, of offsets up to some 50: one float32 rounding of each side's own order of operations."""

# Four boxes side by side along the top and one over everything.
HAND = torch.tensor([*([(2 * column + 1) / 8, 0.125, 0.25, 0.25] for column in range(4)), [0.5, 0.5, 1.0, 1.0]])
GRID = torch.from_numpy(
    default_boxes([(6, 6), (3, 3)], DefaultBoxSettings(scales=(0.15, 0.35, 0.7), aspect_ratios=((2.0,), (2.0,))))
)


@st.composite
def object_boxes(draw: st.DrawFn, *, least: int = 0, most: int = 5) -> Tensor:
    """Boxes within the image, some of them a hundredth thin."""
    count = draw(st.integers(least, most))
    values = draw(st.lists(st.integers(0, 99), min_size=4 * count, max_size=4 * count))
    corners = torch.tensor(values, dtype=torch.float32).view(-1, 4)
    low = torch.minimum(corners[:, :2], corners[:, 2:])
    high = torch.maximum(corners[:, :2], corners[:, 2:]) + 1  # never without area
    return torch.cat([low, high], dim=1) / 100


def matched(objects: Tensor, default_cxcywh: Tensor) -> tuple[Tensor, Tensor]:
    """One image's matches and overlaps, both [D]: without objects, none."""
    iou = box_iou(objects, box_convert(default_cxcywh, "cxcywh", "xyxy"))
    iou = torch.cat([iou, torch.full((1, len(default_cxcywh)), -1.0)])
    return match_default_boxes(iou), iou.amax(dim=0)


def targets_one_by_one(objects: list[tuple[Tensor, Tensor]], default_cxcywh: Tensor) -> Targets:
    """The rule of `match_targets` as it is told: image by image, pair by pair, the largest overlap first."""
    default_xyxy = box_convert(default_cxcywh, "cxcywh", "xyxy")
    all_labels = torch.zeros(len(objects), len(default_cxcywh), dtype=torch.int64)
    all_offsets = torch.zeros(len(objects), len(default_cxcywh), 4)
    for (boxes, labels), wanted, offsets in zip(objects, all_labels, all_offsets, strict=True):
        learned = labels > 0
        iou, difficult = box_iou(boxes[learned], default_xyxy), box_iou(boxes[~learned], default_xyxy)
        owner = {
            default: int(iou[:, default].argmax())
            for default in range(len(default_cxcywh))
            if len(iou) and iou[:, default].max() >= 0.5
        }
        pairs = [(-float(iou[i, j]), i, j) for i in range(len(iou)) for j in range(len(default_cxcywh))]
        claimed: dict[int, int] = {}
        for _, box, default in sorted(pairs):
            if box not in claimed.values() and default not in claimed:
                claimed[default] = box
        for default, box in (owner | claimed).items():
            wanted[default] = labels[learned][box]
            one = slice(default, default + 1)
            offsets[one] = encode_boxes(boxes[learned][box][None], default_cxcywh[one], VARIANCES)
        for default in set(range(len(default_cxcywh))) - set(owner | claimed):
            if len(difficult) and difficult[:, default].max() >= 0.5:
                wanted[default] = -1
    return Targets(labels=all_labels, box_offsets=all_offsets)


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([], [-1, -1, -1, -1, -1], id="no object: all background"),
        pytest.param([[0.0, 0.0, 0.25, 0.25]], [0, -1, -1, -1, -1], id="one object, one default box"),
        pytest.param([[0.0, 0.0, 0.75, 1.0]], [-1, -1, -1, -1, 0], id="a large object takes the large box"),
        pytest.param([[0.1, 0.1, 0.11, 0.11]], [0, -1, -1, -1, -1], id="a tiny object forces its best box"),
        pytest.param([[0.125, 0.0, 0.375, 0.25]], [0, -1, -1, -1, -1], id="a tie goes to the first default box"),
        pytest.param(
            [[0.0, 0.0, 0.25, 0.25], [0.0, 0.0, 0.25, 0.25]],
            [0, -1, -1, -1, 1],
            id="of two equal objects the second takes the next best box",
        ),
        pytest.param(
            [[0.0, 0.0, 0.2, 0.25], [0.0, 0.0, 0.25, 0.25]],
            [1, -1, -1, -1, 0],
            id="where two want one box the greater overlap wins",
        ),
    ],
)
def test_matches_by_hand(objects: list[list[float]], expected: list[int]) -> None:
    found, _ = matched(torch.tensor(objects).reshape(-1, 4), HAND)
    assert found.tolist() == expected


def test_threshold_matches_more_than_the_best() -> None:
    # Over boxes 0 and 1 whole: IoU 0.5 with each.
    found, overlap = matched(torch.tensor([[0.0, 0.0, 0.5, 0.25]]), HAND)
    assert found.tolist() == [0, 0, -1, -1, -1]
    torch.testing.assert_close(overlap, torch.tensor([0.5, 0.5, 0.0, 0.0, 0.125]))


def test_more_objects_than_default_boxes_fill_every_box_once() -> None:
    found, _ = matched(torch.tensor([[0.0, 0.0, 0.25, 0.25]] * 7), HAND)
    assert sorted(found.tolist()) == [0, 1, 2, 3, 4]


@given(object_boxes())
def test_every_object_has_a_box_and_every_other_match_reaches_the_threshold(objects: Tensor) -> None:
    found, overlap = matched(objects, GRID)
    assert set(range(len(objects))) <= set(found.tolist())
    if not len(objects):
        return
    iou = box_iou(objects, box_convert(GRID, "cxcywh", "xyxy"))
    forced = 0
    for default in torch.nonzero(found >= 0).flatten().tolist():
        is_best = iou[found[default], default] == overlap[default]
        forced += not (is_best and overlap[default] >= 0.5)
    assert forced <= len(objects)
    assert (overlap[found < 0] < 0.5).all()


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[Tensor, Tensor]]:
    """Images whose objects often overlap alike: corners on a coarse grid, copies of one another, difficult ones."""
    images = []
    for _ in range(draw(st.integers(1, 4))):
        boxes = draw(object_boxes(most=6))
        boxes = (boxes * 4).ceil() / 4 if draw(st.booleans()) else boxes
        boxes = (
            boxes[torch.tensor(draw(st.lists(st.integers(0, len(boxes) - 1), max_size=8)), dtype=torch.int64)]
            if (len(boxes))
            else boxes
        )
        labels = draw(st.lists(st.sampled_from([-1, 1, 2, 3]), min_size=len(boxes), max_size=len(boxes)))
        images.append((boxes, torch.tensor(labels, dtype=torch.int64)))
    return images


@given(batches(), st.sampled_from([HAND, GRID]))
def test_a_batch_gets_the_targets_of_the_rule_told_one_by_one(
    objects: list[tuple[Tensor, Tensor]], default_cxcywh: Tensor
) -> None:
    ours = match_targets(objects, default_cxcywh, variances=VARIANCES)
    plain = targets_one_by_one(objects, default_cxcywh)
    assert ours.labels.tolist() == plain.labels.tolist()
    assert torch.equal(ours.box_offsets, plain.box_offsets)


class _Asked(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that wait for a device's answer."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # torch's own
        self.count += func.overloadpacket in (torch.ops.aten.nonzero, torch.ops.aten._local_scalar_dense)
        return func(*args, **(kwargs or {}))


def test_nothing_waits_for_the_device() -> None:
    defaults = torch.rand(200, 4, generator=torch.Generator().manual_seed(0)) / 4 + 0.25
    objects = box_convert(defaults[::40], "cxcywh", "xyxy")
    with _Asked() as asked:
        match_targets([(objects, torch.ones(len(objects), dtype=torch.int64))], defaults, variances=VARIANCES)
    assert asked.count == 0


@given(object_boxes(least=1))
def test_equal_to_torchvision_where_no_two_objects_want_one_box(objects: Tensor) -> None:
    iou = box_iou(objects, box_convert(GRID, "cxcywh", "xyxy"))
    best_two = iou.topk(2, dim=1).values
    assume(len(set(iou.argmax(dim=1).tolist())) == len(objects))  # torchvision lets the last one have it
    assume(bool((best_two[:, 0] > best_two[:, 1]).all()))
    best_objects = iou.topk(min(2, len(objects)), dim=0).values
    assume(len(objects) == 1 or bool((best_objects[0] != best_objects[1])[best_objects[0] >= 0.5].all()))
    theirs = SSDMatcher(0.5)(iou).clamp(min=-1)
    ours, _ = matched(objects, GRID)
    assert ours.tolist() == theirs.tolist()


@given(object_boxes(least=1))
def test_encoding_equals_torchvision_and_numpy_and_is_undone_by_decoding(objects: Tensor) -> None:
    defaults = GRID[torch.arange(len(objects)) * 7]
    ours = encode_boxes(objects, defaults, VARIANCES)
    theirs = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(objects, box_convert(defaults, "cxcywh", "xyxy"))
    torch.testing.assert_close(ours, theirs, atol=WORST_ENCODING, rtol=1e-5)
    ours_np = runtime_boxes.encode_boxes(objects.numpy(), defaults.numpy(), VARIANCES)
    np.testing.assert_allclose(ours.numpy(), ours_np, atol=WORST_ENCODING, rtol=1e-5)
    decoded = runtime_boxes.decode_boxes(ours.numpy(), defaults.numpy(), VARIANCES)
    np.testing.assert_allclose(decoded, objects.numpy(), atol=1e-6)


def test_a_thin_box_gives_finite_targets() -> None:
    one_pixel = torch.tensor([[0.5, 0.2, 0.5 + 1 / 500, 0.8]])
    targets = match_targets([(one_pixel, torch.tensor([1]))], GRID, variances=VARIANCES)
    assert (targets.labels > 0).sum() == 1
    assert targets.box_offsets.isfinite().all()
    no_width = encode_boxes(torch.tensor([[0.5, 0.2, 0.5, 0.8]]), GRID[:1], VARIANCES)
    assert no_width.isfinite().all()


def test_targets_by_hand() -> None:
    learned = (torch.tensor([[0.25, 0.0, 0.5, 0.25], [0.5, 0.0, 0.75, 0.25]]), torch.tensor([2, 5]))
    background = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    targets = match_targets([learned, background], HAND, variances=VARIANCES)
    assert targets.labels.tolist() == [[0, 2, 5, 0, 0], [0, 0, 0, 0, 0]]
    assert not targets.box_offsets.any()  # both objects are their default boxes, and background has no target


def test_a_difficult_object_is_neither_learned_nor_held_against_the_network() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.25, 0.25], [0.25, 0.0, 0.5, 0.25], [0.5, 0.0, 0.55, 0.05]])
    labels = torch.tensor([3, -1, -1])
    targets = match_targets([(boxes, labels)], HAND, variances=VARIANCES)
    # The third is difficult too, but overlaps no default box by half: those stay background.
    assert targets.labels.tolist() == [[3, -1, 0, 0, 0]]


def test_an_object_under_a_difficult_one_is_learned() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.25, 0.25], [0.0, 0.0, 0.25, 0.25]])
    targets = match_targets([(boxes, torch.tensor([-1, 4]))], HAND, variances=VARIANCES)
    assert targets.labels.tolist() == [[4, 0, 0, 0, 0]]

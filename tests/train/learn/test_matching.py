"""Matching and encoding: tables by hand, torchvision's matcher and coder, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.ops import box_convert, box_iou

from singleshot.runtime.detection import boxes as runtime_boxes
from singleshot.train.learn.matching import encode_boxes, match_default_boxes, match_targets
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
    matched, _ = match_default_boxes(torch.tensor(objects).reshape(-1, 4), HAND)
    assert matched.tolist() == expected


def test_threshold_matches_more_than_the_best() -> None:
    # Over boxes 0 and 1 whole: IoU 0.5 with each.
    matched, overlap = match_default_boxes(torch.tensor([[0.0, 0.0, 0.5, 0.25]]), HAND)
    assert matched.tolist() == [0, 0, -1, -1, -1]
    torch.testing.assert_close(overlap, torch.tensor([0.5, 0.5, 0.0, 0.0, 0.125]))


def test_more_objects_than_default_boxes_fill_every_box_once() -> None:
    matched, _ = match_default_boxes(torch.tensor([[0.0, 0.0, 0.25, 0.25]] * 7), HAND)
    assert sorted(matched.tolist()) == [0, 1, 2, 3, 4]


@given(object_boxes())
def test_every_object_has_a_box_and_every_other_match_reaches_the_threshold(objects: Tensor) -> None:
    matched, overlap = match_default_boxes(objects, GRID)
    assert set(range(len(objects))) <= set(matched.tolist())
    if not len(objects):
        return
    iou = box_iou(objects, box_convert(GRID, "cxcywh", "xyxy"))
    torch.testing.assert_close(overlap, iou.amax(dim=0))
    forced = 0
    for default in torch.nonzero(matched >= 0).flatten().tolist():
        is_best = iou[matched[default], default] == overlap[default]
        forced += not (is_best and overlap[default] >= 0.5)
    assert forced <= len(objects)
    assert (overlap[matched < 0] < 0.5).all()


@given(object_boxes(least=1))
def test_equal_to_torchvision_where_no_two_objects_want_one_box(objects: Tensor) -> None:
    iou = box_iou(objects, box_convert(GRID, "cxcywh", "xyxy"))
    best_two = iou.topk(2, dim=1).values
    assume(len(set(iou.argmax(dim=1).tolist())) == len(objects))  # torchvision lets the last one have it
    assume(bool((best_two[:, 0] > best_two[:, 1]).all()))
    best_objects = iou.topk(min(2, len(objects)), dim=0).values
    assume(len(objects) == 1 or bool((best_objects[0] != best_objects[1])[best_objects[0] >= 0.5].all()))
    theirs = SSDMatcher(0.5)(iou).clamp(min=-1)
    ours, _ = match_default_boxes(objects, GRID)
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

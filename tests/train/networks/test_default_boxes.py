"""Default boxes: the paper's table by hand, and torchvision's generator."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator

from singleshot.runtime.errors import InputError
from singleshot.train.networks.default_boxes import DefaultBoxSettings, default_boxes

SSD300 = DefaultBoxSettings(
    scales=(0.1, 0.2, 0.375, 0.55, 0.725, 0.9, 1.075),
    aspect_ratios=((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
)
SSD300_MAPS = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]


def test_one_map_of_two_cells_by_hand() -> None:
    boxes = default_boxes([(1, 2)], DefaultBoxSettings(scales=(0.2, 0.8), aspect_ratios=((4.0,),)))
    shapes = [(0.2, 0.2), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4)]
    expected = [(cx, 0.5, width, height) for cx in (0.25, 0.75) for width, height in shapes]
    np.testing.assert_allclose(boxes, expected, atol=1e-7)
    assert boxes.dtype == np.float32


def test_ssd300_has_the_papers_8732_boxes() -> None:
    assert len(default_boxes(SSD300_MAPS, SSD300)) == 8732
    assert SSD300.boxes_per_cell == (4, 6, 6, 6, 4, 4)


@pytest.mark.parametrize(
    "map_hws",
    [pytest.param(SSD300_MAPS, id="square"), pytest.param([(6, 9), (3, 5), (2, 3), (1, 2), (1, 1), (1, 1)], id="wide")],
)
def test_equal_to_torchvision(map_hws: list[tuple[int, int]]) -> None:
    generator = DefaultBoxGenerator(
        [list(map(int, ratios)) for ratios in SSD300.aspect_ratios], scales=list(SSD300.scales), clip=False
    )
    theirs = generator._grid_default_boxes([list(hw) for hw in map_hws], [300, 300], torch.float32)
    np.testing.assert_allclose(default_boxes(map_hws, SSD300), theirs.numpy(), atol=1e-6)


def test_extra_square_is_the_geometric_mean() -> None:
    boxes = default_boxes([(1, 1)], DefaultBoxSettings(scales=(0.5, 0.9), aspect_ratios=((),)))
    np.testing.assert_allclose(boxes[:, 2], [0.5, math.sqrt(0.45)], atol=1e-6)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="expected one scale more than maps with aspect ratios, got 2 scales for 2"):
        DefaultBoxSettings(scales=(0.1, 0.2), aspect_ratios=((2.0,), (2.0,)))
    with pytest.raises(InputError, match="expected 6 feature maps, got 1"):
        default_boxes([(38, 38)], SSD300)

"""The detector as a whole: shapes, and what it says before it has learned."""

from __future__ import annotations

import pytest
import torch

from singleshot.runtime.errors import InputError
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import build_detector, network_named
from singleshot.train.networks.ssd import SSD


@pytest.fixture(scope="module")
def network() -> SSD:
    torch.manual_seed(0)
    return build_detector("ssd_lite0", NetworkOptions(input_hw=(64, 96), class_count=3)).eval()


def test_heads_and_default_boxes_agree_in_number(network: SSD) -> None:
    with torch.inference_mode():
        heads = network(torch.randn(2, 3, 64, 96))
    maps = [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1), (1, 1)]
    count = sum(height * width * per_cell for (height, width), per_cell in zip(maps, (4, 6, 6, 6, 4, 4), strict=True))
    assert network.default_cxcywh.shape == (count, 4)
    assert heads.class_logits.shape == (2, count, 4)
    assert heads.box_offsets.shape == (2, count, 4)


def test_a_head_of_one_cell_speaks_for_that_cells_default_boxes(network: SSD) -> None:
    """Light up one place of the input: the answer changes most at default boxes centred there."""
    dark, lit = torch.zeros(1, 3, 64, 96), torch.zeros(1, 3, 64, 96)
    lit[:, :, 40:48, 16:24] = 3.0  # cell (5, 2) of the finest map
    with torch.inference_mode():
        change = (network(lit).box_offsets - network(dark).box_offsets).abs().sum(dim=2)[0]
    finest = change[: 8 * 12 * 4].view(8, 12, 4).sum(dim=2)
    row, column = divmod(int(finest.argmax()), 12)
    assert abs(row - 5) <= 1
    assert abs(column - 2) <= 1


def test_an_untrained_network_says_background(network: SSD) -> None:
    with torch.inference_mode():
        scores = network(torch.randn(1, 3, 64, 96)).class_logits.softmax(dim=2)
    assert float(scores[..., 0].mean()) == pytest.approx(0.99, abs=0.005)


def test_building_leaves_the_network_in_training_mode() -> None:
    assert build_detector("ssd_lite0", NetworkOptions(input_hw=(64, 64), class_count=1)).training


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(InputError, match=r"^ssd_lite9: expected a network, one of resnet50, .*, ssd_lite0, .*\.$"):
        network_named("ssd_lite9")

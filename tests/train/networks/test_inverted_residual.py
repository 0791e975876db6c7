"""Trunks of inverted residuals: what a stage yields, and what is frozen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from singleshot.train.networks.inverted_residual import StagedTrunk
from singleshot.train.networks.lite import LITE0, LiteTrunk
from singleshot.train.networks.mobilenet2 import MobileNet2Trunk

TRUNKS = [
    pytest.param(lambda: LiteTrunk(LITE0), id="EfficientNet-Lite0"),
    pytest.param(MobileNet2Trunk, id="MobileNetV2"),
]


@pytest.mark.parametrize("make", TRUNKS)
def test_a_stage_yields_what_its_blocks_give_one_after_the_other(make: Callable[[], StagedTrunk]) -> None:
    torch.manual_seed(0)
    trunk = make().eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = trunk.stem(images)
        for stage, (expanded, given) in zip(trunk.stages, trunk.staged(images), strict=True):
            torch.testing.assert_close(expanded, next(stage.children()).expand(x))  # type: ignore[operator]
            x = stage(x)
            torch.testing.assert_close(given, x)


@pytest.mark.parametrize("make", TRUNKS)
@pytest.mark.parametrize(("stages", "learning"), [(0, range(-1, 7)), (2, range(2, 7)), (7, range(0))])
def test_freezing_takes_the_stem_and_the_first_stages(
    make: Callable[[], StagedTrunk], stages: int, learning: range
) -> None:
    trunk = make().eval()
    trunk.freeze(stages)
    parts = [trunk.stem, *trunk.stages]
    for index, part in enumerate(parts, start=-1):
        assert {parameter.requires_grad for parameter in part.parameters()} == {index in learning}, index
    *_, (_, last) = trunk.staged(torch.zeros(1, 3, 32, 32))
    assert last.requires_grad == (stages < 7)
    if stages < 7:
        last.sum().backward()  # type: ignore[no-untyped-call]
        reached = [part for part in parts if any(p.grad is not None for p in part.parameters())]
        assert len(reached) == len(learning)

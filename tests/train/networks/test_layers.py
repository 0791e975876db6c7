"""Layers: a folded batch norm says what the norm says; `same` padding is TensorFlow's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from singleshot.train.networks.layers import ConvNorm, Dropout, separable

FLOAT32 = 1e-5
"""Folding multiplies weights before the sums instead of after."""


def trained_conv_norm(**options: object) -> ConvNorm:
    """A layer whose batch norm is not the identity."""
    torch.manual_seed(0)
    layer = ConvNorm(6, 6, 3, **options)  # type: ignore[arg-type]
    assert layer.norm is not None
    with torch.no_grad():
        for values, low, high in (
            (layer.norm.weight, 0.5, 2.0),
            (layer.norm.bias, -1.0, 1.0),
            (layer.norm.running_mean, -1.0, 1.0),
            (layer.norm.running_var, 0.2, 3.0),
        ):
            assert values is not None
            values.uniform_(low, high)
    return layer


def by_parts(layer: ConvNorm, x: Tensor) -> Tensor:
    assert layer.norm is not None
    y: Tensor = layer.norm(layer.conv(x))
    return {None: y, "relu6": functional.relu6(y), "elu": functional.elu(y)}[layer.activation]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"stride": 2}, id="stride"),
        pytest.param({"groups": 6}, id="depthwise"),
        pytest.param({"activation": None}, id="no activation"),
        pytest.param({"activation": "elu"}, id="another activation"),
        pytest.param({"eps": 1e-3}, id="another epsilon"),
    ],
)
def test_frozen_norm_folds_to_the_same_function_and_gradients(options: dict[str, object]) -> None:
    layer = trained_conv_norm(**options).eval()
    x = torch.randn(2, 6, 7, 7)
    expected = by_parts(layer, x)
    torch.testing.assert_close(layer(x), expected, atol=FLOAT32, rtol=FLOAT32)
    parameters = list(layer.parameters())
    of_parts = torch.autograd.grad(expected.square().sum(), parameters)
    of_folded = torch.autograd.grad(layer(x).square().sum(), parameters)
    for ours, theirs in zip(of_folded, of_parts, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)
    layer.fold()
    assert layer.norm is None
    torch.testing.assert_close(layer(x), expected, atol=FLOAT32, rtol=FLOAT32)


def test_a_norm_in_training_uses_and_updates_the_batch_statistics() -> None:
    layer = trained_conv_norm().train()
    assert layer.norm is not None
    assert layer.norm.running_mean is not None
    before = layer.norm.running_mean.clone()
    x = torch.randn(2, 6, 7, 7)
    convolved = layer.conv(x)
    centred = (convolved - convolved.mean((0, 2, 3), keepdim=True)) / convolved.std((0, 2, 3), False, keepdim=True)
    expected = centred * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]
    torch.testing.assert_close(layer(x), functional.relu6(expected), atol=1e-4, rtol=1e-4)
    assert not torch.equal(layer.norm.running_mean, before)


def same_padded(side: int, kernel: int) -> Tensor:
    """Give what a convolution of ones says over ones: how many pixels lie under each window."""
    layer = ConvNorm(1, 1, kernel, stride=2, padding="same", activation=None)
    nn.init.ones_(layer.conv.weight)
    layer.norm = None
    counts: Tensor = layer(torch.ones(1, 1, side, side))[0, 0]
    return counts


@pytest.mark.parametrize(
    ("side", "kernel", "rows"),
    [
        pytest.param(4, 3, [3, 2], id="even side, kernel 3: nothing before, one after"),
        pytest.param(5, 3, [2, 3, 2], id="odd side, kernel 3: one before, one after"),
        pytest.param(4, 5, [4, 3], id="even side, kernel 5: one before, two after"),
        pytest.param(5, 5, [3, 5, 3], id="odd side, kernel 5: two before, two after"),
        pytest.param(1, 3, [1], id="one pixel"),
    ],
)
def test_same_padding_is_tensorflows(side: int, kernel: int, rows: list[int]) -> None:
    expected = torch.tensor(rows).float()
    torch.testing.assert_close(same_padded(side, kernel), expected[:, None] * expected[None])


def test_separable_is_depthwise_then_pointwise() -> None:
    layer = separable(6, 10, stride=2)
    assert layer(torch.zeros(2, 6, 9, 9)).shape == (2, 10, 5, 5)
    convolutions = [part for part in layer.modules() if isinstance(part, nn.Conv2d)]
    assert [(conv.kernel_size, conv.groups, conv.out_channels) for conv in convolutions] == [
        ((3, 3), 6, 6),
        ((1, 1), 1, 10),
    ]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 2, 5])
def test_mixed_precision_gives_the_gradient_of_full_precision(side: int, stride: int) -> None:
    """One cell is the case that PyTorch's bfloat16 convolutions get wrong on CPUs."""
    torch.manual_seed(0)
    layer = ConvNorm(32, 32, 3, stride=stride, activation=None).eval()
    images = torch.randn(16, 32, side, side).to(memory_format=torch.channels_last)
    weights = torch.randn(16, 32, -(-side // stride), -(-side // stride))
    gradients = []
    for is_mixed in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
            (layer(images).float() * weights).sum().backward()
        assert layer.conv.weight.grad is not None
        gradients.append(layer.conv.weight.grad.clone())
    full, mixed = gradients
    assert float((mixed - full).abs().max()) <= 0.05 * float(full.abs().max())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(layout: torch.memory_format, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(5, 33, 35, 37).contiguous(memory_format=layout).to(dtype).requires_grad_()
    y = Dropout(0.1)(x)
    y.sum().backward()
    dropped = (y == 0).float().mean(dim=(0, 2, 3))
    assert dropped.mean().item() == pytest.approx(0.1, abs=4 * (0.1 * 0.9 / x.numel()) ** 0.5)
    assert dropped.std().item() == pytest.approx((0.1 * 0.9 / (x.numel() / 33)) ** 0.5, rel=0.4)  # by channel, alone
    kept = y[y > 0]
    assert torch.allclose(kept.float(), torch.tensor(1 / 0.9), rtol=1e-5 if dtype == torch.float32 else 4e-3)
    assert x.grad is not None
    assert torch.equal(x.grad, y)
    assert y.stride() == x.stride()


def test_dropout_is_a_function_of_the_seed_and_leaves_what_is_measured_alone() -> None:
    x, layer = torch.rand(2, 3, 7, 5), Dropout(0.5)
    torch.manual_seed(1)
    first = layer(x)
    second = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert Dropout(0.9999999)(x).isfinite().all()

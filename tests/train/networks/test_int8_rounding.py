"""What a quantization-aware training rounds: by hand, value by value."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from singleshot.runtime.card import Int8Training
from singleshot.runtime.errors import InputError
from singleshot.train.networks.int8_rounding import check_folds_norms, round_as_int8
from singleshot.train.networks.layers import ConvNorm


def trained(*limits: tuple[int, float] | None, weight_steps: int = 127) -> Int8Training:
    return Int8Training.model_validate(
        {
            "method": "minmax",
            "images": 8,
            "seed": 0,
            "table_sha256": "",
            "weight_steps": weight_steps,
            "limits": limits,
        }
    )


def one_by_one(*weights: float) -> nn.Conv2d:
    layer = nn.Conv2d(1, len(weights), 1, bias=False)
    layer.weight = nn.Parameter(torch.tensor(weights).reshape(-1, 1, 1, 1))
    return layer


def maps(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("value", "rounded", "gradient"),
    [
        pytest.param(0.4, 0.0, 1.0, id="down"),
        pytest.param(0.5, 0.0, 1.0, id="a tie goes to the even step"),
        pytest.param(1.5, 2.0, 1.0, id="another tie"),
        pytest.param(126.7, 127.0, 1.0, id="the last step"),
        pytest.param(200.0, 127.0, 0.0, id="clipped above, so that nothing is learned of it"),
        pytest.param(-128.2, -128.0, 1.0, id="int8 has a step more below"),
        pytest.param(-200.0, -128.0, 0.0, id="clipped below"),
    ],
)
def test_what_a_convolution_reads(value: float, rounded: float, gradient: float) -> None:
    layer, x = one_by_one(1.0), maps(value).requires_grad_()
    round_as_int8(layer, trained((0, 127.0)))
    y = layer(x)
    y.sum().backward()
    assert x.grad is not None
    assert (y.item(), x.grad.item()) == (rounded, gradient)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(127, [127.0, 0.0, 25.0], id="each channel by its own largest weight"),
        pytest.param(63, [127.0, 0.0, 25.0], id="the largest is itself in half range, too"),
    ],
)
def test_weights_by_channel(steps: int, expected: list[float]) -> None:
    layer = one_by_one(127.0, 0.0, 25.0)
    round_as_int8(layer, trained((0, 127.0), weight_steps=steps))
    assert layer(maps(1.0)).flatten().tolist() == expected


def test_weights_between_steps_are_rounded_and_learn() -> None:
    layer = nn.Conv2d(2, 1, 1, bias=False)
    layer.weight = nn.Parameter(torch.tensor([127.0, 3.4]).reshape(1, 2, 1, 1))
    round_as_int8(layer, trained((0, 127.0)))
    y = layer(torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1))
    y.sum().backward()
    assert y.item() == 3.0
    assert layer.weight.grad is not None
    assert layer.weight.grad.flatten().tolist() == [0.0, 1.0]
    assert layer.weight.flatten().tolist() == [127.0, pytest.approx(3.4)]


def test_what_stays_in_float_is_not_touched() -> None:
    layer = one_by_one(0.123)
    round_as_int8(layer, trained(None))
    assert layer(maps(1.5)).item() == pytest.approx(0.1845)


class Residual(nn.Module):
    """A convolution beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = one_by_one(1.0)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layer(x)
        return y


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param(0, 20.0 + 16.0, id="the shortcut, 16.4 in steps of 10"),
        pytest.param(1, 16.4 + 20.0, id="the convolution's result, 16 in steps of 10"),
    ],
)
def test_one_input_of_a_sum(place: int, expected: float) -> None:
    network = Residual()
    round_as_int8(network, trained((0, 127.0), (place, 127.0 * 10)))
    assert network(maps(16.4)).item() == pytest.approx(expected)


def test_norms_that_are_not_folded_are_refused() -> None:
    check_folds_norms(nn.Sequential(ConvNorm(3, 4), nn.Conv2d(4, 4, 1)), "folding")
    with pytest.raises(InputError) as caught:
        check_folds_norms(nn.Sequential(ConvNorm(3, 4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)), "apart")
    assert str(caught.value) == (
        "apart: expected a network that folds its batch norms into its convolutions with --quantization-aware, got one "
        "that has them apart. Take another network, or leave --quantization-aware out."
    )


def test_a_forward_pass_that_fails_leaves_torch_as_it_was() -> None:
    layer = one_by_one(1.0)
    round_as_int8(layer, trained((0, 127.0)))
    with pytest.raises(RuntimeError):
        layer(torch.zeros(1, 3, 1, 1))
    assert torch.conv2d(maps(0.4), torch.ones(1, 1, 1, 1)).item() == pytest.approx(0.4)
    assert layer(maps(1.6)).item() == 2.0

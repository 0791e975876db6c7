"""Layers that the networks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation: TypeAlias = Literal["relu", "relu6", "elu"]

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "elu": functional.elu,
}


class ConvNorm(nn.Module):
    """Convolution, batch norm and an optional activation.

    While its batch norm is in evaluation mode (frozen), the norm's affine map is folded into the convolution's
    weights on the fly: the same function and gradients in one pass over memory instead of two.

    Args:
        padding: `half` pads by half the kernel on every side; `same` pads as TensorFlow does, so that the output
            side is ceil(input side / stride), with the odd pixel at the bottom and right.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: Activation | None = "relu6",
        padding: Literal["half", "same"] = "half",
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.same = padding == "same" and stride > 1
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=0 if self.same else kernel // 2,
            groups=groups,
            bias=False,
        )
        self.norm: nn.BatchNorm2d | None = nn.BatchNorm2d(out_channels, eps=eps, momentum=momentum)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, h, w] to [N, out, h / stride, w / stride]."""
        if self.same:
            x = _pad_same(x, self.conv.kernel_size[0], self.conv.stride[0])
        if self.norm is not None and self.norm.training:
            x = self.norm(self._convolve(x, self.conv.weight, None))
        else:
            x = self._convolve(x, *self._folded())
        return x if self.activation is None else _ACTIVATIONS[self.activation](x)

    def fold(self) -> None:
        """Fold the batch norm into the convolution for good: the same function, no longer to be trained."""
        weight, bias = self._folded()
        self.conv.weight = nn.Parameter(weight.detach())
        self.conv.bias = None if bias is None else nn.Parameter(bias.detach())
        self.norm = None

    def _folded(self) -> tuple[Tensor, Tensor | None]:
        """Return the weight and bias that make the convolution and its frozen norm one."""
        norm = self.norm
        if norm is None:
            return self.conv.weight, self.conv.bias
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        return self.conv.weight * scale[:, None, None, None], norm.bias - mean * scale

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        conv = self.conv
        is_mixed = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        # On CPUs the bfloat16 backward pass of depthwise convolutions takes several times that of float32, and that of
        # a kernel of stride 2 on a single cell gives a wrong gradient of the weights, infinity at times (PyTorch 2.15).
        if is_mixed and (conv.groups > 1 or (conv.kernel_size[0] > 1 and 1 in x.shape[-2:])):
            with torch.autocast("cpu", enabled=False):
                bias = None if bias is None else bias.float()
                return functional.conv2d(x.float(), weight.float(), bias, conv.stride, conv.padding, groups=conv.groups)
        return functional.conv2d(x, weight, bias, conv.stride, conv.padding, groups=conv.groups)


class Dropout(nn.Dropout):
    """Dropout for large maps: on a CPU it takes 16 random bits a value; PyTorch's takes a number for each.

    The share that is dropped is there a multiple of 1 / 65536.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # torch's name
        """Map a tensor of any shape to one of the same."""
        if not self.training or not self.p or input.device.type != "cpu":
            return super().forward(input)
        return input * _kept(input, self.p)


def separable(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """Make a depthwise 3x3 and a pointwise convolution, each with batch norm and ReLU6."""
    return nn.Sequential(
        ConvNorm(in_channels, in_channels, 3, stride=stride, groups=in_channels),
        ConvNorm(in_channels, out_channels),
    )


def _kept(like: Tensor, dropped: float) -> Tensor:
    """Give for each value 0 or, where it is kept, the inverse of the share that is kept; laid out as the values are."""
    kept, count = torch.empty_like(like), like.numel()
    bits = torch.empty(-(-count // _VALUES_A_NUMBER), dtype=torch.int64).random_(-(2**63), None)
    least = min(round(dropped * 2**16), 2**16 - 1) - 2**15
    torch.ge(bits.view(torch.int16)[:count], least, out=kept.as_strided((count,), (1,)))
    return kept.mul_(2**16 / (2**15 - least))


_VALUES_A_NUMBER = 4
"""16-bit numbers in one of 64 bits."""


def _pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
    top, left = missing[0] // 2, missing[1] // 2
    return functional.pad(x, [left, missing[1] - left, top, missing[0] - top])

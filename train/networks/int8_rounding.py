"""Quantization-aware training: a network in float32 that rounds what its int8 graph rounds.

torchao's `prepare_qat_pt2e` trains a traced copy of a network, whose weights have other names and whose batch norms are
not those that `ConvNorm` folds while it runs. What the int8 graph does is short enough to be said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...calib.int8.quantized_graph import scale_of
from ...calib.int8.ranges import STEPS
from ...runtime.card import Int8Training
from ...runtime.errors import InputError
from .layers import ConvNorm

_SUMS = frozenset({torch.add, Tensor.add, Tensor.__add__, Tensor.__iadd__, Tensor.add_})


def check_folds_norms(network: nn.Module, name: str) -> None:
    """Refuse a network whose int8 weights would hold batch norms that it does not fold while it trains.

    Raises:
        InputError: it has norms apart from its convolutions.
    """
    folded = {part.norm for part in network.modules() if isinstance(part, ConvNorm)}
    if any(isinstance(part, nn.BatchNorm2d) and part not in folded for part in network.modules()):
        raise InputError(
            f"{name}: expected a network that folds its batch norms into its convolutions with --quantization-aware, "
            f"got one that has them apart. Take another network, or leave --quantization-aware out."
        )


def round_as_int8(network: nn.Module, trained: Int8Training) -> None:
    """Have a network compute what its int8 graph computes, for good; gradients pass where nothing was clipped.

    The weights are rounded as they are, folded with their batch norm where that is in evaluation mode.

    Args:
        network: its parameters, and what it is, stay; only its forward pass changes.
        trained: which inputs are rounded, and how.
    """
    rounding = _Rounding(trained)
    network.register_forward_pre_hook(lambda *_: rounding.begin())
    network.register_forward_hook(lambda *_: rounding.end(), always_call=True)


def is_rounded(func: Callable[..., Any], args: Sequence[Any]) -> bool:
    """Tell whether a function of PyTorch is one that int8 may round the inputs of: a convolution or a sum of maps."""
    is_sum = func in _SUMS and all(isinstance(x, Tensor) and x.ndim == 4 for x in args)
    return func is torch.conv2d or is_sum


class _Rounding(TorchFunctionMode):
    """Rounds what convolutions and sums read, each in its turn, during one forward pass."""

    def __init__(self, trained: Int8Training) -> None:
        super().__init__()
        self._scales = [
            None if limit is None else (limit[0], float(scale_of(np.asarray(limit[1], np.float32))))
            for limit in trained.limits
        ]
        self._weight_steps = trained.weight_steps
        self._done = 0

    def begin(self) -> None:
        """Start with the first convolution."""
        self._done = 0
        self.__enter__()  # type: ignore[no-untyped-call]  # PyTorch gives none

    def end(self) -> None:
        """Leave PyTorch's functions as they were."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]  # as above

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # whatever the function gives
        """Run a function of PyTorch; a convolution or a sum of maps with rounded inputs."""
        if is_rounded(func, args):
            scale, self._done = self._scales[self._done], self._done + 1
            if scale is not None:
                args = list(args)
                args[scale[0]] = _Rounded.apply(args[scale[0]], _like(args[scale[0]], scale[1]), -STEPS - 1, STEPS)
                if func is torch.conv2d:
                    args[1] = self._weight(args[1])
        return func(*args, **(kwargs or {}))

    def _weight(self, weight: Tensor) -> Tensor:
        """Round a convolution's weight [out, in, h, w], each output channel by its own scale."""
        limits = weight.detach().abs().amax((1, 2, 3), keepdim=True)
        least = torch.finfo(limits.dtype).tiny
        scales = torch.where(limits > 0, (limits / _like(limits, self._weight_steps)).clamp_min(least), 1)
        rounded: Tensor = _Rounded.apply(weight, scales, -self._weight_steps, self._weight_steps)
        return rounded


class _Rounded(torch.autograd.Function):
    """Rounds to multiples of a scale; the gradient passes where nothing was clipped (straight through).

    Source: Bengio et al. 2013, Estimating or propagating gradients through stochastic neurons.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, least: int, most: int) -> Tensor:
        """Round [...] float32; the quotient is not a product with the inverse, which would move ties."""
        steps = (x / scale).round_()
        ctx.save_for_backward((steps >= least) & (steps <= most))
        return steps.clamp_(least, most).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Pass the gradient on."""
        (is_within,) = ctx.saved_tensors
        return gradients[0] * is_within, None, None, None


def _like(x: Tensor, value: float) -> Tensor:
    """Put a number where a tensor is: on a GPU, a division by one that is elsewhere is a product with its inverse."""
    return torch.full((), value, dtype=x.dtype, device=x.device)

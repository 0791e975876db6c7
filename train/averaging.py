"""The moving average of the weights, which is what is validated and kept."""

from __future__ import annotations

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

_WARMUP_STEPS = 10


def moving_average(decay: float) -> WeightAveraging:
    """Make the callback that averages weights and batch norm statistics exponentially.

    The decay starts small and grows to its value: with a constant one the untrained weights, and batch norm's first
    statistics, would spoil the average for thousands of steps.

    Args:
        decay: share of the average that survives a step, once warmed up.
    """

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        steps = int(count)
        warm = min(decay, (1 + steps) / (_WARMUP_STEPS + steps))
        get_ema_multi_avg_fn(warm)(averaged, current, count)  # type: ignore[no-untyped-call]

    return WeightAveraging(multi_avg_fn=update)

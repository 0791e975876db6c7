"""The moving average: it forgets the untrained weights quickly, then smooths."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from singleshot.train.run.callbacks import moving_average


def averaged_after(values: list[float], *, decay: float) -> float:
    """Average a single weight over steps at which it has these values."""
    model = nn.Linear(1, 1, bias=False)
    callback = moving_average(decay)
    nn.init.constant_(model.weight, -1000.0)  # untrained
    average = AveragedModel(model, **callback._kwargs)
    for value in values:
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    return float(average.module.get_parameter("weight").detach())


def test_untrained_weights_are_gone_after_few_steps() -> None:
    assert averaged_after([5.0] * 100, decay=0.998) == pytest.approx(5.0, abs=0.01)


def test_the_decay_grows_to_its_value_and_no_further() -> None:
    # The first update copies; the next two survive by (1 + 1) / (10 + 1) and (1 + 2) / (10 + 2).
    second = 1.0 * 2 / 11 + 2.0 * 9 / 11
    assert averaged_after([1.0, 2.0], decay=0.9) == pytest.approx(second)
    assert averaged_after([1.0, 2.0, 3.0], decay=0.9) == pytest.approx(second * 3 / 12 + 3.0 * 9 / 12)
    assert averaged_after([1.0, 2.0], decay=0.1) == pytest.approx(1.0 * 0.1 + 2.0 * 0.9)


def test_buffers_are_averaged_too() -> None:
    model = nn.BatchNorm1d(1)
    callback = moving_average(0.9)
    average = AveragedModel(model, use_buffers=callback._use_buffers, **callback._kwargs)
    for value in (1.0, 2.0):
        torch.nn.init.constant_(model.get_buffer("running_mean"), value)
        average.update_parameters(model)
    torch.testing.assert_close(average.module.get_buffer("running_mean"), torch.tensor([1.0 * 2 / 11 + 2.0 * 9 / 11]))

"""Settings: defaults that depend on each other, and errors that name the setting."""

from __future__ import annotations

import pytest

from singleshot.runtime.errors import InputError
from singleshot.train.settings import TrainSettings, train_settings, with_newer_settings


def test_nothing_random_is_frozen() -> None:
    assert TrainSettings().frozen_stages == 2
    assert TrainSettings(pretrained=False).frozen_stages == 0
    assert train_settings(pretrained=False, frozen_stages=0).frozen_stages == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"epochs": 0}, "epochs: expected greater than 0, got 0.", id="no epoch"),
        pytest.param({"learning_rate": -1.0}, "learning_rate: expected greater than 0, got -1.0.", id="negative rate"),
        pytest.param(
            {"precision": "half"},
            "precision: expected auto, fp32, bf16, fp16, got 'half'.",
            id="choice",
        ),
        pytest.param({"seed": -1}, "seed: expected greater than or equal to 0, got -1.", id="negative seed"),
        pytest.param({"seed": 2**32}, "seed: expected less than 4294967296, got 4294967296.", id="large seed"),
        pytest.param(
            {"pretrained": False, "frozen_stages": 3},
            "frozen_stages: expected 0 without pretrained weights, got 3.",
            id="random stages frozen",
        ),
        pytest.param(
            {"epohcs": 3},
            "epohcs: expected a setting, got a name that there is none of. Did you mean epochs?",
            id="unknown setting",
        ),
    ],
)
def test_wrong_values_name_the_setting(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        train_settings(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        pytest.param("bfloat16", "bf16", id="of an earlier version"),
        pytest.param("fp32", "fp32", id="of today"),
        pytest.param("auto", "auto", id="left open"),
    ],
)
def test_a_precision_means_the_same_however_it_is_spelt(spelling: str, name: str) -> None:
    assert train_settings(precision=spelling).precision == name
    assert with_newer_settings({"precision": spelling})["precision"] == name

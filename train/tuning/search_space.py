"""What tuning varies, and between which values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.errors import InputError
from ..networks.registry import Network, network_named
from ..settings import TrainSettings, train_settings

if TYPE_CHECKING:
    import optuna

_FINEST = (0.03, 0.2)
_COARSEST = (0.7, 1.1)
"""Least and greatest side of the square default boxes of the finest and of the coarsest map; between them the sides
are spaced evenly, as in Liu et al. 2016, eq. 4."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One thing that is varied.

    Args:
        option: that a network has to follow for it to mean anything; None for every network.
        suggest: samples the settings of a trial: names as in TOML, those of a table with a dot.
        about: the range, for people.
    """

    option: str | None
    suggest: Callable[[optuna.trial.BaseTrial, Network], Mapping[str, Any]]
    about: str


def _learning_rate(trial: optuna.trial.BaseTrial, _network: Network) -> Mapping[str, Any]:
    return {"learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)}


def _weight_decay(trial: optuna.trial.BaseTrial, _network: Network) -> Mapping[str, Any]:
    return {"weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.2, log=True)}


def _dropout(trial: optuna.trial.BaseTrial, _network: Network) -> Mapping[str, Any]:
    return {"dropout": trial.suggest_float("dropout", 0.0, 0.6)}


def _augmentation(trial: optuna.trial.BaseTrial, _network: Network) -> Mapping[str, Any]:
    return {"augmentation.strength": trial.suggest_float("augmentation.strength", 0.0, 2.0)}


def _default_box_scales(trial: optuna.trial.BaseTrial, network: Network) -> Mapping[str, Any]:
    if network.default_boxes is None:
        raise RuntimeError("a network that follows default boxes has its own")
    finest = trial.suggest_float("default_box_scales.finest", *_FINEST, log=True)
    coarsest = trial.suggest_float("default_box_scales.coarsest", *_COARSEST)
    sides = np.linspace(finest, coarsest, len(network.default_boxes.scales))
    return {"default_box_scales": tuple(round(float(side), 4) for side in sides)}


def _branch_width(trial: optuna.trial.BaseTrial, _network: Network) -> Mapping[str, Any]:
    return {"branch_width": trial.suggest_categorical("branch_width", [64, 96, 128, 192, 256])}


def _branch_depth(trial: optuna.trial.BaseTrial, _network: Network) -> Mapping[str, Any]:
    return {"branch_depth": trial.suggest_int("branch_depth", 0, 3)}


DIMENSIONS = {
    "learning_rate": Dimension(option=None, suggest=_learning_rate, about="1e-4 to 1e-2, log"),
    "weight_decay": Dimension(option=None, suggest=_weight_decay, about="1e-4 to 0.2, log"),
    "dropout": Dimension(option="dropout", suggest=_dropout, about="0 to 0.6"),
    "augmentation": Dimension(option=None, suggest=_augmentation, about="its strength, 0 to 2"),
    "default_box_scales": Dimension(
        option="default_boxes",
        suggest=_default_box_scales,
        about=f"finest {_FINEST[0]} to {_FINEST[1]}, coarsest {_COARSEST[0]} to {_COARSEST[1]}, evenly between",
    ),
    "branch_width": Dimension(option="branch_width", suggest=_branch_width, about="64, 96, 128, 192 or 256 channels"),
    "branch_depth": Dimension(option="branch_depth", suggest=_branch_depth, about="0 to 3 convolutions"),
}
"""By the name that a person chooses it by."""


def dimensions_for(network: str, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """Say what is varied for a network.

    Args:
        network: its name.
        chosen: names of `DIMENSIONS`; everything that the network follows where none is given.

    Raises:
        InputError: there is no such network or dimension, or the network does not follow it.
    """
    follows = network_named(network).options
    known = tuple(name for name, item in DIMENSIONS.items() if item.option is None or item.option in follows)
    for name in chosen:
        if name not in known:
            raise InputError(f"{name}: expected something that tuning varies for {network}: {', '.join(known)}.")
    return tuple(name for name in known if name in chosen) or known


def suggested_settings(
    trial: optuna.trial.BaseTrial, network: str, base: TrainSettings, dimensions: Sequence[str]
) -> TrainSettings:
    """Sample a trial's settings; everything that is not varied stays as it is.

    Args:
        trial: of a study.
        network: name of the network.
        base: what holds for every trial.
        dimensions: names of `DIMENSIONS`.
    """
    values = base.model_dump(exclude_unset=True)
    for name in dimensions:
        for key, value in DIMENSIONS[name].suggest(trial, network_named(network)).items():
            table, dot, inner = key.partition(".")
            if dot:
                values[table] = {**values.get(table, {}), inner: value}
            else:
                values[key] = value
    return train_settings(**values)

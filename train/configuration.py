"""Settings from and to TOML, and what is left open in them put in by network, data and machine."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomllib
from pydantic import BaseModel

from ..data.dataset import Dataset
from ..data.mixed_data import check_parts
from ..data.splits import SEEDED_SPLITS, SEEDED_TRAIN, SEEDED_VAL
from ..runtime.errors import InputError
from ..runtime.files import StrPath
from .networks.box_fitting import fit_default_boxes
from .networks.registry import Network, input_of, network_named
from .precision import resolved_precision
from .settings import TrainSettings, train_settings

_COMMENT_WIDTH = 100

_OPTIONS = {
    "dropout": "dropout",
    "branch_width": "branch_width",
    "branch_depth": "branch_depth",
    "default_box_scales": "default_boxes",
    "default_box_aspect_ratios": "default_boxes",
    "default_boxes": "default_boxes",
    "classification_loss": "default_boxes",
    "localization_loss": "default_boxes",
    "mosaic": "default_boxes",
    "label_smoothing": "label_smoothing",
    "mixup": "mixing",
    "cutmix": "mixing",
    "progressive_resizing": "resizing",
    "training_resolution": "resizing",
}
"""Setting -> the option that a network must follow for it to mean anything."""


def load_settings(path: StrPath) -> dict[str, object]:
    """Read the settings that a TOML file gives; those that it leaves out are not in the answer.

    Raises:
        InputError: the file cannot be read, is no TOML, or has a key or a value that is not allowed.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: expected a TOML file of settings, got {error.strerror}. "
            f"`singleshot train NETWORK --print-config` prints one to begin with."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML, got: {error}.") from error
    try:
        train_settings(**values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return values


def settings_text(network: str, settings: TrainSettings) -> str:
    """Write settings as TOML that `load_settings` reads back to the same, each with what it means.

    What is not given, because the network decides it, stands as a comment with the network's own value.

    Raises:
        InputError: there is no such network.
    """
    found = network_named(network)
    lines = [f"# Settings of `singleshot train {network}`.", *_table(settings, _own_values(found), network)]
    for name, value in settings:
        if isinstance(value, BaseModel):
            about = type(settings).model_fields[name].description or ""
            lines += ["", *_comment(about), f"[{name}]", *_table(value, {}, network)]
    return "\n".join(lines) + "\n"


def resolved_settings(network: str, data: Dataset, settings: TrainSettings) -> TrainSettings:
    """Put names and values where the settings say `auto`, and nothing pretrained where there are no weights.

    Raises:
        InputError: there is no such network or split, or the network or this machine has not what was asked for; or
            several data sets do not go together, see `check_parts`.
    """
    settings = settings.model_copy(update={"precision": resolved_precision(settings.precision)})
    settings = with_splits(for_network(settings, network), data)
    check_parts(data, settings.train_split, settings.val_split)
    for split in (settings.train_split, settings.val_split):
        data.sample_ids(split, seed=settings.split_seed)  # says which splits there are, before any image is looked at
    return settings


def for_network(settings: TrainSettings, network: str) -> TrainSettings:
    """Start from nothing where no weights are shipped for the network.

    Raises:
        InputError: there is no such network, or it has not what was asked for: pretrained weights, or something that
            a setting would change.
    """
    found = network_named(network)
    for name in _OPTIONS:
        value = getattr(settings, name)
        if not follows(network, name) and value != TrainSettings.model_fields[name].default:
            raise InputError(
                f"{name}: expected none for {network}, to which it means nothing, got {value}. Leave it out."
            )
    if found.has_pretrained_weights or not settings.pretrained:
        return settings
    if "pretrained" in settings.model_fields_set:
        raise InputError(
            f"pretrained: expected false for {network}, for which there are no weights, got true. Leave it out."
        )
    return train_settings(**{**settings.model_dump(exclude_unset=True), "pretrained": False})


def follows(network: str, setting: str) -> bool:
    """Tell whether a setting means anything to a network.

    Raises:
        InputError: there is no such network.
    """
    return setting not in _OPTIONS or _OPTIONS[setting] in network_named(network).options


def with_splits(settings: TrainSettings, data: Dataset) -> TrainSettings:
    """Replace `auto` by names: the data's own splits where they have both, else the seeded ones.

    Of several data sets each must have both.

    A seeded split goes with the other seeded one: the official `val` shares images with `seeded-train`.
    """
    official = {"train", "val"} <= set(data.split_names())
    if not official or {settings.train_split, settings.val_split} & set(SEEDED_SPLITS):
        names = {"train_split": SEEDED_TRAIN, "val_split": SEEDED_VAL}
    else:
        names = {"train_split": "train", "val_split": "val"}
    left_open = {key: name for key, name in names.items() if getattr(settings, key) == "auto"}
    return settings.model_copy(update=left_open)


def with_fitted_boxes(settings: TrainSettings, network: str, data: Dataset) -> TrainSettings:
    """Put in the fitted default boxes where such were asked for and none are given.

    Args:
        settings: resolved.
        network: name of a detector, if default boxes are to be fitted.
        data: its training split is what they are fitted to.

    Raises:
        InputError: the network is a classifier.
    """
    given = (settings.default_box_scales, settings.default_box_aspect_ratios)
    if settings.default_boxes == "network" or given != (None, None):
        return settings
    spec = input_of(network, settings.height, settings.width)
    input_hw = spec.height, spec.width
    fitted = fit_default_boxes(data, settings.train_split, network, input_hw=input_hw, seed=settings.split_seed)
    boxes = {"default_box_scales": fitted.scales, "default_box_aspect_ratios": fitted.aspect_ratios}
    return settings.model_copy(update=boxes)


def _own_values(network: Network) -> dict[str, object]:
    """What the network takes where a setting is not given, and None for a setting that means nothing to it."""
    own: dict[str, object] = {"height": network.input.height, "width": network.input.width}
    if network.default_boxes is not None:
        own["default_box_scales"] = network.default_boxes.scales
        own["default_box_aspect_ratios"] = network.default_boxes.aspect_ratios
    missing = {name: None for name, option in _OPTIONS.items() if option not in network.options}
    return {**own, **missing}


def _table(values: BaseModel, own: dict[str, object], network: str) -> Iterator[str]:
    for name, value in values:
        if isinstance(value, BaseModel):
            continue
        yield ""
        yield from _comment(type(values).model_fields[name].description or "")
        if value is not None:
            yield f"{name} = {_toml(value)}"
        elif name not in own:
            yield f"# {name} is not given: {network} has its own."
        elif own[name] is None:
            yield f"# {name} means nothing to {network}."
        else:
            yield f"# {name} = {_toml(own[name])}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _COMMENT_WIDTH)]


def _toml(value: Any) -> str:  # a setting's value: JSON's strings, numbers, truths and lists are TOML's too
    return json.dumps(value, ensure_ascii=False)

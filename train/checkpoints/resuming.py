"""What must be as it was when a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...runtime.card import Card
from ...runtime.errors import InputError
from ..settings import with_newer_settings
from .checkpoint import load_checkpoint

FREE_SETTINGS = frozenset({"validate_every", "workers", "devices"})
"""Settings that may change on a resume: no weight depends on them."""


def check_same_run(last: Path, card: Card) -> int:
    """Hold the last checkpoint of a run against what is asked for now.

    Lightning would go on with whatever fits the tensors: with other classes under the old numbers, or along a
    schedule that was made for another number of epochs.

    Args:
        last: the checkpoint to resume from.
        card: as a new run would write it.

    Returns:
        Epochs trained so far.

    Raises:
        InputError: the checkpoint cannot be read, or was made with another network, classes, data or settings.
    """
    checkpoint = load_checkpoint(last)
    before, now = _identity(checkpoint.card), _identity(card)
    for name, value in before.items():
        if name in now and now[name] != value:
            raise InputError(
                f"{last}: expected to go on with {name} {_text(value)}, got {_text(now[name])}. "
                f"Resume with what the run began with, or start another run in another folder."
            )
    return checkpoint.epochs


def _identity(card: Card) -> dict[str, Any]:  # settings are of many types
    settings = with_newer_settings(card.origin.settings)
    checked = {name: value for name, value in settings.items() if name not in FREE_SETTINGS}
    return {
        "network": card.network,
        "classes": card.class_names,
        "input": (card.input.height, card.input.width),
        "starting weights": (card.origin.parent_sha256 or "none")[:12],
        **checked,
        "training data": f"{card.origin.data} (sha256 {(card.origin.data_sha256 or 'unknown')[:12]})",
    }


def _text(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)

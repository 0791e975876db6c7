"""The detector that comes with singleshot."""

from __future__ import annotations

from pathlib import Path

from .errors import InputError

_SHIPPED = Path(__file__).parent / "shipped" / "ssd_lite0_animals.onnx"


def shipped_detector() -> Path:
    """Find the shipped detector: cat, cow, dog, horse, sheep, person.

    Raises:
        InputError: this installation has none.
    """
    if not _SHIPPED.is_file():
        raise InputError(
            f"{_SHIPPED}: expected the shipped detector, got no such file. Give a graph with --model FILE."
        )
    return _SHIPPED

"""The detector that comes with singleshot."""

from __future__ import annotations

from pathlib import Path

from .errors import InputError

_FOLDER = Path(__file__).parent / "shipped"
CLIP = Path(__file__).resolve().parent.parent / "demo" / "dog.mp4"
"""The demo's clip, which only a source checkout has."""


def shipped_detector() -> Path:
    """Find the shipped detector of cats, cows, dogs, horses, sheep and people.

    Raises:
        InputError: this installation has none.
    """
    path = _FOLDER / "ssd_mobilenet2_animals.onnx"
    if not path.is_file():
        raise InputError(f"{path}: expected the shipped detector, got no such file. Give a graph with --model FILE.")
    return path

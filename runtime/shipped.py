"""The detectors that come with singleshot."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .errors import InputError

ShippedDetector = Literal["ssd_lite0_animals", "ssd_resnet"]

_FOLDER = Path(__file__).parent / "shipped"
CLIP = Path(__file__).parent.parent / "demo" / "dog.mp4"
"""The demo's clip, which only a source checkout has."""


def shipped_detector(name: ShippedDetector = "ssd_lite0_animals") -> Path:
    """Find a shipped detector.

    Args:
        name: `ssd_lite0_animals` finds cats, cows, dogs, horses, sheep and people; `ssd_resnet`, the paper's, the one
            object of 25 kinds that a small picture shows.

    Raises:
        InputError: this installation has none.
    """
    path = _FOLDER / f"{name}.onnx"
    if not path.is_file():
        raise InputError(f"{path}: expected the shipped detector, got no such file. Give a graph with --model FILE.")
    return path

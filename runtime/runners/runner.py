"""What a backend has to offer so that a session can be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..card import Card
from .contract import Outputs, TensorSpec


class Runner(Protocol):
    """Computes a graph's outputs. It need not know what they mean: `GraphSession` does."""

    @property
    def card(self) -> Card:
        """The artefact's card."""

    @property
    def name(self) -> str:
        """Who computes, for reports: `onnxruntime (CPU)`."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """By name."""

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """By name."""

    def infer(self, frames: NDArray[np.uint8]) -> Outputs:
        """Compute all outputs for [N, H, W, 3] uint8 BGR frames, already checked against the card."""

    def close(self) -> None:
        """Free what is held; called once."""

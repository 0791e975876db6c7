"""A session runs a detector, whatever it is made of."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from .card import Card
from .detections import Detections


class Session(Protocol):
    """What every backend offers; a context manager."""

    @property
    def card(self) -> Card:
        """The artefact's card."""

    @property
    def backend(self) -> str:
        """Who computes, for reports: `onnxruntime (CPU)`."""

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on a batch.

        Args:
            frames: [N, H, W, 3] uint8, BGR, already of the card's input height and width.

        Returns:
            N values, boxes normalised to the network's input.

        Raises:
            InputError: dtype or shape is another.
        """

    def close(self) -> None:
        """Free what the session holds; further runs are an error."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

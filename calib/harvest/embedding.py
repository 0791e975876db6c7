"""What pictures are spread out by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...data.check.duplicates import fingerprint
from ...runtime.card import Card
from ...runtime.files import StrPath
from ...runtime.require import require
from ..int8.collect import network_look
from ..int8.quantized_graph import tensors_to_measure

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Takes a picture [h, w, 3] uint8 BGR, gives [e] float32; pictures that are alike have close ones."""


def embedding_of(path: StrPath, card: Card) -> Embed:
    """Say what a graph makes of a picture, as calibration does; of what hides its inner tensors a thumbnail serves.

    Args:
        path: a graph, or an engine.
        card: its card.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        onnx = require("onnx", extra="export", why="spreading the choice of frames")
        model = onnx.load(path)
        if tensors_to_measure(model):
            look = network_look(model, card, str(path))
            return lambda image: look(image).embedding
    return lambda image: fingerprint(b"", image).thumbnail.astype(np.float32)

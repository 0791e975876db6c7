"""A graph of others, timed as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...runtime.errors import InputError
from ...runtime.runners.onnxruntime_runner import load_graph

_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class BareGraph:
    """A graph without a card, in ONNX Runtime, on generated numbers; sizes that it leaves open are 1.

    Args:
        path: the .onnx file.
        threads: threads that compute a run; none leaves the choice to ONNX Runtime.

    Raises:
        InputError: the file cannot be loaded, or takes something else than numbers of images.
    """

    backend = "onnxruntime, as it is"

    def __init__(self, path: Path, *, threads: int | None) -> None:
        self._session = load_graph(path, threads)
        rng = np.random.default_rng(0)
        self._inputs = {}
        for value in self._session.get_inputs():
            if value.type not in _DTYPES:
                raise InputError(
                    f"{path}: expected an input of float32, float16 or uint8, got {value.name} of {value.type}. "
                    f"Only graphs that take images can be compared."
                )
            shape = [size if isinstance(size, int) else 1 for size in value.shape]
            self._inputs[value.name] = rng.integers(0, 256, shape).astype(_DTYPES[value.type])

    def run(self, _frame: object) -> None:
        """Compute all outputs once."""
        self._session.run(None, self._inputs)

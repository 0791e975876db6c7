"""Runs a graph with OpenCV's own network module: nobody's fastest way, but code that shares nothing with the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.runners.contract import Outputs
from ...runtime.runners.onnxruntime_runner import graph_facts

LEAST_MAJOR = 5
"""OpenCV 4 lacks operators of the tails."""


class OpenCvRunner:
    """A graph with a card, run by OpenCV on the CPU; of a detector one with the `cluster` tail.

    Args:
        path: the .onnx file.
        source: what it is called in errors; none: by its path.

    Raises:
        InputError: the file is missing, is no graph, has no card, or OpenCV cannot run it.
    """

    def __init__(self, path: Path, *, source: Path | None = None) -> None:
        self._source = source or path
        facts = graph_facts(path)
        self.card, self.inputs, self.outputs = facts.card, facts.inputs, facts.outputs
        if int(cv2.__version__.split(".", maxsplit=1)[0]) < LEAST_MAJOR:
            raise InputError(
                f"{self._source}: expected OpenCV {LEAST_MAJOR} or later to run a graph, got {cv2.__version__}. "
                f"pip install 'opencv-python>={LEAST_MAJOR}' brings it."
            )
        with _told_in_one_line(self._source):
            self._network = cv2.dnn.readNetFromONNX(str(path))
        self.name = f"opencv {cv2.__version__} (CPU)"

    def infer(self, frames: NDArray[np.uint8]) -> Outputs:
        """Compute all outputs; see `Runner.infer`."""
        with _told_in_one_line(self._source):
            self._network.setInput(frames, next(iter(self.inputs)))
            results = self._network.forward(list(self.outputs))
        return {
            name: np.array(result, spec.dtype)
            for (name, spec), result in zip(self.outputs.items(), results, strict=True)
        }

    def close(self) -> None:
        """Free the graph."""
        del self._network


@contextlib.contextmanager
def _told_in_one_line(source: Path) -> Iterator[None]:
    """Turn OpenCV's errors into one line, and keep its own lines off stderr."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    except cv2.error as error:
        reason = " ".join(str(error.err or error).split())
        raise InputError(
            f"{source}: expected a graph that OpenCV can run, got: {reason}. Run it with onnxruntime."
        ) from error
    finally:
        cv2.utils.logging.setLogLevel(level)

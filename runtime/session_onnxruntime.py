"""Runs a graph with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from .card import CARD_KEY, Card, card_from_json
from .contract import EXPORT_AGAIN, FRAMES
from .errors import InputError
from .runner import Outputs, TensorSpec

_PROVIDERS = {"CUDAExecutionProvider": "CUDA", "CPUExecutionProvider": "CPU"}
"""In order of preference, with the word for reports."""

_SILENT = 4
"""ONNX Runtime's severity "fatal": its own lines would litter stderr beside our one line."""

_CANNOT_LOAD = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class OnnxRuntimeRunner:
    """A graph with a card, run by ONNX Runtime on CUDA where that works, on the CPU elsewhere.

    Args:
        path: the .onnx file.
        threads: threads that compute one frame; none leaves the choice to ONNX Runtime.

    Raises:
        InputError: the file is missing, is no graph, or has no card.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads: expected at least 1, got {threads}.")
        self._session = _load(path, threads)
        self.card: Card = _card_of(self._session, path)
        self.inputs = _specs(self._session.get_inputs())
        self.outputs = _specs(self._session.get_outputs())
        self.name = f"onnxruntime ({_PROVIDERS[self._session.get_providers()[0]]})"

    def infer(self, frames: NDArray[np.uint8]) -> Outputs:
        """Compute all outputs; see `Runner.infer`."""
        return dict(zip(self.outputs, self._session.run(list(self.outputs), {FRAMES: frames}), strict=True))

    def close(self) -> None:
        """Free the graph."""
        del self._session


def _load(path: Path, threads: int | None) -> ort.InferenceSession:
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise InputError(f"{path}: expected an ONNX graph, got no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: expected an ONNX graph, got {error.strerror}.") from error
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    if threads is not None:
        options.intra_op_num_threads = threads
    available = ort.get_available_providers()
    try:
        return ort.InferenceSession(str(path), options, providers=[name for name in _PROVIDERS if name in available])
    except _CANNOT_LOAD as error:
        reason = str(error).split(" : ", 3)[-1].replace("\n", " ").strip()
        raise InputError(
            f"{path}: expected an ONNX graph, got a file that ONNX Runtime cannot load ({reason}). {EXPORT_AGAIN}"
        ) from error


def _card_of(session: ort.InferenceSession, path: Path) -> Card:
    metadata = session.get_modelmeta().custom_metadata_map
    if CARD_KEY not in metadata:
        raise InputError(f"{path}: expected a graph with a card, got none under {CARD_KEY!r}. {EXPORT_AGAIN}")
    return card_from_json(metadata[CARD_KEY], source=str(path))


def _specs(values: list[ort.NodeArg]) -> dict[str, TensorSpec]:
    return {
        value.name: TensorSpec(
            dtype={"tensor(float)": "float32"}.get(value.type, value.type[len("tensor(") : -1]),
            shape=tuple(size if isinstance(size, int) else None for size in value.shape),
        )
        for value in values
    }

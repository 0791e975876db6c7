"""A session runs a detector, whatever it is made of."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from .card import Card, InputSpec
from .detections import Detections
from .errors import InputError


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


def open_session(path: Path, *, threads: int | None = None) -> Session:
    """Open a detector for running; the backend follows from the file's suffix.

    Args:
        path: a graph (.onnx).
        threads: threads that compute one frame; none leaves the choice to the backend.

    Raises:
        InputError: the file is missing, is of another kind, or does not follow the graph contract.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from .session_onnxruntime import OnnxRuntimeSession

        return OnnxRuntimeSession(path, threads=threads)
    if suffix == ".ckpt":
        raise InputError(
            f"{path}: expected a graph (.onnx), got a checkpoint. "
            f"`singleshot export {path} -o {path.with_suffix('.onnx').name}` makes the graph; "
            f"`singleshot evaluate` runs checkpoints as they are."
        )
    if suffix == ".engine":
        raise InputError(
            f"{path}: expected a graph (.onnx), got an engine, and running engines is not supported. "
            f"The graph that it was built from runs here."
        )
    raise InputError(f"{path}: expected a graph (.onnx), got the suffix {suffix or 'none'!r}.")


def check_frames(frames: NDArray[np.uint8], spec: InputSpec, *, batch: int | None = None) -> None:
    """Refuse frames that are not what the card says.

    Args:
        frames: what a session was given.
        spec: the card's input.
        batch: N where it is fixed.

    Raises:
        InputError: dtype or shape is another than [N, H, W, 3] uint8 of the card's height and width, or N is 0.
    """
    fits = (
        frames.ndim == 4 and frames.shape[1:] == (spec.height, spec.width, 3) and len(frames) == (batch or len(frames))
    )
    if frames.dtype != np.uint8 or not fits or not len(frames):
        raise InputError(
            f"frames: expected uint8 [{batch or 'N'}, {spec.height}, {spec.width}, 3], "
            f"got {frames.dtype} {list(frames.shape)}. `singleshot.detect` fits a frame of any size."
        )

"""A session runs a detector or a classifier, whatever it is made of."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from .card import Card, InputSpec, Task
from .classifications import Classification
from .contract import FRAMES, check_contract, classifications_from_outputs, detections_from_outputs
from .detections import Detections
from .errors import InputError
from .runner import Outputs, Runner


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
            InputError: dtype or shape is another, or this is no detector.
        """

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        """Name the likeliest classes of each frame of a batch.

        Args:
            frames: as `run` takes them.

        Returns:
            N values.

        Raises:
            InputError: dtype or shape is another, or this is no classifier.
        """

    def close(self) -> None:
        """Free what the session holds; further runs are an error."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class GraphSession:
    """A session over any backend: holds the artefact and its values to the graph contract.

    Args:
        path: the artefact, for errors.
        runner: computes its outputs; closed with the session.

    Raises:
        InputError: the artefact does not follow the contract.
    """

    def __init__(self, path: Path, runner: Runner) -> None:
        self._path = path
        self._runner: Runner | None = runner
        self._card = runner.card
        self._backend = runner.name
        check_contract(runner.card, runner.inputs, runner.outputs, source=str(path))
        self._fixed_batch = runner.inputs[FRAMES].shape[0]

    @property
    def card(self) -> Card:
        """The artefact's card."""
        return self._card

    @property
    def backend(self) -> str:
        """For example `onnxruntime (CPU)`."""
        return self._backend

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on a batch; see `Session.run`."""
        check_task(self._card, "detector", source=str(self._path))
        return detections_from_outputs(self._card, self._infer(frames), source=str(self._path))

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        """Classify a batch; see `Session.classify`."""
        check_task(self._card, "classifier", source=str(self._path))
        return classifications_from_outputs(self._card, self._infer(frames), source=str(self._path))

    def close(self) -> None:
        """Free the artefact; further runs are an error."""
        if self._runner is not None:
            self._runner.close()
        self._runner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _infer(self, frames: NDArray[np.uint8]) -> Outputs:
        if self._runner is None:
            raise RuntimeError(f"{self._path}: the session is closed")
        check_frames(frames, self._card.input, batch=self._fixed_batch)
        return self._runner.infer(frames)


def open_session(path: Path, *, threads: int | None = None) -> Session:
    """Open a detector or classifier for running; the backend follows from the file's suffix.

    Args:
        path: a graph (.onnx).
        threads: threads that compute one frame; none leaves the choice to the backend.

    Raises:
        InputError: the file is missing, is of another kind, or does not follow the graph contract.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from .session_onnxruntime import OnnxRuntimeRunner

        return GraphSession(path, OnnxRuntimeRunner(path, threads=threads))
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


def check_task(card: Card, task: Task, *, source: str) -> None:
    """Refuse an artefact of another task.

    Raises:
        InputError: the card says that it is another.
    """
    if card.task != task:
        raise InputError(f"{source}: expected a {task}, got a {card.task}. Give one that was trained as a {task}.")


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
            f"got {frames.dtype} {list(frames.shape)}. "
            f"`singleshot.detect` and `singleshot.classify` fit a frame of any size."
        )

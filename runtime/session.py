"""A session runs a detector or a classifier, whatever it is made of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .backends import BackendChoice, choose_backend
from .card import Card
from .closing import Closing
from .detection.classifications import Classification
from .detection.detections import Detections
from .detection.letterbox import detections_to_frame, fit_frame
from .detection.tiles import Tiles
from .errors import InputError
from .files import StrPath
from .machine import usable_cores
from .runners.contract import (
    FRAMES,
    Outputs,
    check_contract,
    check_frames,
    check_task,
    classifications_from_outputs,
    detections_from_outputs,
)
from .runners.runner import Runner

if TYPE_CHECKING:
    from .engines.tensorrt_runner import TensorRtRunner

_GPU_BATCH = 8
"""Frames given to a GPU at once where the graph takes any number of them and so many wait."""


_GPU_STREAMS = 2
"""While a GPU computes a frame, another thread makes the next one ready."""


class Session(Closing, Protocol):
    """What every backend offers; a context manager."""

    @property
    def card(self) -> Card:
        """The artefact's card."""

    @property
    def backend(self) -> str:
        """Who computes, for reports: `onnxruntime (CPU)`."""

    @property
    def streams(self) -> int:
        """How many threads may run it at the same time."""

    @property
    def batch(self) -> int:
        """How many frames are worth giving at once where so many are there; the most where the artefact fixes it."""

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on a batch.

        Args:
            frames: [N, H, W, 3] uint8, BGR, already of the card's input height and width. Where the artefact fixes N,
                fewer are filled up.

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


@dataclass(frozen=True, kw_only=True)
class _Cores:
    """How a session spends them; see `open_session`."""

    threads: int | None
    streams: int
    spins: bool


class GraphSession(Closing):
    """A session over any backend: holds the artefact and its values to the graph contract.

    Args:
        path: the artefact, for errors.
        runner: computes its outputs; closed with the session.
        streams: threads that may run it at the same time.
        batch: frames that are worth giving at once, where the artefact does not fix their number.

    Raises:
        InputError: the artefact does not follow the contract.
    """

    def __init__(self, path: Path, runner: Runner, *, streams: int = 1, batch: int | None = None) -> None:
        self._path = path
        self.streams = streams if runner.name.endswith("(CPU)") else min(streams, _GPU_STREAMS)
        self._runner: Runner | None = runner
        self._card = runner.card
        self._backend = runner.name
        check_contract(runner.card, runner.inputs, runner.outputs, source=str(path))
        self._fixed_batch = runner.inputs[FRAMES].shape[0]
        # A processor computes several frames at once no faster than one after the other: 15.3 and 15.4 ms each.
        self.batch = self._fixed_batch or batch or (1 if runner.name.endswith("(CPU)") else _GPU_BATCH)

    @property
    def card(self) -> Card:
        """The artefact's card."""
        return self._card

    @property
    def backend(self) -> str:
        """For example `onnxruntime (CPU)`."""
        return self._backend if self._runner is None else self._runner.name

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

    def _infer(self, frames: NDArray[np.uint8]) -> Outputs:
        if self._runner is None:
            raise RuntimeError(f"{self._path}: the session is closed")
        missing = (self._fixed_batch or 0) - len(frames)
        if missing <= 0 or not len(frames):
            check_frames(frames, self._card.input, batch=self._fixed_batch)
            return self._runner.infer(frames)
        check_frames(frames, self._card.input)
        outputs = self._runner.infer(np.concatenate([frames, np.repeat(frames[-1:], missing, axis=0)]))
        return {name: output[: len(frames)] for name, output in outputs.items()}


def open_session(
    path: StrPath,
    *,
    backend: BackendChoice | None = None,
    precision: str = "auto",
    threads: int | None = None,
    streams: int = 1,
    spins: bool = True,
    tell: Callable[[str], None] | None = None,
    trust: bool = False,
    proves: bool = True,
) -> Session:
    """Open a detector or classifier for running.

    Args:
        path: a graph (.onnx), or an engine (.engine) with its card beside it, which TensorRT runs.
        backend: who runs a graph; none is ONNX Runtime, which computes it as it is written, on CUDA where that works.
            `onnxruntime:cuda`, `onnxruntime:tensorrt` and the providers that are packages of their own,
            `onnxruntime:openvino` and `onnxruntime:rtx`, have to work. `auto` follows the rule of
            `runtime/backends.py`.
        precision: of floating-point arithmetic, fp32 or bf16; `auto` takes none whose parity with FP32 is not in the
            card.
        threads: threads that compute one frame; none leaves the choice to the backend, within the cores that this
            process may use.
        streams: frames computed at the same time, each by one thread, for as many threads as call; with more than one
            `threads` is none.
        spins: ONNX Runtime's threads wait busily for their part of the next frame. Without, a frame takes 1 ms longer
            and, 30 times a second, the processor half: for a camera that runs all day.
        tell: is given the line that says which backend runs and why.
        trust: run an engine although this user did not build it: such a file can run code.
        proves: hold OpenVINO's int8 and bf16 against ONNX Runtime on a few generated frames, once per graph and kind of
            processor, where the card does not vouch for it, and keep what OpenVINO compiled for the next start; not
            where the caller measures a graph that may be gone tomorrow.

    Raises:
        CheckError: OpenVINO does not compute the graph here as it is written.
        InputError: the file is missing, is of another kind, does not follow the graph contract, or cannot be run so.
        MissingDependencyError: the backend that was named is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if trust and suffix != ".engine":
        raise InputError(f"trust: expected with an engine alone, whose file can run code, got {path.name}.")
    if suffix == ".onnx":
        cores = _Cores(threads=threads, streams=streams, spins=spins)
        runner = _open_runner(path, backend or "onnxruntime", precision, cores, tell, proves)
        return GraphSession(path, runner, streams=streams)
    if suffix == ".ckpt":
        raise InputError(
            f"{path}: expected a graph (.onnx), got a checkpoint. "
            f"`singleshot export {path} -o {path.with_suffix('.onnx').name}` makes the graph; "
            f"`singleshot evaluate` runs checkpoints as they are."
        )
    if suffix == ".engine":
        engine = _open_engine(path, (backend, precision, threads), trust, tell)
        return GraphSession(path, engine, streams=streams, batch=min(_GPU_BATCH, engine.most))
    raise InputError(f"{path}: expected a graph (.onnx) or an engine (.engine), got the suffix {suffix or 'none'!r}.")


def _open_runner(
    path: Path,
    backend: BackendChoice,
    precision: str,
    cores: _Cores,
    tell: Callable[[str], None] | None,
    proves: bool,
) -> Runner:
    from .runners.onnxruntime_runner import OnnxRuntimeRunner, graph_facts

    threads = cores.threads
    if cores.streams > 1:
        threads = 1
    elif threads is None and usable_cores() < (os.cpu_count() or 1):
        threads = usable_cores()  # left to themselves, they count the machine's
    choice = choose_backend(graph_facts(path).card, backend, precision)
    if tell is not None:
        tell(choice.line)
    if choice.backend == "openvino":
        from .runners.openvino_runner import OpenVinoRunner
        from .spot_proof import check_on_the_spot

        runner = OpenVinoRunner(
            path, precision=choice.precision, threads=threads, streams=cores.streams, keeps_compiled=proves
        )
        if proves:
            check_on_the_spot(path, runner, tell)
        return runner
    return OnnxRuntimeRunner(path, threads=threads, provider=choice.provider, spins=cores.spins)


def _open_engine(
    path: Path,
    choices: tuple[BackendChoice | None, str, int | None],
    trust: bool,
    tell: Callable[[str], None] | None,
) -> TensorRtRunner:
    from .engines.tensorrt_runner import TensorRtRunner

    for option, choice in zip(("backend", "precision", "threads"), choices, strict=True):
        if choice not in ("auto", None):
            raise InputError(f"{option}: expected none with an engine, which TensorRT runs as built, got {choice}.")
    runner = TensorRtRunner(path, trust=trust)
    if tell is not None:
        tell(f"backend: {runner.name}")
    return runner


def classify(session: Session, frame: NDArray[np.uint8]) -> Classification:
    """Name the likeliest classes of one frame.

    Args:
        session: an open session of a classifier.
        frame: [h, w, 3] uint8, BGR, any size.

    Raises:
        InputError: the frame has another type or shape, or the session is no classifier's.
    """
    return session.classify(fit_frame(frame, session.card.input)[np.newaxis])[0]


def detect(session: Session, frame: NDArray[np.uint8], *, tiles: Tiles | None = None) -> Detections:
    """Find objects in one frame.

    Args:
        session: an open session.
        frame: [h, w, 3] uint8, BGR, any size.
        tiles: look at its parts too.

    Returns:
        Detections down to the card's score floor, boxes normalised to the frame.

    Raises:
        InputError: the frame has another type or shape.
    """
    height, width = frame.shape[:2]
    if tiles is not None:
        found = run_in_batches(session, tiles.fit(frame, session.card.input))
        return tiles.merge(found, session.card, height=height, width=width)
    fitted = fit_frame(frame, session.card.input)
    return detections_to_frame(session.run(fitted[np.newaxis])[0], session.card.input, height=height, width=width)


def run_in_batches(session: Session, frames: NDArray[np.uint8]) -> list[Detections]:
    """Detect on any number of frames, by as many at once as are worth it.

    Args:
        session: an open session.
        frames: [n, H, W, 3] uint8, as `Session.run` takes them.
    """
    starts = range(0, len(frames), session.batch)
    return [found for start in starts for found in session.run(frames[start : start + session.batch])]

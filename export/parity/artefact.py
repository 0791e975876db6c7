"""An artefact opened for comparison: its answers, and the raw heads that they came from where these are at hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from ...runtime.card import Card
from ...runtime.closing import Closing
from ...runtime.detection.classifications import Classification
from ...runtime.detection.detections import Detections
from ...runtime.detection.postprocess import detections_from_heads
from ...runtime.errors import InputError
from ...runtime.files import StrPath, sha256_of_file
from ...runtime.precision import Precision
from ...runtime.require import require
from ...runtime.runners.contract import CLASS_LOGITS, HEADS, TensorSpec, contract_inputs, contract_outputs
from ...runtime.session import Session, open_session
from ..inspection.inspect_artefact import inspect_artefact
from .raw_heads import HeadsOfFrame, RunsHeads, TorchHeads, open_graph_heads
from .runners import RunnerName, as_written, open_graph, split_runner

if TYPE_CHECKING:
    from ...train.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Artefact(Closing):
    """A detector or classifier that runs, with what its file says of it; a context manager.

    Args:
        path: the file.
        kind: which of the states of a detector it is.
        precision: of the arithmetic, by the file and by who runs it.
        tensors: inputs and outputs by name, as dtype and shape without the batch; none of a checkpoint.
        card: as it is run: a checkpoint's post-processing may be that of what it is compared with.
        session: runs it.
        heads: gives the raw heads; None where the file does not name them.
        model: reads the graph, or traces the network of a checkpoint; None of an engine.
    """

    path: Path
    kind: Literal["checkpoint", "graph", "engine"]
    precision: Precision
    tensors: dict[str, str]
    card: Card
    session: Session
    heads: RunsHeads | None
    model: Callable[[], onnx.ModelProto] | None = None

    @property
    def is_checkpoint(self) -> bool:
        """Whether post-processing is not part of the file."""
        return self.kind == "checkpoint"

    @property
    def summary(self) -> str:
        """One line: file, backend, precision."""
        return f"{self.path} ({self.kind}, {self.session.backend}, {self.precision})"

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "backend": self.session.backend,
            "precision": self.precision,
            "sha256": sha256_of_file(self.path),
        }

    def with_tail_of(self, other: Artefact) -> Artefact:
        """Give a checkpoint the post-processing of a graph; a graph keeps its own."""
        if not self.is_checkpoint or other.is_checkpoint:
            return self
        return replace(self, card=self.card.model_copy(update={"postprocess": other.card.postprocess}))

    def detect(self, frame: NDArray[np.uint8]) -> tuple[Detections, HeadsOfFrame | None]:
        """Detect on one frame, [1, H, W, 3] uint8 BGR, already of the input's size; the raw heads where at hand."""
        heads = None if self.heads is None else self.heads(frame)
        if not self.is_checkpoint or heads is None or heads.default_cxcywh is None:
            return self.session.run(frame)[0], heads
        found = detections_from_heads(
            heads.class_logits[None], heads.box_offsets[None], heads.default_cxcywh, self.card.postprocess
        )
        return found[0], heads

    def answer(self, frame: NDArray[np.uint8]) -> tuple[Any, HeadsOfFrame | None]:
        """Detect or classify, by the card's task; `Any` because each gives its own type."""
        return self.classify(frame) if self.card.task == "classifier" else self.detect(frame)

    def classify(self, frame: NDArray[np.uint8]) -> tuple[Classification, HeadsOfFrame | None]:
        """Classify one frame, [1, H, W, 3] uint8 BGR, already of the input's size; the logits where at hand."""
        return self.session.classify(frame)[0], None if self.heads is None else self.heads(frame)

    def close(self) -> None:
        """Free the session and what computes the heads."""
        self.session.close()
        if self.heads is not None:
            self.heads.close()


def open_artefact(spec: StrPath, *, trust: bool = False) -> Artefact:
    """Open a checkpoint in PyTorch, an engine in TensorRT, or a graph in ONNX Runtime or where the `@` says.

    Args:
        spec: `PATH` or `PATH@RUNNER`, as in `animals.onnx@openvino:bf16`; see `RunnerName`.
        trust: run an engine although this user did not build it.

    Raises:
        InputError: the file is missing or broken, or cannot be run here.
        MissingDependencyError: what runs it is not installed.
    """
    path, runner = split_runner(os.fspath(spec))
    suffix = path.suffix.lower()
    if suffix not in (".ckpt", ".engine"):
        return open_graph_artefact(path, runner or "onnxruntime")
    if runner is not None:
        runs = "PyTorch" if suffix == ".ckpt" else "TensorRT"
        raise InputError(f"{spec}: expected nothing behind the @ of what {runs} runs, got {runner}. Leave it out.")
    if suffix == ".engine":
        return _open_engine(path, trust=trust)
    require("torch", extra="train", why="running a checkpoint")
    from ...train.checkpoints.checkpoint import load_checkpoint

    return checkpoint_artefact(load_checkpoint(path), path)


def open_graph_artefact(path: Path, runner: RunnerName) -> Artefact:
    """Open a graph.

    Raises:
        InputError: the file is missing or broken, or the runner cannot run it.
        MissingDependencyError: the runner is not installed.
    """
    inspection = inspect_artefact(path)
    with as_written(path, runner) as (file, keeps_casts):
        session = open_graph(file, runner, keeps_casts=keeps_casts)
        heads = open_graph_heads(file, session.card, runner, keeps_casts=keeps_casts)
    is_bf16 = runner == "openvino:bf16" and inspection.precision != Precision.INT8
    values = (*inspection.inputs, *inspection.outputs)
    return Artefact(
        path=path,
        kind="graph",
        precision=Precision.BF16 if is_bf16 else inspection.precision,
        tensors={value.name: _tensor_text(value.dtype, value.shape) for value in values},
        card=session.card,
        session=session,
        heads=heads,
        model=partial(onnx.load, str(path)),
    )


def _open_engine(path: Path, *, trust: bool) -> Artefact:
    """Open an engine; its tensors are those that the session held it to."""
    session = open_session(path, trust=trust)
    card = session.card
    if card.engine is None:
        raise RuntimeError(f"{path}: a session over an engine whose card is of a {card.kind}")
    tensors: dict[str, TensorSpec] = {**contract_inputs(card), **contract_outputs(card)}
    return Artefact(
        path=path,
        kind="engine",
        precision=card.engine.precision,
        tensors={name: _tensor_text(spec.dtype, spec.shape) for name, spec in tensors.items()},
        card=card,
        session=session,
        heads=None,
    )


def checkpoint_artefact(checkpoint: Checkpoint, path: Path) -> Artefact:
    """Take a loaded checkpoint; `path` is where it came from."""
    from ...train.checkpoints.torch_session import TorchClassifierSession, TorchSession
    from ..graphs.network_graph import network_graph

    is_classifier = checkpoint.card.task == "classifier"
    heads = (CLASS_LOGITS,) if is_classifier else HEADS
    session = (TorchClassifierSession if is_classifier else TorchSession)(checkpoint.network, checkpoint.card)
    return Artefact(
        path=path,
        kind="checkpoint",
        precision=Precision.FP32,
        tensors={},
        card=checkpoint.card,
        session=session,
        heads=TorchHeads(session, None if is_classifier else checkpoint.detector.default_cxcywh.numpy()),
        model=partial(network_graph, checkpoint.network, checkpoint.card.input, heads=heads),
    )


def _tensor_text(dtype: str, shape: tuple[int | str | None, ...]) -> str:
    return f"{dtype} [N, {', '.join(map(str, shape[1:]))}]"

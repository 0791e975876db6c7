"""An artefact opened for comparison: its answers, and the raw heads that they came from where these are at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from typing_extensions import Self

from ..runtime.boxes import decode_boxes
from ..runtime.card import Card
from ..runtime.detections import Detections
from ..runtime.postprocess import detections_from_heads, scores_from_logits
from ..runtime.require import require
from ..runtime.session import Session, open_session
from .inspection import Inspection, Precision, inspect_artefact, load_graph
from .tail import HEADS

Array = NDArray[np.float32]

_DEFAULT_BOXES = ("tail/default_centres", "tail/default_sizes")
"""What a tail calls the two halves of its default boxes."""


@dataclass(frozen=True, kw_only=True)
class HeadsOfFrame:
    """What a network emits for one frame.

    Args:
        class_logits: [D, C] float32.
        box_offsets: [D, 4] float32.
        default_cxcywh: [D, 4] float32, normalised; None where the artefact does not say.
    """

    class_logits: Array
    box_offsets: Array
    default_cxcywh: Array | None

    def difference(self, other: HeadsOfFrame) -> float:
        """Return the largest absolute difference; infinite where the shapes differ."""
        pairs = ((self.class_logits, other.class_logits), (self.box_offsets, other.box_offsets))
        if any(left.shape != right.shape for left, right in pairs):
            return float("inf")
        return max(float(np.abs(left - right).max()) for left, right in pairs)

    def candidates(self, variances: tuple[float, float]) -> tuple[Array, Array] | None:
        """Return scores [D, C - 1] and clipped boxes [D, 4] before suppression, if the default boxes are known."""
        if self.default_cxcywh is None:
            return None
        boxes = np.clip(decode_boxes(self.box_offsets, self.default_cxcywh, variances), 0, 1)
        return scores_from_logits(self.class_logits), boxes


class RunsHeads(Protocol):
    """Computes the raw heads of one frame, [1, H, W, 3] uint8 BGR."""

    def __call__(self, frame: NDArray[np.uint8]) -> HeadsOfFrame: ...


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A detector that runs, with what its file says of it; a context manager.

    Args:
        inspection: what its file holds.
        card: as it is run: a checkpoint's post-processing may be that of what it is compared with.
        session: runs it.
        heads: gives the raw heads; None where the file does not name them.
    """

    inspection: Inspection
    card: Card
    session: Session
    heads: RunsHeads | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.inspection.path

    @property
    def precision(self) -> Precision:
        """Of the network's arithmetic."""
        return self.inspection.precision

    @property
    def is_checkpoint(self) -> bool:
        """Whether post-processing is not part of the file."""
        return self.inspection.kind == "checkpoint"

    @property
    def tensors(self) -> dict[str, str]:
        """Inputs and outputs of a graph by name, as dtype and shape without the batch; none of a checkpoint."""
        if self.is_checkpoint:
            return {}
        values = (*self.inspection.inputs, *self.inspection.outputs)
        return {value.name: f"{value.dtype} [N, {', '.join(map(str, value.shape[1:]))}]" for value in values}

    @property
    def summary(self) -> str:
        """One line: file, backend, precision."""
        return f"{self.path} ({self.inspection.kind}, {self.session.backend}, {self.precision})"

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "path": str(self.path),
            "kind": self.inspection.kind,
            "backend": self.session.backend,
            "precision": self.precision,
            "sha256": self.inspection.sha256,
        }

    def with_tail_of(self, other: Artefact) -> Artefact:
        """Give a checkpoint the post-processing of a graph; a graph keeps its own."""
        if not self.is_checkpoint or other.is_checkpoint:
            return self
        return replace(self, card=self.card.model_copy(update={"postprocess": other.card.postprocess}))

    def answer(self, frame: NDArray[np.uint8]) -> tuple[Detections, HeadsOfFrame | None]:
        """Detect on one frame, [1, H, W, 3] uint8 BGR, already of the input's size."""
        heads = None if self.heads is None else self.heads(frame)
        if not self.is_checkpoint or heads is None or heads.default_cxcywh is None:
            return self.session.run(frame)[0], heads
        found = detections_from_heads(
            heads.class_logits[None], heads.box_offsets[None], heads.default_cxcywh, self.card.postprocess
        )
        return found[0], heads

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()


def open_artefact(path: Path) -> Artefact:
    """Open a checkpoint in PyTorch or a graph in ONNX Runtime.

    Raises:
        InputError: the file is missing or broken, or cannot be run here.
        MissingDependencyError: it is a checkpoint and PyTorch is not installed.
    """
    if path.suffix.lower() == ".ckpt":
        require("torch", extra="train", why="running a checkpoint")
        return _open_checkpoint(path)
    session = open_session(path)
    return Artefact(
        inspection=inspect_artefact(path),
        card=session.card,
        session=session,
        heads=_graph_heads(load_graph(path), path),
    )


def _open_checkpoint(path: Path) -> Artefact:
    from ..train.checkpoint import load_checkpoint
    from ..train.session_torch import TorchSession

    checkpoint = load_checkpoint(path)
    session = TorchSession(checkpoint.network, checkpoint.card)
    default_cxcywh = checkpoint.network.default_cxcywh.numpy()

    def heads(frame: NDArray[np.uint8]) -> HeadsOfFrame:
        emitted = session.heads(frame)
        return HeadsOfFrame(
            class_logits=emitted.class_logits[0].float().numpy(),
            box_offsets=emitted.box_offsets[0].float().numpy(),
            default_cxcywh=default_cxcywh,
        )

    return Artefact(inspection=inspect_artefact(path), card=checkpoint.card, session=session, heads=heads)


def _graph_heads(model: onnx.ModelProto, path: Path) -> RunsHeads | None:
    """Open a second session that ends in the raw heads, if the graph names them and fits one file."""
    made = {name for node in model.graph.node for name in node.output}
    if not made.issuperset(HEADS):
        return None
    model = onnx.load(str(path))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in HEADS)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; ONNX Runtime remarks on unused initializers
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    halves = [
        numpy_helper.to_array(item) for name in _DEFAULT_BOXES for item in model.graph.initializer if item.name == name
    ]
    default_cxcywh = np.concatenate(halves, axis=1).astype(np.float32) if len(halves) == len(_DEFAULT_BOXES) else None

    def heads(frame: NDArray[np.uint8]) -> HeadsOfFrame:
        logits, offsets = session.run(HEADS, {model.graph.input[0].name: frame})
        return HeadsOfFrame(
            class_logits=logits[0].astype(np.float32),
            box_offsets=offsets[0].astype(np.float32),
            default_cxcywh=default_cxcywh,
        )

    return heads

"""What a network emits before post-processing, whoever computes it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...runtime.card import Card
from ...runtime.detection.boxes import decode_boxes
from ...runtime.detection.postprocess import scores_from_logits
from ...runtime.runners.contract import BOX_OFFSETS, CLASS_LOGITS, HEADS
from ...runtime.runners.runner import Runner
from ..graphs.network_part import ADAPTED, answers_of
from .runners import RunnerName, open_runner

if TYPE_CHECKING:
    from ...train.checkpoints.torch_session import TorchClassifierSession, TorchSession

_DEFAULT_BOXES = ("tail/default_centres", "tail/default_sizes")
"""What a tail calls the two halves of its default boxes."""

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class HeadsOfFrame:
    """What a network emits for one frame.

    Args:
        class_logits: [D, C] float32; of a classifier [1, C]; of an adapted detector its scores, without a background.
        box_offsets: [D, 4] float32; of a classifier [0, 4]; of an adapted detector its boxes, xyxy, normalised.
        default_cxcywh: [D, 4] float32, normalised; None where the artefact does not say.
        names: of the tensors.
    """

    class_logits: Array
    box_offsets: Array
    default_cxcywh: Array | None
    names: tuple[str, ...] = HEADS

    @property
    def values(self) -> tuple[Array, ...]:
        """What `names` names."""
        return (self.class_logits, self.box_offsets)[: len(self.names)]

    def difference(self, other: HeadsOfFrame) -> float:
        """Return the largest absolute difference; infinite where the shapes differ."""
        pairs = ((self.class_logits, other.class_logits), (self.box_offsets, other.box_offsets))
        if any(left.shape != right.shape for left, right in pairs):
            return float("inf")
        # numpy's maximum keeps a NaN, which Python's would drop.
        return float(np.max([np.abs(left - right).max(initial=0) for left, right in pairs]))

    def candidates(self, variances: tuple[float, float]) -> tuple[Array, Array] | None:
        """Return scores [D, C - 1] and clipped boxes [D, 4] before suppression, if the default boxes are known."""
        if self.names == ADAPTED:
            return self.class_logits, np.clip(self.box_offsets, 0, 1)
        if self.default_cxcywh is None:
            return None
        boxes = np.clip(decode_boxes(self.box_offsets, self.default_cxcywh, variances), 0, 1)
        return scores_from_logits(self.class_logits), boxes


class RunsHeads(Protocol):
    """Computes raw heads."""

    def __call__(self, frame: NDArray[np.uint8]) -> HeadsOfFrame:
        """Compute those of one frame, [1, H, W, 3] uint8 BGR, already of the input's size."""

    def close(self) -> None:
        """Free what is held."""


class GraphHeads:
    """The raw heads of a graph, from a second copy of it that ends in them as well.

    Args:
        runner: computes them.
        names: of its answers, as `answers_of` gives them.
        default_cxcywh: [D, 4] float32; None where the graph does not name them.
    """

    def __init__(self, runner: Runner, names: tuple[str, ...], default_cxcywh: Array | None) -> None:
        self._runner, self._names = runner, names
        self._default_cxcywh = default_cxcywh

    def __call__(self, frame: NDArray[np.uint8]) -> HeadsOfFrame:
        """Compute the heads of one frame; see `RunsHeads`."""
        outputs = self._runner.infer(frame)
        logits, *offsets = (outputs[name] for name in self._names)
        return HeadsOfFrame(
            class_logits=logits[0].reshape(-1, logits.shape[-1]).astype(np.float32),
            box_offsets=(offsets[0] if offsets else np.zeros((1, 0, 4)))[0].astype(np.float32),
            default_cxcywh=self._default_cxcywh,
            names=self._names,
        )

    def close(self) -> None:
        """Free the copy."""
        self._runner.close()


class TorchHeads:
    """The raw heads of a checkpoint.

    Args:
        session: runs it.
        default_cxcywh: [D, 4] float32; None of a classifier.
    """

    def __init__(self, session: TorchSession | TorchClassifierSession, default_cxcywh: Array | None) -> None:
        self._session = session
        self._default_cxcywh = default_cxcywh

    def __call__(self, frame: NDArray[np.uint8]) -> HeadsOfFrame:
        """Compute the heads of one frame; see `RunsHeads`."""
        from ...train.checkpoints.torch_session import TorchSession

        if not isinstance(self._session, TorchSession):
            logits = self._session.logits(frame)
            nothing = np.zeros((0, 4), np.float32)
            return HeadsOfFrame(class_logits=logits, box_offsets=nothing, default_cxcywh=None, names=(CLASS_LOGITS,))
        emitted = self._session.heads(frame)
        return HeadsOfFrame(
            class_logits=emitted.class_logits[0].float().numpy(),
            box_offsets=emitted.box_offsets[0].float().numpy(),
            default_cxcywh=self._default_cxcywh,
        )

    def close(self) -> None:
        """Nothing to free."""


def open_graph_heads(path: Path, card: Card, name: RunnerName, *, keeps_casts: bool = False) -> GraphHeads | None:
    """Open a graph a second time so that its raw heads come out; None if it does not name them.

    Raises:
        InputError: the runner cannot run it so.
    """
    model = onnx.load(str(path))
    names = answers_of(model)
    if not names:
        return None
    model.graph.output.extend(_head(name, card) for name in names)
    with tempfile.TemporaryDirectory() as folder:
        with_heads = Path(folder) / path.name
        onnx.save(model, str(with_heads))
        return GraphHeads(open_runner(with_heads, name, keeps_casts=keeps_casts), names, default_boxes_of(model))


def default_boxes_of(model: onnx.ModelProto) -> Array | None:
    """Read the default boxes out of a graph's tail: [D, 4] float32; None where it names none."""
    constants = {item.name: item for item in model.graph.initializer}
    halves = [numpy_helper.to_array(constants[half]) for half in _DEFAULT_BOXES if half in constants]
    return np.concatenate(halves, axis=1).astype(np.float32) if len(halves) == len(_DEFAULT_BOXES) else None


def _head(name: str, card: Card) -> onnx.ValueInfoProto:
    """Describe a raw head as an output; OpenCV wants a type and a shape of every one."""
    if card.task == "classifier":
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(card.class_names)])
    widths = {BOX_OFFSETS: 4, ADAPTED[1]: 4, ADAPTED[0]: len(card.class_names)}
    width = widths.get(name, len(card.class_names) + 1)
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "D", width])

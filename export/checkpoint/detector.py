"""From a checkpoint to one graph that is proved equal to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from ...runtime.card import Card, Measurement, Postprocess
from ...runtime.detection.boxes import decode_boxes
from ...runtime.detection.detections import Detections
from ...runtime.detection.postprocess import detections_from_heads, scores_from_logits
from ...runtime.files import whole_file
from ...runtime.runners.contract import DETECTOR_OUTPUTS, FRAMES, HEADS
from ...runtime.session import open_session
from ...train.checkpoints.checkpoint import Checkpoint
from ...train.checkpoints.torch_session import TorchSession
from ..graphs.graph_file import graph_card, save_graph
from ..graphs.network_graph import network_graph
from ..graphs.tail import append_onnx_tail
from ..parity.detections import FramePair, Parity, compare_detections


def export_detector(
    checkpoint: Checkpoint,
    checkpoint_path: Path,
    out: Path,
    frames: NDArray[np.uint8],
    *,
    postprocess: Postprocess | None = None,
) -> tuple[Card, Parity]:
    """Write a detector as one ONNX graph, from uint8 BGR frames to detections, if it is proved equal.

    Args:
        checkpoint: of a detector.
        checkpoint_path: its file.
        out: the graph; written whole, after the proof, or not at all.
        frames: [n, H, W, 3] uint8, BGR, real images for the proof.
        postprocess: K, M, floor, IoU threshold; the checkpoint's where not given. The variances are always the
            checkpoint's, which was trained with them.

    Returns:
        The graph's card, and the figures of the proof.

    Raises:
        CheckError: PyTorch and ONNX Runtime differ by more than the tolerances.
    """
    card = _with_postprocess(graph_card(checkpoint.card, checkpoint_path), postprocess)
    graph = append_onnx_tail(
        network_graph(checkpoint.detector, card.input),
        default_cxcywh=checkpoint.detector.default_cxcywh.numpy(),
        postprocess=card.postprocess,
    )
    parity = prove(checkpoint, graph, card, frames)
    parity.check(str(out))
    card = card.model_copy(update={"measurements": (*card.measurements, *_measured(parity))})
    with whole_file(out) as temporary:
        save_graph(graph, card, temporary)
        open_session(temporary).close()  # reads the card and holds the graph against the contract
    return card, parity


def prove(checkpoint: Checkpoint, graph: onnx.ModelProto, card: Card, frames: NDArray[np.uint8]) -> Parity:
    """Run the network in PyTorch and the graph in ONNX Runtime over the same frames and compare.

    Args:
        checkpoint: the parent.
        graph: follows the contract and still names its heads.
        card: of the graph.
        frames: [n, H, W, 3] uint8, BGR.
    """
    torch_session = TorchSession(checkpoint.detector, card)
    default_cxcywh = checkpoint.detector.default_cxcywh.numpy()
    run = _with_heads(graph)
    pairs, heads_difference = [], 0.0
    for frame in frames[:, None]:  # [1, H, W, 3]
        heads = torch_session.heads(frame)
        logits, offsets = heads.class_logits.numpy(), heads.box_offsets.numpy()
        answer = run(frame)
        for ours, theirs in zip((logits, offsets), answer.heads, strict=True):
            # numpy's maximum keeps a NaN, which Python's would drop.
            heads_difference = float(np.maximum(heads_difference, np.abs(ours - theirs).max()))
        boxes = np.clip(decode_boxes(offsets[0], default_cxcywh, card.postprocess.variances), 0, 1)
        pairs.append(
            FramePair(
                expected=detections_from_heads(logits, offsets, default_cxcywh, card.postprocess)[0],
                found=answer.detections,
                scores=scores_from_logits(logits[0]),
                boxes_xyxy=boxes,
            )
        )
    return compare_detections(pairs, card.postprocess, heads_difference=heads_difference)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the graph says of one frame, and the heads that it came from."""

    heads: tuple[NDArray[np.float32], NDArray[np.float32]]
    detections: Detections


def _with_heads(graph: onnx.ModelProto) -> Callable[[NDArray[np.uint8]], _Answer]:
    """Open the graph in ONNX Runtime with its raw heads as further outputs."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in HEADS)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; ONNX Runtime remarks on unused initializers
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(frame: NDArray[np.uint8]) -> _Answer:
        names = (*DETECTOR_OUTPUTS, *HEADS)
        count, boxes, scores, classes, logits, offsets = session.run(names, {FRAMES: frame})
        valid = slice(int(count[0, 0]))
        return _Answer(
            heads=(logits, offsets),
            detections=Detections(boxes_xyxy=boxes[0, valid], scores=scores[0, valid], class_ids=classes[0, valid]),
        )

    return run


def _with_postprocess(card: Card, asked: Postprocess | None) -> Card:
    own = card.postprocess
    return card.model_copy(update={"postprocess": (asked or own).model_copy(update={"variances": own.variances})})


def _measured(parity: Parity) -> tuple[Measurement, ...]:
    data = f"{parity.frames} real frames, PyTorch against ONNX Runtime"
    return (
        Measurement(metric="parity: raw heads, largest absolute difference", value=parity.heads_difference, data=data),
        Measurement(
            metric="parity: detections matched one to one",
            value=parity.matched,
            data=data,
            note=f"{parity.exempt} exempt by a threshold or a tie",
        ),
    )

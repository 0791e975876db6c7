"""From a checkpoint to one graph that is proved equal to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.graph_surgery import open_inner
from ...runtime.card import Card, Measurement, Postprocess
from ...runtime.detection.boxes import decode_boxes
from ...runtime.detection.postprocess import detections_from_heads, scores_from_logits
from ...runtime.files import whole_file
from ...runtime.runners.contract import (
    BOX_OFFSETS,
    CLASS_LOGITS,
    DETECTOR_OUTPUTS,
    HEADS,
    detections_from_outputs,
)
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
    run = open_inner(graph, (*DETECTOR_OUTPUTS, *HEADS))
    pairs, heads_difference = [], 0.0
    for frame in frames[:, None]:  # [1, H, W, 3]
        heads = torch_session.heads(frame)
        logits, offsets = heads.class_logits.numpy(), heads.box_offsets.numpy()
        answer = run(frame)
        for ours, theirs in ((logits, answer[CLASS_LOGITS]), (offsets, answer[BOX_OFFSETS])):
            # numpy's maximum keeps a NaN, which Python's would drop.
            heads_difference = float(np.maximum(heads_difference, np.abs(ours - theirs).max()))
        boxes = np.clip(decode_boxes(offsets[0], default_cxcywh, card.postprocess.variances), 0, 1)
        pairs.append(
            FramePair(
                expected=detections_from_heads(logits, offsets, default_cxcywh, card.postprocess)[0],
                found=detections_from_outputs(card, answer, source="graph")[0],
                scores=scores_from_logits(logits[0]),
                boxes_xyxy=boxes,
            )
        )
    return compare_detections(pairs, card.postprocess, heads_difference=heads_difference)


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

"""From a classifier's checkpoint to one graph that is proved equal to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.graph_surgery import open_inner
from ...runtime.card import Card
from ...runtime.detection.postprocess import classifications_from_logits
from ...runtime.files import whole_file
from ...runtime.runners.contract import CLASS_LOGITS, CLASSIFIER_OUTPUTS, classifications_from_outputs
from ...runtime.session import open_session
from ...train.checkpoints.checkpoint import Checkpoint
from ...train.checkpoints.torch_session import TorchClassifierSession
from ..graphs.classifier_tail import append_classifier_tail
from ..graphs.graph_file import graph_card, save_graph
from ..graphs.network_graph import network_graph
from ..parity.classifications import ClassificationParity, compare_classifications


def export_classifier(
    checkpoint: Checkpoint, checkpoint_path: Path, out: Path, frames: NDArray[np.uint8]
) -> tuple[Card, ClassificationParity]:
    """Write a classifier as one ONNX graph, from uint8 BGR frames to its likeliest classes, if it is proved equal.

    Args:
        checkpoint: of a classifier.
        checkpoint_path: its file.
        out: the graph; written whole, after the proof, or not at all.
        frames: [n, H, W, 3] uint8, BGR, real images for the proof.

    Returns:
        The graph's card, and the figures of the proof.

    Raises:
        CheckError: PyTorch and ONNX Runtime differ by more than the tolerances.
    """
    card = graph_card(checkpoint.card, checkpoint_path)
    graph = append_classifier_tail(network_graph(checkpoint.network, card.input, heads=(CLASS_LOGITS,)))
    parity = prove_classifier(checkpoint, graph, card, frames)
    parity.check(str(out))
    measured = parity.measurements(data=f"{parity.frames} real frames, PyTorch against ONNX Runtime")
    card = card.model_copy(update={"measurements": (*card.measurements, *measured)})
    with whole_file(out) as temporary:
        save_graph(graph, card, temporary)
        open_session(temporary).close()  # reads the card and holds the graph against the contract
    return card, parity


def prove_classifier(
    checkpoint: Checkpoint, graph: onnx.ModelProto, card: Card, frames: NDArray[np.uint8]
) -> ClassificationParity:
    """Run the network in PyTorch and the graph in ONNX Runtime over the same frames and compare.

    Args:
        checkpoint: the parent.
        graph: follows the contract and still names its logits.
        card: of the graph.
        frames: [n, H, W, 3] uint8, BGR.
    """
    run = open_inner(graph, (*CLASSIFIER_OUTPUTS, CLASS_LOGITS))
    torch_session = TorchClassifierSession(checkpoint.network, card)
    expected_logits = np.concatenate([torch_session.logits(frame[None]) for frame in frames])
    rows = [run(frame[None]) for frame in frames]
    found = [classifications_from_outputs(card, row, source="graph")[0] for row in rows]
    found_logits = np.concatenate([row[CLASS_LOGITS] for row in rows])
    return compare_classifications(
        classifications_from_logits(expected_logits),
        found,
        logits_difference=float(np.abs(expected_logits - found_logits).max()),
    )

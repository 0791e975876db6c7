"""From a checkpoint to one graph that is proved equal to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from torch import nn

from ...runtime.card import Card, Postprocess
from ...runtime.errors import InputError
from ...runtime.files import StrPath, sha256_of_file, whole_file
from ...runtime.runners.contract import CLASS_LOGITS
from ...runtime.session import open_session
from ...runtime.sources.frame import Frame
from ...train.checkpoints.checkpoint import Checkpoint, load_checkpoint
from ...train.networks.ssd import SSD
from ..graphs.classifier_tail import append_classifier_tail
from ..graphs.graph_file import check_graph_name, graph_card, save_graph
from ..graphs.network_graph import network_graph
from ..graphs.tail import append_onnx_tail
from ..parity.artefact import checkpoint_artefact, open_graph_artefact
from ..parity.certify import certify_fresh
from ..parity.own_frames import remember_frames
from ..parity.parity import Parity
from ..parity.proof_frames import frames_of_folder
from ..parity.verify import compare_artefacts
from ..quantize.aware import check_rounding


@dataclass(frozen=True, kw_only=True)
class Export:
    """A written graph and the proof that came before it."""

    path: Path
    card: Card
    parity: Parity


def export_checkpoint(
    checkpoint_path: StrPath, out: StrPath, *, postprocess: Postprocess | None = None, images: StrPath | None = None
) -> Export:
    """Write a checkpoint as one ONNX graph, pre- and post-processing inside, if it is proved equal.

    Args:
        checkpoint_path: of `singleshot train`.
        out: the graph, `.onnx`; written whole, after the proof, or not at all.
        postprocess: of a detector, K, M, floor, IoU threshold; the checkpoint's where not given. The variances are
            always the checkpoint's, which was trained with them.
        images: folder of real images for the proof; the checkpoint's own validation frames where not given.

    Raises:
        InputError: the checkpoint or the images cannot be used, post-processing is asked for of a classifier, or `out`
            is not an .onnx file.
        CheckError: PyTorch and ONNX Runtime differ by more than the tolerances, or PyTorch was trained to round
            otherwise than the int8 graph does.
    """
    checkpoint_path = Path(checkpoint_path)
    out = Path(out)
    check_graph_name(out)
    checkpoint = load_checkpoint(checkpoint_path)
    if postprocess is not None and checkpoint.card.task == "classifier":
        raise InputError(
            f"{checkpoint_path}: expected no --candidates, --max-detections, --score-floor or --iou-threshold for a "
            f"classifier, which has no such post-processing. Leave them out."
        )
    images_bgr = checkpoint.frames if images is None else frames_of_folder(images, checkpoint.card.input)
    if not len(images_bgr):
        raise InputError(
            f"{checkpoint_path}: expected frames to prove the export with, got none. Name a folder by --images."
        )
    remember_frames(sha256_of_file(checkpoint_path), images_bgr)
    said = f"{len(images_bgr)} frames of the export's proof"
    frames = [Frame(image=image, index=index, time_s=0.0, source=said) for index, image in enumerate(images_bgr)]
    card = _with_postprocess(graph_card(checkpoint.card, checkpoint_path), postprocess)
    graph = graph_with_tail(checkpoint.network, card)
    with whole_file(out) as temporary:
        save_graph(graph, card, temporary)
        parity = _prove(checkpoint, checkpoint_path, temporary, frames)
        parity.check(str(out))
        if card.int8 is not None:
            check_rounding(checkpoint, graph, [image[np.newaxis] for image in images_bgr], source=str(checkpoint_path))
        measured = parity.measurements(data=f"{len(frames)} real frames, PyTorch against ONNX Runtime")
        save_graph(graph, card.model_copy(update={"measurements": (*card.measurements, *measured)}), temporary)
        open_session(temporary).close()  # reads the card and holds the graph against the contract
    return Export(path=out, card=certify_fresh(out, frames, said=said), parity=parity)


def graph_with_tail(network: nn.Module, card: Card) -> onnx.ModelProto:
    """Trace a network and give it the tail of its task.

    Args:
        network: as `build_network` makes it for the card; it is not changed.
        card: the graph's, for input and post-processing.

    Raises:
        MissingDependencyError: onnxscript is not installed.
    """
    if not isinstance(network, SSD):
        return append_classifier_tail(network_graph(network, card.input, heads=(CLASS_LOGITS,)))
    return append_onnx_tail(
        network_graph(network, card.input),
        default_cxcywh=network.default_cxcywh.numpy(),
        postprocess=card.postprocess,
    )


def _prove(checkpoint: Checkpoint, checkpoint_path: Path, graph: Path, frames: list[Frame]) -> Parity:
    """Compare the network in PyTorch with the graph in ONNX Runtime, both on the CPU in float32."""
    first = checkpoint_artefact(checkpoint, checkpoint_path)
    with first, open_graph_artefact(graph, "onnxruntime:cpu") as second:
        parity, _ = compare_artefacts(first.with_tail_of(second), second, frames)
    return parity


def _with_postprocess(card: Card, asked: Postprocess | None) -> Card:
    own = card.postprocess
    return card.model_copy(update={"postprocess": (asked or own).model_copy(update={"variances": own.variances})})

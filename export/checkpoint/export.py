"""From a checkpoint to one graph, whatever it was trained for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Card, Postprocess
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...train.checkpoints.checkpoint import load_checkpoint
from ..parity.certify import certify_fresh
from ..parity.classifications import ClassificationParity
from ..parity.detections import Parity
from ..parity.proof_frames import frames_of_folder
from .classifier import export_classifier
from .detector import export_detector


@dataclass(frozen=True, kw_only=True)
class Export:
    """A written graph and the proof that came before it."""

    path: Path
    card: Card
    parity: Parity | ClassificationParity


def export_checkpoint(
    checkpoint_path: StrPath, out: StrPath, *, postprocess: Postprocess | None = None, images: StrPath | None = None
) -> Export:
    """Write a checkpoint as one ONNX graph, pre- and post-processing inside, if it is proved equal.

    Args:
        checkpoint_path: of `singleshot train`.
        out: the graph, `.onnx`; written whole, after the proof, or not at all.
        postprocess: of a detector, K, M, floor, IoU threshold; the checkpoint's where not given.
        images: folder of real images for the proof; the checkpoint's own validation frames where not given.

    Raises:
        InputError: the checkpoint or the images cannot be used, post-processing is asked for of a classifier, or `out`
            is not an .onnx file.
        CheckError: PyTorch and ONNX Runtime differ by more than the tolerances.
    """
    checkpoint_path = Path(checkpoint_path)
    out = Path(out)
    if out.suffix != ".onnx":
        raise InputError(f"{out}: expected a name that ends in .onnx, got {out.suffix or 'none'}.")
    checkpoint = load_checkpoint(checkpoint_path)
    frames = checkpoint.frames if images is None else frames_of_folder(images, checkpoint.card.input)
    if not len(frames):
        raise InputError(
            f"{checkpoint_path}: expected frames to prove the export with, got none. Name a folder by --images."
        )
    if checkpoint.card.task == "detector":
        _, parity = export_detector(checkpoint, checkpoint_path, out, frames, postprocess=postprocess)
        return Export(path=out, card=_certified(out, frames), parity=parity)
    if postprocess is not None:
        raise InputError(
            f"{checkpoint_path}: expected no --candidates, --max-detections, --score-floor or --iou-threshold for a "
            f"classifier, which has no such post-processing. Leave them out."
        )
    _, classes_parity = export_classifier(checkpoint, checkpoint_path, out, frames)
    return Export(path=out, card=_certified(out, frames), parity=classes_parity)


def _certified(graph: Path, frames: NDArray[np.uint8]) -> Card:
    """Measure what OpenVINO makes of the graph, where it is installed."""
    return certify_fresh(graph, frames, said=f"{len(frames)} frames of the export's proof")

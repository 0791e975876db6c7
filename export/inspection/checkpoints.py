"""What a checkpoint holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from ...runtime.files import sha256_of_file
from ...runtime.precision import Precision
from ...runtime.runners.contract import FRAMES, HEADS
from ...train.checkpoints.checkpoint import Checkpoint, load_checkpoint
from ...train.checkpoints.torch_session import TorchClassifierSession, TorchSession
from .facts import Inspection, TensorInfo
from .operations import Operations


def inspect_checkpoint(path: Path) -> Inspection:
    """Look into a checkpoint; its network runs once, on a black frame.

    Raises:
        InputError: the file is missing, broken, or no checkpoint of singleshot.
    """
    checkpoint = load_checkpoint(path)
    card, network = checkpoint.card, checkpoint.network
    frames = np.zeros((1, card.input.height, card.input.width, 3), np.uint8)
    counter = FlopCounterMode(display=False)
    with counter:
        outputs = _heads(checkpoint, frames)
    layers = Counter(type(module).__name__ for module in network.modules() if not any(module.children()))
    return Inspection(
        path=path,
        kind="checkpoint",
        size_bytes=path.stat().st_size,
        sha256=sha256_of_file(path),
        format=f"PyTorch checkpoint of {card.network}, read by PyTorch {torch.__version__.split('+')[0]}",
        precision=Precision.FP32,
        card=card,
        card_problem="",
        inputs=(TensorInfo(name=FRAMES, dtype="uint8", shape=("N", *frames.shape[1:])),),
        outputs=tuple(
            TensorInfo(name=name, dtype="float32", shape=("N", *tensor.shape[1:]))
            for name, tensor in zip(HEADS, outputs, strict=False)  # a classifier has no boxes
        ),
        operators=tuple(layers.most_common()),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        operations=Operations(
            multiply_adds=counter.get_total_flops() // 2,
            counted=sum(isinstance(module, torch.nn.Conv2d | torch.nn.Linear) for module in network.modules()),
            uncounted=0,
            note="Multiply-adds x 2 of convolutions and matrix products for one frame, as PyTorch counts them; "
            "everything else is left out.",
        ),
    )


def _heads(checkpoint: Checkpoint, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    """Run the network: class logits, and of a detector box offsets."""
    if checkpoint.card.task == "classifier":
        return (TorchClassifierSession(checkpoint.network, checkpoint.card).logits(frames),)
    heads = TorchSession(checkpoint.detector, checkpoint.card).heads(frames)
    return heads.class_logits.numpy(), heads.box_offsets.numpy()

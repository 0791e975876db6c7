"""Checkpoints: Lightning's files, with the card inside, read without running anything they contain."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...runtime.card import CARD_KEY, Card, card_from_json
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ..networks.int8_rounding import round_as_int8
from ..networks.registry import NETWORKS, build_network, options_of
from ..networks.ssd import SSD
from .torch_session import TorchClassifierSession, TorchSession

NETWORK_PREFIX = "network."
"""Of the network's tensors in a checkpoint's state_dict."""

FRAMES_KEY = "singleshot.frames"
"""A few validation frames in the checkpoint's dictionary, for the proof that an export lost nothing."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained network in evaluation mode, its card, and a few frames to prove an export with.

    Args:
        frames: [n, H, W, 3] uint8, BGR, real images of the validation split fitted to the input; n may be 0.
        epochs: epochs trained.
    """

    network: nn.Module
    card: Card
    frames: NDArray[np.uint8]
    epochs: int

    @property
    def as_trained(self) -> Checkpoint:
        """The network as it was trained: after a quantization-aware training a copy that rounds to int8."""
        if self.card.int8 is None:
            return self
        network = deepcopy(self.network)
        round_as_int8(network, self.card.int8)
        return replace(self, network=network)

    def session(self) -> TorchSession | TorchClassifierSession:
        """Open the network for running it."""
        if self.card.task == "classifier":
            return TorchClassifierSession(self.network, self.card)
        return TorchSession(self.detector, self.card)

    @property
    def detector(self) -> SSD:
        """The network of a detector.

        Raises:
            InputError: it is a classifier's.
        """
        if not isinstance(self.network, SSD):
            raise InputError(f"{self.card.network}: expected a detector, got a {self.card.task}.")
        return self.network


def load_checkpoint(path: StrPath) -> Checkpoint:
    """Restore the network that a checkpoint holds: the averaged weights, on the CPU.

    Raises:
        InputError: the file is missing, is no checkpoint of singleshot, or does not fit its network.
    """
    path = Path(path)
    content = _content(path)
    text = content.get(CARD_KEY)
    if not isinstance(text, str):
        raise InputError(f"{path}: expected a checkpoint of singleshot, got one without a card. Train it again.")
    card = card_from_json(text, source=str(path), mend="Train it again.")
    if card.network not in NETWORKS:
        raise InputError(
            f"{path}: expected a network that this version knows ({', '.join(NETWORKS)}), got {card.network}. "
            f"Use the version that trained it."
        )
    network = build_network(card.network, options_of(card))
    tensors = {
        key.removeprefix(NETWORK_PREFIX): value
        for key, value in content["state_dict"].items()
        if key.startswith(NETWORK_PREFIX)
    }
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        problem = str(error).splitlines()[-1].strip()
        raise InputError(f"{path}: expected the tensors of {card.network}, got others: {problem}") from error
    frames = content.get(FRAMES_KEY, torch.zeros(0, card.input.height, card.input.width, 3, dtype=torch.uint8))
    epochs = int(content.get("epoch", -1)) + 1
    return Checkpoint(network=network.eval(), card=card, frames=frames.numpy(), epochs=epochs)


def open_checkpoint_session(path: StrPath) -> TorchSession | TorchClassifierSession:
    """Open a checkpoint for running it in PyTorch, rounded to int8 where it was trained so.

    Raises:
        InputError: as `load_checkpoint`.
    """
    return load_checkpoint(path).as_trained.session()


def _content(path: Path) -> dict[str, Any]:  # a pickle's dictionary, checked by the caller key by key
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise InputError(
            f"{path}: expected a checkpoint, got {got}. `singleshot train` writes best.ckpt into its folder."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of another kind makes the unpickler stumble in any way
        raise InputError(
            f"{path}: expected a whole checkpoint, got a file that PyTorch cannot read. "
            f"Take an earlier checkpoint of the run, or train again."
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise InputError(f"{path}: expected a checkpoint of singleshot, got another kind of file.")
    return content

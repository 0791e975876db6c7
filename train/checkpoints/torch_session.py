"""A checkpoint's network behind the session protocol, so that it is evaluated like everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...runtime.card import Card, InputSpec
from ...runtime.closing import Closing
from ...runtime.detection.classifications import Classification
from ...runtime.detection.detections import Detections
from ...runtime.detection.postprocess import classifications_from_logits, detections_from_heads
from ...runtime.errors import InputError
from ...runtime.runners.contract import check_frames
from ..networks.ssd import SSD, Heads


def normalised_images(images_rgb: Tensor, spec: InputSpec) -> Tensor:
    """Turn [N, 3, H, W] uint8 RGB into the float32 that the network takes."""
    channels = images_rgb if spec.colour == "rgb" else images_rgb.flip(1)
    mean = torch.tensor(spec.mean, device=images_rgb.device).view(1, 3, 1, 1)
    std = torch.tensor(spec.std, device=images_rgb.device).view(1, 3, 1, 1)
    return (channels.float() - mean) / std


class _NetworkSession(Closing):
    """What a detector's and a classifier's session share."""

    streams = batch = 1

    def __init__(self, network: nn.Module, card: Card) -> None:
        """Take a network in evaluation mode and the card that describes it."""
        self._network = network
        self._card = card
        self._device = next(network.parameters()).device

    @property
    def card(self) -> Card:
        """The checkpoint's card."""
        return self._card

    @property
    def backend(self) -> str:
        """Who computes."""
        return f"torch ({self._device.type.upper()})"

    def close(self) -> None:
        """Nothing to free."""

    def _emitted(self, frames: NDArray[np.uint8]) -> Any:  # what the network's forward gives
        check_frames(frames, self._card.input)
        images = torch.from_numpy(np.ascontiguousarray(frames[..., ::-1])).permute(0, 3, 1, 2)
        # In float32 even while a run trains in mixed precision: what is measured is what will be exported.
        with torch.inference_mode(), torch.autocast(self._device.type, enabled=False):
            return self._network(normalised_images(images.to(self._device), self._card.input))

    def _finite(self, emitted: Tensor, what: str) -> NDArray[np.float32]:
        """Copy to the host; a value that is no number is refused, as every backend does with a graph's."""
        values: NDArray[np.float32] = emitted.float().cpu().numpy()
        if not np.isfinite(values).all():
            raise InputError(
                f"{self._card.network}: expected finite {what}, got NaN or infinity. Take an earlier checkpoint."
            )
        return values

    def _refuse(self) -> InputError:
        return InputError(
            f"{self._card.network}: expected a {'classifier' if self._card.task == 'detector' else 'detector'}, "
            f"got a {self._card.task}. Give an artefact of the other task."
        )


class TorchSession(_NetworkSession):
    """Runs a detector's network in PyTorch; post-processing is `runtime.postprocess`."""

    _network: SSD

    def heads(self, frames: NDArray[np.uint8]) -> Heads:
        """Return what the network emits for [N, H, W, 3] uint8 BGR frames, before any post-processing."""
        heads: Heads = self._emitted(frames)
        return heads

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on a batch; see `Session.run`."""
        return self.detections(self.heads(frames))

    def detections(self, heads: Heads) -> list[Detections]:
        """Turn what the network emitted for a batch into detections, boxes normalised to the input."""
        return detections_from_heads(
            self._finite(heads.class_logits, "class logits"),
            self._finite(heads.box_offsets, "box offsets"),
            self._network.default_cxcywh.cpu().numpy(),
            self._card.postprocess,
        )

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        """Refuse: the network is a detector."""
        raise self._refuse()


class TorchClassifierSession(_NetworkSession):
    """Runs a classifier's network in PyTorch; its forward gives class logits [N, C], or something that holds them."""

    def logits(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return [N, C] float32 for [N, H, W, 3] uint8 BGR frames, before the softmax; no class is background."""
        return self._finite(class_logits_of(self._emitted(frames)), "class logits")

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Refuse: the network is a classifier."""
        raise self._refuse()

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        """Classify a batch; see `Session.classify`."""
        return classifications_from_logits(self.logits(frames))


def class_logits_of(emitted: Any) -> Tensor:  # a tensor, or a network's own value with one in it
    """Return the class logits [N, C] of what a classifier emits; one that gives a box as well holds both."""
    logits: Tensor = emitted if isinstance(emitted, Tensor) else emitted.class_logits
    return logits

"""A checkpoint's network behind the session protocol, so that it is evaluated like everything else."""

from __future__ import annotations

from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from ..runtime.card import Card, InputSpec
from ..runtime.classifications import Classification
from ..runtime.detections import Detections
from ..runtime.errors import InputError
from ..runtime.postprocess import detections_from_heads
from ..runtime.session import check_frames
from .ssd import SSD, Heads


def normalised_images(images_rgb: Tensor, spec: InputSpec) -> Tensor:
    """Turn [N, 3, H, W] uint8 RGB into the float32 that the network takes."""
    channels = images_rgb if spec.colour == "rgb" else images_rgb.flip(1)
    mean = torch.tensor(spec.mean, device=images_rgb.device).view(1, 3, 1, 1)
    std = torch.tensor(spec.std, device=images_rgb.device).view(1, 3, 1, 1)
    return (channels.float() - mean) / std


class TorchSession:
    """Runs a network in PyTorch; post-processing is `runtime.postprocess`."""

    def __init__(self, network: SSD, card: Card) -> None:
        """Take a network in evaluation mode and the card that describes it."""
        self._network = network
        self._card = card

    @property
    def card(self) -> Card:
        """The checkpoint's card."""
        return self._card

    @property
    def backend(self) -> str:
        """Who computes."""
        return f"torch ({self._network.default_cxcywh.device.type.upper()})"

    def heads(self, frames: NDArray[np.uint8]) -> Heads:
        """Return what the network emits for [N, H, W, 3] uint8 BGR frames, before any post-processing."""
        check_frames(frames, self._card.input)
        images = torch.from_numpy(np.ascontiguousarray(frames[..., ::-1])).permute(0, 3, 1, 2)
        device = self._network.default_cxcywh.device
        # In float32 even while a run trains in mixed precision: what is measured is what will be exported.
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            heads: Heads = self._network(normalised_images(images.to(device), self._card.input))
            return heads

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on a batch; see `Session.run`."""
        heads = self.heads(frames)
        return detections_from_heads(
            heads.class_logits.float().cpu().numpy(),
            heads.box_offsets.float().cpu().numpy(),
            self._network.default_cxcywh.cpu().numpy(),
            self._card.postprocess,
        )

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        """Refuse: the network is a detector."""
        raise InputError(f"{self._card.network}: expected a classifier, got a {self._card.task}.")

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

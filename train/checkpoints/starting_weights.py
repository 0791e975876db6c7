"""Weights that a training starts from: those of an earlier checkpoint or graph of singleshot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...runtime.card import CARD_KEY, Card, Origin, card_from_json, derived_origin
from ...runtime.errors import InputError
from ...runtime.files import StrPath, sha256_of_file
from ...runtime.require import require
from ..networks.layers import ConvNorm
from ..networks.registry import input_of, network_named
from ..networks.ssd import SSD
from ..settings import TrainSettings, train_settings
from .checkpoint import NETWORK_PREFIX, load_checkpoint

_TRUNK, _FEATURES = "trunk.", "features."
"""Where a detector and a classifier have the convolutions that they may share."""
_PREDICTORS = "class_branches."


@dataclass(frozen=True, kw_only=True)
class StartingWeights:
    """What a file holds.

    Args:
        path: the file.
        sha256: of it.
        card: its card.
        tensors: of its network, by name.
        with_any_boxes: whether predictors of other default boxes than the run's are left out instead of refused.
    """

    path: Path
    sha256: str
    card: Card
    tensors: Mapping[str, Tensor]
    with_any_boxes: bool = False

    def origin(self, origin: Origin) -> Origin:
        """Say in a new run's origin that it started here."""
        line = derived_origin(self.card.origin, self.sha256, settings={}, packages={})
        return origin.model_copy(
            update={"parent_sha256": line.parent_sha256, "ancestors_sha256": line.ancestors_sha256}
        )

    def with_boxes(self, settings: TrainSettings, network: str) -> TrainSettings:
        """Keep the default boxes that the weights know, and their size in pixels where the input is another.

        A network answers relative to its default boxes, and sees pixels: boxes that shrink with the input make every
        answer too small. What the settings give, or leave to be fitted, stays.

        Args:
            settings: of the run, resolved.
            network: its name.
        """
        own = network_named(network).default_boxes
        if own is None or self.card.network != network or settings.default_boxes == "fitted":
            return settings
        theirs, spec = self.card.origin.settings, input_of(network, settings.height, settings.width)
        larger = math.sqrt(self.card.input.height * self.card.input.width / (spec.height * spec.width))
        scales = theirs.get("default_box_scales") or own.scales
        boxes = {
            "default_box_scales": tuple(round(scale * larger, 4) for scale in scales),
            "default_box_aspect_ratios": theirs.get("default_box_aspect_ratios") or own.aspect_ratios,
        }
        left_open = {name: value for name, value in boxes.items() if getattr(settings, name) is None}
        return train_settings(**{**settings.model_dump(), **left_open})

    def put_into(self, network: nn.Module, card: Card) -> list[nn.BatchNorm2d]:
        """Fill a network, or a detector's trunk with a classifier's convolutions.

        A graph's batch norms are folded into its convolutions; they come back as norms that change nothing.

        Of a detector of other classes, what says a class is taken over where it has the same name, and starts from
        nothing where it is new.

        Args:
            network: what the run trains; its weights are overwritten.
            card: the run's, which names its network, classes and settings.

        Returns:
            The norms whose statistics came along: to be kept, as batches are too small to estimate them anew.

        Raises:
            InputError: the file's network is another one and does not share its convolutions, or has other settings.
        """
        wanted = network.state_dict()
        if self.card.network == card.network:
            taken, needed = self._whole(card, network), set(wanted)
            if self.with_any_boxes:
                others = {name for name in needed & taken.keys() if wanted[name].shape != taken[name].shape}
                others = {name for name in others if ".predictor." in name}
                taken, needed = {name: taken[name] for name in taken.keys() - others}, needed - others
        else:
            taken = self._trunk(network)
            needed = set(taken)
        unlike = {name for name in needed & taken.keys() if wanted[name].shape != taken[name].shape}
        if misfit := sorted(unlike | (needed ^ taken.keys())):
            raise InputError(
                f"{self.path}: expected the tensors of {card.network} with this run's settings, got others: "
                f"{misfit[0]}. Start from another file, or train with the settings that it was trained with."
            )
        network.load_state_dict({**wanted, **taken})
        return [
            part
            for name, part in network.named_modules()
            if isinstance(part, nn.BatchNorm2d) and f"{name}.running_mean" in taken
        ]

    def _whole(self, card: Card, network: nn.Module) -> dict[str, Tensor]:
        tensors = unfolded(self.tensors, network)
        if self.card.class_names != card.class_names:
            wanted = network.state_dict()
            for name in tensors:
                if name.startswith(_PREDICTORS) and ".predictor." in name and name in wanted:
                    tensors[name] = self._for_classes(tensors[name], card, wanted[name])
        return tensors

    def _for_classes(self, tensor: Tensor, card: Card, fresh: Tensor) -> Tensor:
        """Take over a class predictor's channels, of boxes x C, by the classes' names; label 0 is background."""
        theirs, ours = ("", *self.card.class_names), ("", *card.class_names)
        pairs = [(to, theirs.index(name)) for to, name in enumerate(ours) if name in theirs]
        mixed = fresh.reshape(-1, len(ours), *fresh.shape[1:]).clone()
        known = tensor.reshape(-1, len(theirs), *tensor.shape[1:])
        if len(known) != len(mixed):
            return tensor  # of other default boxes: whoever compares shapes says so
        for to, of in pairs:
            mixed[:, to] = known[:, of]
        return mixed.reshape(fresh.shape)

    def _trunk(self, network: nn.Module) -> dict[str, Tensor]:
        features = {
            _TRUNK + name.removeprefix(_FEATURES): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(_FEATURES)
        }
        features = unfolded(features, network)
        parts = {name for name in network.state_dict() if name.startswith(_TRUNK)}
        if not isinstance(network, SSD) or features.keys() != parts:
            raise InputError(
                f"{self.path}: expected the same network, or a classifier whose convolutions are the detector's trunk, "
                f"got {self.card.network}. Start from another file."
            )
        return features


def load_starting_weights(path: StrPath) -> StartingWeights:
    """Read the weights of a checkpoint, or of a float32 graph that singleshot exported.

    Args:
        path: `.ckpt` or `.onnx`.

    Raises:
        InputError: the file cannot be read, or is neither.
        MissingDependencyError: onnx is not installed.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        card, tensors = graph_tensors(path)
    else:
        checkpoint = load_checkpoint(path)
        card, tensors = checkpoint.card, checkpoint.network.state_dict()
    return StartingWeights(path=path, sha256=sha256_of_file(path), card=card, tensors=tensors)


def graph_tensors(path: Path) -> tuple[Card, dict[str, Tensor]]:
    """Read the card of a graph that singleshot exported, and its network's tensors by name.

    Raises:
        InputError: the file cannot be read, or has no card.
        MissingDependencyError: onnx is not installed.
    """
    require("onnx", extra="train", why="the weights of a graph")
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError) as error:
        raise InputError(f"{path}: expected a whole ONNX graph, got one that cannot be read: {error}.") from error
    text = next((item.value for item in model.metadata_props if item.key == CARD_KEY), None)
    if text is None:
        raise InputError(f"{path}: expected a graph of singleshot, got one without a card. Start from another file.")
    card = card_from_json(text, source=str(path))
    tensors = {
        item.name.removeprefix(NETWORK_PREFIX): torch.from_numpy(numpy_helper.to_array(item).copy())
        for item in model.graph.initializer
        if item.name.startswith(NETWORK_PREFIX)
    }
    return card, tensors


def unfolded(folded: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the bias of a convolution that a norm was folded into to the norm, whose statistics change nothing."""
    tensors = dict(folded)
    for name, part in network.named_modules():
        if isinstance(part, ConvNorm) and part.norm is not None and f"{name}.conv.bias" in tensors:
            bias = tensors.pop(f"{name}.conv.bias")
            tensors[f"{name}.norm.weight"] = torch.ones_like(bias)
            tensors[f"{name}.norm.bias"] = bias
            tensors[f"{name}.norm.running_mean"] = torch.zeros_like(bias)
            tensors[f"{name}.norm.running_var"] = torch.full_like(bias, 1 - part.norm.eps)
            tensors[f"{name}.norm.num_batches_tracked"] = torch.tensor(0)
    return tensors

"""A trained network as an ONNX graph that takes camera frames and ends in its raw heads."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from ...runtime.card import InputSpec
from ...runtime.require import require
from ...runtime.runners.contract import FRAMES, HEADS
from ...train.checkpoints.torch_session import class_logits_of, normalised_images
from ...train.networks.layers import ConvNorm
from ...train.networks.ssd import Heads
from .tail import MAX_IR_VERSION, OPSET


class _FromFrames(nn.Module):
    """Puts the preprocessing in front: what arrives is what a camera delivers."""

    def __init__(self, network: nn.Module, spec: InputSpec) -> None:
        super().__init__()
        self.network = network
        self.spec = spec

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Map [N, H, W, 3] uint8 BGR to a detector's class_logits [N, D, C] and box_offsets [N, D, 4], or to a
        classifier's class_logits [N, C].
        """
        # Cast before the transpose: NVIDIA's parser refuses uint8 there.
        images_rgb = frames.float().permute(0, 3, 1, 2).index_select(1, torch.tensor([2, 1, 0]))
        emitted = self.network(normalised_images(images_rgb, self.spec))
        if isinstance(emitted, Heads):
            return emitted.class_logits, emitted.box_offsets
        return (class_logits_of(emitted),)


def network_graph(network: nn.Module, spec: InputSpec, *, heads: Sequence[str] = HEADS) -> onnx.ModelProto:
    """Trace a network to ONNX; its batch norms are folded into the convolutions.

    Args:
        network: in evaluation mode; it is not changed.
        spec: the card's input.
        heads: names of the outputs.

    Returns:
        A model of opset 20 with input `frames` uint8 [N, H, W, 3] BGR and as outputs the raw heads, N symbolic: of a
        detector `class_logits` [N, D, C] and `box_offsets` [N, D, 4], of a classifier `class_logits` [N, C].

    Raises:
        MissingDependencyError: onnxscript is not installed.
    """
    # Two frames: PyTorch takes a batch of one for a constant.
    example = torch.zeros(2, spec.height, spec.width, 3, dtype=torch.uint8)
    free = {FRAMES: {0: torch.export.Dim("N", min=1, max=1024)}}
    return _traced(_FromFrames(network, spec), example, inputs=[FRAMES], outputs=heads, free=free)


def feature_graph(trunk: nn.Module, input_nchw: tuple[int, int, int, int], *, maps: Sequence[str]) -> onnx.ModelProto:
    """Trace a feature extractor alone, for measuring; no preprocessing, its batch norms folded.

    Args:
        trunk: it is not changed.
        input_nchw: shape of its input, fixed.
        maps: names of its outputs.

    Raises:
        MissingDependencyError: onnxscript is not installed.
    """
    return _traced(trunk, torch.zeros(input_nchw), inputs=["images"], outputs=maps, free=None)


def _traced(
    network: nn.Module,
    example: Tensor,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    free: dict[str, Any] | None,  # as torch.export takes it
) -> onnx.ModelProto:
    require("onnxscript", extra="train", why="an export from PyTorch")
    network = copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format)
    for part in network.modules():
        if isinstance(part, ConvNorm):
            part.fold()
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=free,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    return _tidied(program.model_proto)


def _tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out PyTorch's notes on its own source lines, which hold the paths of this machine."""
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    model.producer_name, model.producer_version = "singleshot", ""
    del model.metadata_props[:]
    model.graph.doc_string = ""
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter off the terminal; its errors still come as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

"""Networks that the proof is tried on: every one that can be trained, and small ones of other people's operators."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ...export.graphs.classifier_tail import append_classifier_tail
from ...export.graphs.network_graph import network_graph
from ...export.graphs.tail import append_onnx_tail
from ...runtime.card import Card, InputSpec, Postprocess
from ...runtime.runners.contract import CLASS_LOGITS
from ...train.networks.options import NetworkOptions
from ...train.networks.registry import NETWORKS, build_network
from ...train.networks.ssd import SSD, Heads

CLASSES = ("cat", "dog", "person")
OPERATORS = ("residual", "silu", "hardswish", "concat", "depthwise")
"""What the small networks are made of beside convolutions."""
_SIDE = 128
_STRIDE = 8


class _OfOthers(nn.Module):
    """A small detector with random weights.

    Args:
        operator: one of `OPERATORS`.
    """

    def __init__(self, operator: str) -> None:
        super().__init__()
        self.is_joined = operator == "concat"
        self.stem = nn.Conv2d(3, 16, 3, stride=4, padding=1)
        self.left = nn.Conv2d(16, 16, 3, padding=1, groups=16 if operator == "depthwise" else 1)
        self.right = nn.Conv2d(16, 16, 1)
        self.neck = nn.Conv2d(32 if self.is_joined else 16, 24, 3, stride=2, padding=1)
        self.scores = nn.Conv2d(24, len(CLASSES) + 1, 3, padding=1)
        self.boxes = nn.Conv2d(24, 4, 3, padding=1)
        activations = {"silu": nn.SiLU(), "hardswish": nn.Hardswish()}
        self.activation = activations.get(operator, nn.ReLU())

    def forward(self, images: Tensor) -> Heads:
        """Map [N, 3, H, W] to the heads of H / 8 x W / 8 default boxes."""
        x = self.activation(self.stem(images))
        left, right = self.activation(self.left(x)), self.right(x)
        x = self.activation(self.neck(torch.cat((left, right), 1) if self.is_joined else left + right))
        n = images.shape[0]
        logits = 4 * self.scores(x).permute(0, 2, 3, 1).reshape(n, -1, len(CLASSES) + 1)  # [N, D, C]
        return Heads(class_logits=logits, box_offsets=self.boxes(x).permute(0, 2, 3, 1).reshape(n, -1, 4))


def graph_of_others(operator: str) -> tuple[onnx.ModelProto, Card]:
    """Make a small detector of one of `OPERATORS`, with its card."""
    torch.manual_seed(0)
    spec = InputSpec(height=_SIDE, width=_SIDE, mean=(127, 127, 127), std=(64, 64, 64))
    card = Card(kind="graph", network=operator, class_names=CLASSES, input=spec, postprocess=Postprocess())
    cells = _SIDE // _STRIDE
    rows, columns = np.divmod(np.arange(cells**2), cells)
    centres = (np.stack([columns, rows], 1) + 0.5) / cells
    boxes = np.concatenate([centres, np.full((cells**2, 2), 0.2)], 1).astype(np.float32)
    graph = network_graph(_OfOthers(operator).eval(), spec)
    return append_onnx_tail(graph, default_cxcywh=boxes, postprocess=card.postprocess), card


def untrained_graph(name: str, *, side: int | None = None) -> tuple[onnx.ModelProto, Card]:
    """Make the graph of a network of `NETWORKS` as it begins; its input has its usual side if none."""
    torch.manual_seed(0)
    usual = NETWORKS[name].input
    spec = usual.model_copy(update={} if side is None else {"height": side, "width": side})
    network = build_network(name, NetworkOptions(input_hw=(spec.height, spec.width), class_count=len(CLASSES))).eval()
    card = Card(
        kind="graph",
        task="detector" if isinstance(network, SSD) else "classifier",
        network=name,
        class_names=CLASSES,
        input=spec,
        postprocess=Postprocess(),
    )
    if not isinstance(network, SSD):
        return append_classifier_tail(network_graph(network, spec, heads=(CLASS_LOGITS,))), card
    boxes = network.default_cxcywh.numpy()
    graph = network_graph(network, spec)
    return append_onnx_tail(graph, default_cxcywh=boxes, postprocess=card.postprocess), card

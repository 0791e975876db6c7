"""Builds the SSD that speed is compared on: `python -m singleshot.tools.reference.reference_ssd OUT.onnx`.

ResNet-18 up to its third stage, which keeps 38 x 38 cells, five further maps, 8,732 default boxes, 20 classes and
300 x 300 pixels. The weights are random, scaled so that activations stay about 1 and few boxes are sure of anything:
the arithmetic of a trained detector, and none of its skill.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Card, InputSpec
from ...runtime.errors import InputError
from ...runtime.runners.contract import BOX_OFFSETS, CLASS_LOGITS, FRAMES
from ...train.networks.default_boxes import DefaultBoxSettings, default_boxes
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    import onnx

SIDE = 300
CLASSES = 20
MAP_SIDES = (38, 19, 10, 5, 3, 1)
BOXES = DefaultBoxSettings(
    scales=(0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05),
    aspect_ratios=((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
)
CARD = Card(
    kind="graph",
    network="reference_resnet18_ssd300",
    class_names=tuple(f"class {index}" for index in range(1, CLASSES + 1)),
    input=InputSpec(height=SIDE, width=SIDE, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
)
_STAGES = ((64, 1), (128, 2), (256, 1))
"""Channels and stride of ResNet-18's stages; the third keeps its size so that the finest map has 38 x 38 cells."""
_EXTRAS = ((256, 512, 2, 1), (256, 512, 2, 1), (128, 256, 2, 1), (128, 256, 1, 0), (128, 256, 1, 0))
"""Channels between and after, stride and padding of each further map's 3 x 3 convolution."""
_BACKGROUND = 5.0
"""Bias of the background's logit."""
_SUMMAND = 0.5
"""Gain of what is added in a residual block."""
_IR_VERSION = 10
"""As exported graphs have it."""


def reference_ssd(*, seed: int = 0) -> onnx.ModelProto:
    """Build the graph, frames to detections, N symbolic; the same seed gives the same graph."""
    from ...export.graphs.tail import append_onnx_tail

    build = _Build(seed)
    finest = build.trunk()
    maps = [finest]
    for number, (middle, channels, stride, padding) in enumerate(_EXTRAS):
        narrow = build.convolution(maps[-1], middle, f"extras.{number}.narrow", side=1)
        maps.append(build.convolution(narrow, channels, f"extras.{number}.wide", stride=stride, padding=padding))
    build.heads(maps)
    boxes = default_boxes([(side, side) for side in MAP_SIDES], BOXES)
    return append_onnx_tail(build.model(len(boxes)), default_cxcywh=boxes, postprocess=CARD.postprocess)


class _Build:
    """Nodes and constants of a graph that grows layer by layer."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._channels: dict[str, int] = {}

    def trunk(self) -> str:
        """Add preprocessing, ResNet-18's stem and three stages: [N, 256, 38, 38]."""
        image = self._preprocessing()
        stem = self.convolution(image, 64, "stem.conv", side=7, stride=2, padding=3)
        x = self._add("MaxPool", [stem], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        self._channels[x] = 64
        for number, (channels, stride) in enumerate(_STAGES, start=1):
            x = self._residual(x, channels, f"stages.{number}.0", stride=stride)
            x = self._residual(x, channels, f"stages.{number}.1", stride=1)
        return x

    def heads(self, maps: list[str]) -> None:
        """Add the class and box predictors of every map, joined to class_logits and box_offsets."""
        for name, width, scale in ((CLASS_LOGITS, CLASSES + 1, 0.35), (BOX_OFFSETS, 4, 0.6)):
            parts = []
            for number, (x, boxes) in enumerate(zip(maps, BOXES.boxes_per_cell, strict=True)):
                bias = np.zeros((boxes, width), np.float32)
                bias[:, 0] = _BACKGROUND if name == CLASS_LOGITS else 0
                emitted = self.convolution(
                    x,
                    boxes * width,
                    f"{name}.{number}.predictor",
                    has_activation=False,
                    gain=scale,
                    bias=bias.reshape(-1),
                )
                last = self._add("Transpose", [emitted], perm=[0, 2, 3, 1])
                parts.append(self._add("Reshape", [last, self._constant(f"{name}_shape", [0, -1, width], np.int64)]))
            self._add("Concat", parts, output=name, axis=1)

    def convolution(
        self,
        x: str,
        channels: int,
        path: str,
        *,
        side: int = 3,
        stride: int = 1,
        padding: int | None = None,
        has_activation: bool = True,
        gain: float = 1.0,
        bias: NDArray[np.float32] | None = None,
    ) -> str:
        """Add a convolution, and a ReLU unless told otherwise; He's initialization times `gain`."""
        inside = self._channels.get(x, 3)
        deviation = gain * np.sqrt(2 / (inside * side * side))
        weight = self._constant(
            f"{path}.weight", self._rng.normal(0, deviation, (channels, inside, side, side)), np.float32
        )
        added = self._rng.normal(0, 0.1, channels) if bias is None else bias
        pads = [side // 2 if padding is None else padding] * 4
        result = self._add(
            "Conv",
            [x, weight, self._constant(f"{path}.bias", added, np.float32)],
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=pads,
        )
        if has_activation:
            result = self._add("Relu", [result])
        self._channels[result] = channels
        return result

    def model(self, box_count: int) -> onnx.ModelProto:
        """Close the graph."""
        from onnx import TensorProto, helper, numpy_helper

        from ...export.graphs.tail import OPSET

        frames = helper.make_tensor_value_info(FRAMES, TensorProto.UINT8, ["N", SIDE, SIDE, 3])
        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", box_count, width])
            for name, width in ((CLASS_LOGITS, CLASSES + 1), (BOX_OFFSETS, 4))
        ]
        constants = [numpy_helper.from_array(values, name) for name, values in self._constants.items()]
        graph = helper.make_graph(self._nodes, CARD.network, [frames], outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)

    def _preprocessing(self) -> str:
        from onnx import TensorProto

        floats = self._add("Cast", [FRAMES], to=TensorProto.FLOAT)
        planes = self._add("Transpose", [floats], perm=[0, 3, 1, 2])
        rgb = self._add("Gather", [planes, self._constant("rgb", [2, 1, 0], np.int64)], axis=1)
        mean = self._constant("mean", np.reshape(CARD.input.mean, (1, 3, 1, 1)), np.float32)
        std = self._constant("std", np.reshape(CARD.input.std, (1, 3, 1, 1)), np.float32)
        return self._add("Div", [self._add("Sub", [rgb, mean]), std])

    def _residual(self, x: str, channels: int, path: str, *, stride: int) -> str:
        """Add a basic block; the branch adds little, so that the sum stays about 1."""
        first = self.convolution(x, channels, f"{path}.conv1", stride=stride)
        second = self.convolution(first, channels, f"{path}.conv2", has_activation=False, gain=_SUMMAND)
        if stride > 1 or self._channels[x] != channels:
            x = self.convolution(
                x, channels, f"{path}.projection", side=1, stride=stride, has_activation=False, gain=_SUMMAND
            )
        result = self._add("Relu", [self._add("Add", [second, x])])
        self._channels[result] = channels
        return result

    def _add(self, operator: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = output or f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def _constant(self, name: str, values: Any, dtype: type[np.generic]) -> str:
        self._constants[name] = np.asarray(values, dtype)
        return name


def main(arguments: list[str]) -> None:
    """Write the graph to the one path given.

    Raises:
        InputError: there is not one path, or it cannot be written to.
    """
    from ...runtime.require import require

    require("onnx", extra="export", why="building a graph")
    from ...export.graphs.graph_file import save_graph
    from ...runtime.files import whole_file

    if len(arguments) != 1 or not arguments[0].endswith(".onnx"):
        raise InputError(f"arguments: expected one path that ends in .onnx, got {' '.join(arguments) or 'none'}.")
    path = Path(arguments[0])
    with whole_file(path) as temporary:
        save_graph(reference_ssd(), CARD, temporary)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {SIDE} x {SIDE}, {CLASSES} classes, random weights")


if __name__ == "__main__":
    with exit_codes():
        main(sys.argv[1:])

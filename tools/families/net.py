"""Compact random networks in ONNX whose heads answer to pictures: what follows them is a family's output style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...runtime.card import InputSpec
from ...runtime.generated_frames import generated_frames
from ...runtime.runners.quiet_session import open_quietly

Array = NDArray[Any]
"""Any because shapes and places are integers, weights floats."""

Target = tuple[float | Sequence[float], float | Sequence[float]]
"""Mean and spread of a head's values, one for all columns or one for each."""

OPSET = 17
_WIDTH = 24
_IR_VERSION = 8


class Net:
    """A graph that grows, its weights random and the same each time.

    Args:
        side: of the square picture, in pixels.
        channels_last: whether it is [1, H, W, 3].
        uint8: whether it is so, else float32.
        brightest: value of white.
    """

    def __init__(self, side: int, *, channels_last: bool = False, uint8: bool = False, brightest: float = 1.0) -> None:
        self.side = side
        self._brightest = brightest
        self._rng = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, Array] = {}
        self._heads: dict[str, Target] = {}
        self._shape = [1, side, side, 3] if channels_last else [1, 3, side, side]
        self._kind = TensorProto.UINT8 if uint8 else TensorProto.FLOAT
        self._sizes: list[onnx.ValueInfoProto] = []
        value = "images"
        if uint8:
            value = self.add("Div", [self.add("Cast", [value], to=TensorProto.FLOAT), self.constant(np.float32(255))])
        self._picture = self.add("Transpose", [value], perm=[0, 3, 1, 2]) if channels_last else value

    def add(
        self, operator: str, inputs: Sequence[str], *, results: int = 1, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node and name its first result; others are called NAME_1 and so on. `attributes` are onnx's own."""
        name = f"n{len(self._nodes)}"
        names = [name, *(f"{name}_{place}" for place in range(1, results))]
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=name, domain=domain, **attributes))
        return name

    def constant(self, value: Array | np.generic) -> str:
        name = f"c{len(self._weights)}"
        self._weights[name] = np.asarray(value)
        return name

    def conv(self, value: str, channels: int, out: int, *, stride: int = 1, size: int = 3) -> str:
        """Convolve and cut at 0."""
        spread = np.sqrt(2 / (channels * size * size))
        weight = self._rng.normal(0, spread, (out, channels, size, size)).astype(np.float32)
        made = self.add(
            "Conv",
            [value, self.constant(weight), self.constant(np.zeros(out, np.float32))],
            kernel_shape=[size] * 2,
            strides=[stride] * 2,
            pads=[size // 2] * 4,
        )
        return self.add("Relu", [made])

    def pyramid(self, strides: Sequence[int]) -> dict[int, str]:
        """Give maps of these strides, powers of two, ascending; sides are rounded up."""
        value, channels, stride, maps = self._picture, 3, 1, {}
        while stride < max(strides):
            value, channels, stride = self.conv(value, channels, _WIDTH, stride=2), _WIDTH, 2 * stride
            value = self.conv(value, _WIDTH, _WIDTH)
            if stride in strides:
                maps[stride] = value
        return maps

    def head(self, value: str, columns: int, *, target: Target) -> str:
        """Convolve to values of about this mean and spread on pictures: [1, columns, h, w]."""
        weight = self._rng.normal(0, 1, (columns, _WIDTH, 1, 1)).astype(np.float32)
        names = [self.constant(weight), self.constant(np.zeros(columns, np.float32))]
        made = self.add("Conv", [value, *names], kernel_shape=[1, 1])
        self._heads[made] = target
        return made

    def rows(self, value: str, anchors: int = 1) -> str:
        """Turn [1, anchors * columns, h, w] into [1, h * w * anchors, columns]."""
        last = self.add("Transpose", [value], perm=[0, 2, 3, 1])
        return self.reshape(last, [1, -1, self._columns(value) // anchors])

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        return self.add("Reshape", [value, self.constant(np.array(shape, np.int64))])

    def take_size(self, name: str, kind: int, columns: int = 2) -> None:
        """Add an input beside the picture that tells its size."""
        self._sizes.append(helper.make_tensor_value_info(name, kind, [1, columns]))

    def model(
        self,
        outputs: Mapping[str, str],
        *,
        inner: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        domain: str = "",
    ) -> onnx.ModelProto:
        """Finish: outputs and inner tensors by their names, weights of heads fitted to what they see."""
        renamed = {value: name for name, value in {**outputs, **(inner or {})}.items()}
        for node in self._nodes:
            node.input[:] = [renamed.get(value, value) for value in node.input]
            node.output[:] = [renamed.get(value, value) for value in node.output]
        self._fit({renamed.get(name, name): target for name, target in self._heads.items()})
        opsets = [helper.make_opsetid("", OPSET), *([helper.make_opsetid(domain, 1)] if domain else [])]
        model = helper.make_model(self._graph(list(outputs)), opset_imports=opsets, ir_version=_IR_VERSION)
        helper.set_model_props(model, dict(metadata or {}))
        return model

    def _graph(self, names: Sequence[str]) -> onnx.GraphProto:
        return helper.make_graph(
            self._nodes,
            "stand-in",
            [helper.make_tensor_value_info("images", self._kind, self._shape), *self._sizes],
            [onnx.ValueInfoProto(name=name) for name in names],
            [numpy_helper.from_array(value, name) for name, value in self._weights.items()],
        )

    def _columns(self, value: str) -> int:
        (node,) = (node for node in self._nodes if value in node.output)
        return len(self._weights[node.input[2]])

    def _fit(self, heads: Mapping[str, Target]) -> None:
        """Scale each head's columns to their mean and spread on patterns."""
        graph = self._graph(list(heads))
        needed = set(heads)
        kept = []
        for node in reversed(graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        del graph.node[:], graph.input[1:]
        graph.node.extend(reversed(kept))
        session = open_quietly(
            helper.make_model(
                graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION
            ).SerializeToString()
        )
        spec = InputSpec(height=self.side, width=self.side, mean=(0, 0, 0), std=(1, 1, 1))
        seen: dict[str, list[Array]] = {name: [] for name in heads}
        for frame in generated_frames(spec):
            image: Array = frame[None] if self._shape[3] == 3 else frame[None].transpose(0, 3, 1, 2)
            image = image if self._kind == TensorProto.UINT8 else (image * (self._brightest / 255)).astype(np.float32)
            for name, value in zip(heads, session.run(list(heads), {"images": image}), strict=True):
                seen[name].append(value)
        for node in self._nodes:
            if node.output[0] in heads:
                values = np.concatenate(seen[node.output[0]]).transpose(1, 0, 2, 3)
                values = values.reshape(len(values), -1)
                mean, spread = (_for_columns(value, len(values)) for value in heads[node.output[0]])
                factor = spread / np.maximum(values.std(axis=1), 1e-6)
                self._weights[node.input[1]] = (self._weights[node.input[1]] * factor[:, None, None, None]).astype(
                    np.float32
                )
                self._weights[node.input[2]] = (mean - values.mean(axis=1) * factor).astype(np.float32)


def _for_columns(value: float | Sequence[float], columns: int) -> Array:
    """Give a value for each column; those of one anchor are those of all."""
    given = np.atleast_1d(np.asarray(value, np.float32))
    return np.tile(given, columns // len(given))


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write it."""
    onnx.save(model, str(path))
    return path

"""Which convolutions of a graph can be quantized, and which of them belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...runtime.runners.contract import CLASS_LOGITS

if TYPE_CHECKING:
    import onnx

TAIL = "tail/"
"""How the names of post-processing begin; its arithmetic is never quantized."""
ACTIVATIONS = frozenset(
    {"Clip", "Elu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "PRelu", "Relu", "Sigmoid", "Tanh"}
)
"""What may stand between two convolutions of one block; Mul with Sigmoid is SiLU."""
_FLOAT32 = 1
"""ONNX's number of the type."""
_LAST_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, kw_only=True)
class Block:
    """Convolutions that are quantized together or not at all: a residual block, a branch of a head, a single layer.

    Args:
        name: after the path that its weights' names share, as in `network.trunk.stages.1.0`; where they share none,
            after its convolutions.
        convolutions: names of its nodes, in the order of the graph.
    """

    name: str
    convolutions: tuple[str, ...]


def blocks_of(model: onnx.ModelProto) -> tuple[Block, ...]:
    """Group the convolutions that can be quantized.

    Two convolutions are of one block where nothing but an activation lies between them and nobody else reads there,
    or where their sum is taken and both start from the same tensor (a residual block with its projection). The
    layers that give the scores are in no block: they stay in float.

    Returns:
        Blocks with unique names, in the order of the graph.
    """
    reading = GraphReading(model)
    groups = _Groups()
    for node in reading.quantizable:
        groups.add(name_of(node))
    for node in reading.quantizable:
        before = reading.convolution_before(node.input[0])
        if before is not None and name_of(before) in groups:
            groups.join(name_of(before), name_of(node))
    for first, second in reading.projections():
        groups.join(first, second)
    weights = {name_of(node): node.input[1] for node in reading.quantizable}
    named: dict[str, Block] = {}
    for members in groups:
        name = _path_of([weights[member] for member in members]) or " to ".join(
            dict.fromkeys((members[0], members[-1]))
        )
        unique = name if name not in named else f"{name}, {members[0]}"
        named[unique] = Block(name=unique, convolutions=members)
    return tuple(named.values())


class GraphReading:
    """A graph with its tensors followed both ways.

    Args:
        model: float32; it must not change while it is read.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.producers = {name: node for node in self.graph.node for name in node.output}
        self.constants = {item.name: item for item in self.graph.initializer}
        self.reads = Counter(name for node in self.graph.node for name in set(node.input))
        """How many nodes read a tensor."""

    @cached_property
    def quantizable(self) -> list[onnx.NodeProto]:
        """The convolutions with constant weights, but for those of the tail and those that give the scores."""
        last = self._score_layers()
        return [
            node
            for node in self.graph.node
            if node.op_type == "Conv"
            and not node.name.startswith(TAIL)
            and name_of(node) not in last
            and node.input[1] in self.constants
            and self.constants[node.input[1]].data_type == _FLOAT32
        ]

    def convolution_before(self, name: str) -> onnx.NodeProto | None:
        """Find the convolution whose result an activation alone hands on as this tensor, to one reader."""
        node = self.producers.get(name)
        if node is None or node.op_type not in ACTIVATIONS:
            return None
        readers = self.reads[name]
        while node is not None and node.op_type in ACTIVATIONS:
            if readers != 1:
                return None
            source = next((item for item in node.input if item and item not in self.constants), "")
            # Mul and Sigmoid of SiLU read the same tensor: two readers that are one activation.
            readers = self.reads[source] - (node.op_type == "Mul")
            node = self.producers.get(source if node.op_type != "Mul" else self._factor(node))
        return node if node is not None and node.op_type == "Conv" and readers == 1 else None

    def chain_to(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """List the convolutions that lead to one with nothing but activations between them, the first one first."""
        chain = [node]
        while (before := self.convolution_before(chain[0].input[0])) is not None:
            chain.insert(0, before)
        return chain

    def residual_inputs(self) -> Iterator[tuple[onnx.NodeProto, str, onnx.NodeProto]]:
        """Give (sum, its residual input, the convolution of its other input) of every sum that has them.

        Where both inputs come straight from convolutions, the residual is the one that others read too (the block's
        own input), else the one with fewer convolutions before it (a projection), else the one computed first.
        """
        order = {name: place for place, node in enumerate(self.graph.node) for name in node.output}

        def rank(name: str) -> tuple[bool, int, int]:
            return self.reads[name] == 1, len(self.chain_to(self.producers[name])), order[name]

        for node in self.graph.node:
            if node.op_type != "Add" or node.name.startswith(TAIL) or any(x in self.constants for x in node.input):
                continue
            convolved = [x for x in node.input if (p := self.producers.get(x)) is not None and p.op_type == "Conv"]
            if not convolved or len(set(node.input)) != 2:
                continue
            main = max(convolved, key=rank)
            residual = next(x for x in node.input if x != main)
            yield node, residual, self.producers[main]

    def projections(self) -> Iterator[tuple[str, str]]:
        """Give the pairs (projection, last convolution of the block) of residual blocks whose shortcut convolves."""
        names = {name_of(node) for node in self.quantizable}
        for _, residual, main in self.residual_inputs():
            shortcut = self.producers.get(residual)
            if shortcut is None or shortcut.op_type != "Conv" or not {name_of(shortcut), name_of(main)} <= names:
                continue
            if self.chain_to(main)[0].input[0] == shortcut.input[0]:
                yield name_of(shortcut), name_of(main)

    def _factor(self, node: onnx.NodeProto) -> str:
        """Find what x * sigmoid(x) is of; for another product its first varying factor."""
        inputs = [item for item in node.input if item not in self.constants]
        for item in inputs:
            gate = self.producers.get(item)
            if gate is not None and gate.op_type in {"Sigmoid", "HardSigmoid"} and gate.input[0] in inputs:
                return str(gate.input[0])
        return str(inputs[0]) if len(inputs) == 1 else ""

    def _score_layers(self) -> set[str]:
        """Name the layers that nothing but reshaping separates from the scores."""
        waiting = [CLASS_LOGITS] if CLASS_LOGITS in self.producers else [value.name for value in self.graph.output]
        found, seen = set(), set()
        while waiting:
            node = self.producers.get(waiting.pop())
            if node is None or name_of(node) in seen:
                continue
            seen.add(name_of(node))
            if node.op_type in _LAST_LAYERS and not node.name.startswith(TAIL):
                found.add(name_of(node))
            else:
                waiting.extend(node.input)
        return found


def name_of(node: onnx.NodeProto) -> str:
    """Name a node; one without a name goes by its first output, which is unique in a graph."""
    return node.name or node.output[0]


class _Groups:
    """Disjoint sets of names, kept in the order in which they came."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._leader

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        members: dict[str, list[str]] = {}
        for name, leader in self._leader.items():
            members.setdefault(leader, []).append(name)
        return (tuple(group) for group in members.values())

    def add(self, name: str) -> None:
        self._leader[name] = name

    def join(self, first: str, second: str) -> None:
        kept, given_up = self._leader[first], self._leader[second]
        self._leader.update({name: kept for name, leader in self._leader.items() if leader == given_up})


def _path_of(weights: list[str]) -> str:
    """Find the path that weights' names share: that of `a.b.conv1.weight` and `a.b.conv2.weight` is `a.b`."""
    paths = [re.split(r"[./]", name)[:-1] for name in weights]
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)

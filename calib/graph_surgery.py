"""What is done to a graph's nodes whatever it computes: taking out what nobody needs, looking at what is inside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.require import require
from ..runtime.runners.contract import FRAMES
from ..runtime.runners.quiet_session import open_quietly

if TYPE_CHECKING:
    import onnx

InnerRun = Callable[[NDArray[np.uint8]], dict[str, NDArray[Any]]]
"""From frames [N, H, W, 3] uint8 BGR to tensors by name; `Any` because each has its own type."""


def open_inner(model: onnx.ModelProto, names: Sequence[str]) -> InnerRun:
    """Open a graph on the CPU so that it gives any of its tensors.

    Args:
        model: its one input is `frames`.
        names: of inner tensors or outputs; nothing that only other outputs need is computed.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    onnx = require("onnx", extra="export", why="looking into a graph")
    changed = copy.deepcopy(model)
    del changed.graph.output[:]
    changed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_quietly(changed.SerializeToString())

    def run(frames: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(list(names), {FRAMES: frames}), strict=True))

    return run


def drop_unused(graph: onnx.GraphProto, needed: Collection[str], *, given: Collection[str] = ()) -> None:
    """Take out the nodes and constants that are not needed to compute some tensors.

    Args:
        graph: its nodes in topological order, as `onnx.checker` demands; it is changed.
        needed: names of the tensors.
        given: names of tensors that are at hand, so that nothing need compute them.
    """
    read = set(needed)
    kept = []
    for node in reversed(graph.node):
        if read.intersection(node.output).difference(given):
            read.update(read_by(node))
            kept.append(node)
    constants = [item for item in graph.initializer if item.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Go through a graph's nodes, those of its branches and loops included."""
    for node in graph.node:
        yield node
        for branch in _branches_of(node):
            yield from all_nodes(branch)


def read_by(node: onnx.NodeProto) -> set[str]:
    """Name what a node reads, in its branches too, which read from the graph around them."""
    names = set(node.input)
    for branch in _branches_of(node):
        names.update(value.name for value in branch.output)
        names.update(name for inner in all_nodes(branch) for name in inner.input)
    return names


def _branches_of(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs

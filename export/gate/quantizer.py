"""Makes quantized candidates of one graph for the accuracy gate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import onnx

from ...runtime.card import Card
from ...runtime.precision import Precision
from ..graphs.graph_file import save_graph
from .judge import Candidate


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """Makes the candidates.

    Args:
        methods: range estimators to try.
        blocks: names of the blocks that may be kept in float, in the order of the graph.
        build: gives the graph for a method and the blocks to keep.
        card: that the graphs carry while they are tried.
        folder: for these graphs; the caller removes it.
    """

    methods: tuple[str, ...]
    blocks: tuple[str, ...]
    build: Callable[[str, Collection[str]], onnx.ModelProto]
    card: Card
    folder: Path

    def candidate(self, method: str, kept_float: Sequence[str] = ()) -> Candidate:
        """Write the graph and name it."""
        path = Path(mkdtemp(dir=self.folder)) / "candidate.onnx"
        save_graph(self.build(method, kept_float), self.card, path)
        return Candidate(name=self.name(method, kept_float), path=path, method=method, kept_float=tuple(kept_float))

    def name(self, method: str, kept_float: Sequence[str] = ()) -> str:
        """Name a graph for tables."""
        kept = f", {len(kept_float)} of {len(self.blocks)} blocks in float" if kept_float else ""
        return f"{method if method == Precision.FP16 else f'int8 {method}'}{kept}"

"""A graph becomes a file that carries its card."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from ...runtime.card import CARD_KEY, Card


def save_graph(graph: onnx.ModelProto, card: Card, path: Path) -> None:
    """Write a graph with its card in the metadata."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, str(path))

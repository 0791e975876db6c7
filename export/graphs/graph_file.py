"""A graph becomes a file that carries its card."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import onnx
from onnx import helper

from ...runtime.card import CARD_KEY, Card, derived_origin, sha256_of_file


def save_graph(graph: onnx.ModelProto, card: Card, path: Path) -> None:
    """Write a graph with its card in the metadata."""
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, str(path))


_PACKAGES = ("torch", "onnx", "onnxruntime")


def graph_card(parent: Card, checkpoint_path: Path) -> Card:
    """Take over what holds for the graph as well, and say where it came from.

    Args:
        parent: the checkpoint's card.
        checkpoint_path: its file.
    """
    return parent.model_copy(
        update={
            "kind": "graph",
            "origin": derived_origin(
                parent.origin,
                sha256_of_file(checkpoint_path),
                settings=parent.origin.settings,
                packages={**parent.origin.packages, **{name: version(name) for name in _PACKAGES}},
            ),
            "measurements": tuple(
                item.model_copy(update={"note": f"{item.note}, of the checkpoint".removeprefix(", ")})
                for item in parent.measurements
            ),
        }
    )

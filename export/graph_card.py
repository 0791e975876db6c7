"""The card of a graph that was made from a checkpoint."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ..runtime.card import Card, derived_origin, sha256_of_file

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

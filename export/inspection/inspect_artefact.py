"""What an artefact is, read from the file itself: foreign graphs as well as our own."""

from __future__ import annotations

from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import StrPath
from .facts import Inspection
from .graphs import inspect_graph


def inspect_artefact(path: StrPath) -> Inspection:
    """Look into a checkpoint, a graph with or without a card, or an engine with its card beside it.

    Raises:
        InputError: the file is missing, broken, or of another kind.
        MissingDependencyError: it is a checkpoint and PyTorch is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return inspect_graph(path)
    if suffix == ".ckpt":
        from ...runtime.require import require

        require("torch", extra="train", why="looking into a checkpoint")
        from .checkpoints import inspect_checkpoint

        return inspect_checkpoint(path)
    if suffix == ".engine":
        from .engines import inspect_engine

        return inspect_engine(path)
    raise InputError(
        f"{path}: expected a graph (.onnx), a checkpoint (.ckpt) or an engine (.engine), "
        f"got the suffix {path.suffix or 'none'!r}."
    )

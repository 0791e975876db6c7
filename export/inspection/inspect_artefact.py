"""What an artefact is, read from the file itself: foreign graphs as well as our own."""

from __future__ import annotations

from pathlib import Path

from ...runtime.engines.engine_checks import card_path_of
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from .facts import Inspection
from .graphs import inspect_graph


def inspect_artefact(path: StrPath, *, trust: bool = False) -> Inspection:
    """Look into a checkpoint, or a graph or an engine, with or without a card.

    Args:
        path: the file.
        trust: deserialise an engine of TensorRT that this user did not build, where nothing else tells what is in it.

    Raises:
        InputError: the file is missing, broken, or of another kind.
        MissingDependencyError: PyTorch, or TensorRT for an engine of it without a card, is not installed.
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
        from .plans import inspect_plan

        return inspect_engine(path) if card_path_of(path).exists() else inspect_plan(path, trust=trust)
    raise InputError(
        f"{path}: expected a graph (.onnx), a checkpoint (.ckpt) or an engine (.engine), "
        f"got the suffix {path.suffix or 'none'!r}."
    )

"""What an inspection tells of an artefact."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ...runtime.card import Card
from ...runtime.precision import Precision
from .operations import Operations


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """An input or output. `shape` holds sizes, or names where a size is not fixed."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file holds.

    Args:
        path: the file.
        kind: which of the states of a detector it is.
        size_bytes: of the file, and of the files beside it that hold its weights.
        sha256: of the file.
        format: format and its version, for people.
        precision: of the network's arithmetic.
        card: none where the file has none; `card_problem` then says why.
        card_problem: one sentence, empty where there is a card.
        inputs: in the file's order.
        outputs: in the file's order.
        operators: (name, count), most frequent first; a checkpoint's are the layers of its network, an engine's its
            convolutions by type and its kernel launches.
        parameters: numbers in floating-point and 8-bit constants, or the checkpoint's parameters; None of an engine
            whose graph is not at hand.
        operations: multiply-adds of one frame.
        other_files: names of the files beside it that hold its weights.
    """

    path: Path
    kind: Literal["graph", "checkpoint", "engine"]
    size_bytes: int
    sha256: str
    format: str
    precision: Precision
    card: Card | None
    card_problem: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[tuple[str, int], ...]
    parameters: int | None
    operations: Operations
    other_files: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        content = asdict(self)  # leaves the card as it is: it is no dataclass
        content["path"] = str(self.path)
        content["card"] = None if self.card is None else self.card.model_dump(mode="json")
        content["operators"] = dict(self.operators)
        content["operations"]["gflops"] = self.operations.gflops
        return content

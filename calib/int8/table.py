"""The calibration table: the range of every tensor that is quantized, and what it was measured with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...runtime.card import InputSpec
from ...runtime.errors import InputError
from ...runtime.files import StrPath, whole_file

Method = Literal["minmax", "percentile", "entropy", "mse"]
METHODS: tuple[Method, ...] = ("minmax", "percentile", "entropy", "mse")

_MEND = "Leave --table out to measure the ranges anew."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorRange(_Part):
    """What one tensor did over all images."""

    low: float
    """Least value seen."""
    high: float
    """Greatest value seen."""
    limit: Annotated[float, Field(ge=0)]
    """Magnitude that the method gives the greatest step of int8; what lies beyond is clipped."""

    @property
    def is_constant(self) -> bool:
        """Whether every value was the same, which says nothing about a range."""
        return self.low == self.high


class ImagesRecord(_Part):
    """Which images were used, so that the same ones can be told again."""

    count: int
    """Asked for; fewer were used where fewer differed."""
    seed: int
    listed_sha256: str
    """Of the names of all images that there were to choose from."""
    sha256_of: dict[str, str]
    """Name of each image used -> sha256 of its pixels as they were read."""

    def difference(self, other: ImagesRecord) -> str | None:
        """Say in what another record differs; None if in nothing."""
        for what in ("count", "seed"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                return f"the {what} {mine}, not {theirs}"
        if self.listed_sha256 != other.listed_sha256:
            return "a folder or video that lists other images"
        missing = next((name for name in self.sha256_of if name not in other.sha256_of), None)
        if missing is not None:
            return f"the image {missing}, which cannot be read now"
        changed = next((name for name, sha256 in self.sha256_of.items() if other.sha256_of[name] != sha256), None)
        return None if changed is None else f"an image {changed} of other pixels"


class CalibrationTable(_Part):
    """Ranges by one method, with fingerprints of everything that they depend on."""

    format: Literal[1] = 1
    kind: Literal["calibration table"] = "calibration table"
    method: Method
    graph_sha256: str
    """Of the graph without its metadata: its card may change, its weights and operators may not."""
    preprocessing: InputSpec
    images: ImagesRecord
    ranges: dict[str, TensorRange]
    """By the tensor's name."""

    def to_json(self) -> str:
        """Serialise; `load_table` restores an equal table."""
        return self.model_dump_json(indent=1)

    @property
    def sha256(self) -> str:
        """Fingerprint of the whole table."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def check(
        self, *, source: str, graph_sha256: str, preprocessing: InputSpec, method: str, images: ImagesRecord
    ) -> None:
        """Refuse to be reused for anything else than what the ranges were measured with.

        Args:
            source: the table's name, for the error.
            graph_sha256: of the graph to be quantized.
            preprocessing: of its card.
            method: asked for.
            images: those of this table as they are now, and the count and seed asked for.

        Raises:
            InputError: something differs; the text says what.
        """
        reason = None
        if self.graph_sha256 != graph_sha256:
            reason = f"one of another graph (sha256 {self.graph_sha256[:12]}, not {graph_sha256[:12]})"
        elif self.preprocessing != preprocessing:
            reason = f"one of another preprocessing ({_first_difference(self.preprocessing, preprocessing)})"
        elif self.method != method:
            reason = f"one of the method {self.method}, not {method}"
        elif (difference := self.images.difference(images)) is not None:
            reason = f"one of {difference}"
        if reason is not None:
            raise InputError(
                f"{source}: expected a table of this graph, these images and this method, got {reason}. {_MEND}"
            )


def load_table(path: StrPath) -> CalibrationTable:
    """Read a table.

    Raises:
        InputError: the file is missing or holds no table.
    """
    path = Path(path)
    try:
        return CalibrationTable.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: expected a calibration table, got {error.strerror}. Check --table.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise InputError(f"{path}: expected a calibration table, got one where {problem}. {_MEND}") from error


def save_table(table: CalibrationTable, path: StrPath) -> None:
    """Write a table as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    path = Path(path)
    with whole_file(path) as temporary:
        temporary.write_text(table.to_json() + "\n", encoding="utf-8")


def _first_difference(mine: InputSpec, theirs: InputSpec) -> str:
    name = next(name for name in InputSpec.model_fields if getattr(mine, name) != getattr(theirs, name))
    return f"{name} {getattr(mine, name)}, not {getattr(theirs, name)}"

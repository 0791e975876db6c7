"""The precisions that a network is computed in: one list, of which every part takes what it can do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from .errors import InputError


class Precision(str, Enum):
    """What most of a network is computed in, from fine to coarse; flags, cards and file names say it by its value.

    The spellings of earlier versions and of other libraries are read too: `Precision("float16")`.
    """

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"

    __str__ = str.__str__

    @property
    def dtype(self) -> str:
        """Name it as numpy and PyTorch do, and as a sentence does: `a float32 graph`."""
        return _DTYPES[self]

    @classmethod
    def _missing_(cls, value: object) -> Precision | None:
        return _OTHER_SPELLINGS.get(value) if isinstance(value, str) else None


_DTYPES = {
    Precision.FP32: "float32",
    Precision.FP16: "float16",
    Precision.BF16: "bfloat16",
    Precision.INT8: "int8",
}
_OTHER_SPELLINGS = {"f32": Precision.FP32, "f16": Precision.FP16} | {name: item for item, name in _DTYPES.items()}
"""`f32` stands in cards and `float32` in settings of earlier versions."""


def precision_named(name: str, allowed: Iterable[Precision], *, argument: str = "precision") -> Precision:
    """Read a precision that a person named, in any spelling.

    Raises:
        InputError: it is none of the allowed ones.
    """
    try:
        found = Precision(name)
    except ValueError:
        found = None
    if found is None or found not in allowed:
        raise InputError(f"{argument}: expected one of {', '.join(allowed)}, got {name!r}.")
    return found

"""Which floating-point numbers a run computes in, by what the device has."""

from __future__ import annotations

from typing import Literal

import torch

from ..runtime.errors import InputError
from ..runtime.machine import cpu_features, read_cpuinfo
from .settings import Precision

_CPU_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of processors that multiply in bfloat16; others imitate it, at a loss of time."""

_LIGHTNING: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}


def resolved_precision(precision: Precision) -> Precision:
    """Replace `auto` by the first of bfloat16, float16 and float32 that the device computes fast in.

    Raises:
        InputError: float16 was asked for where there is no GPU: its gradients need scaling that only GPUs have.
    """
    has_gpu = torch.cuda.is_available()
    if precision == "float16" and not has_gpu:
        raise InputError(
            "precision: expected float32 or bfloat16 on a machine without a CUDA device, got float16. "
            "Take bfloat16, or auto for what the machine has."
        )
    if precision != "auto":
        return precision
    if has_gpu:
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if _CPU_BFLOAT16 & set(cpu_features(read_cpuinfo())) else "float32"


def lightning_precision(precision: Precision) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Give Lightning's name of a precision that is not `auto`."""
    return _LIGHTNING[precision]

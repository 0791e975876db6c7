"""Which floating-point numbers a run computes in, by what the device has."""

from __future__ import annotations

from typing import Literal

import torch

from ..runtime.errors import InputError
from ..runtime.machine import cpu_features, read_cpuinfo
from ..runtime.precision import Precision

_CPU_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of processors that multiply in bfloat16; others imitate it, at a loss of time."""

_LIGHTNING: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    Precision.FP32: "32-true",
    Precision.BF16: "bf16-mixed",
    Precision.FP16: "16-mixed",
}


def resolved_precision(precision: Literal["auto"] | Precision) -> Precision:
    """Replace `auto` by the first of bf16, fp16 and fp32 that the device computes fast in.

    Raises:
        InputError: fp16 was asked for where there is no GPU: its gradients need scaling that only GPUs have.
    """
    has_gpu = torch.cuda.is_available()
    if precision == Precision.FP16 and not has_gpu:
        raise InputError(
            "precision: expected fp32 or bf16 on a machine without a CUDA device, got fp16. "
            "Take bf16, or auto for what the machine has."
        )
    if precision != "auto":
        return precision
    if has_gpu:
        return Precision.BF16 if torch.cuda.is_bf16_supported(including_emulation=False) else Precision.FP16
    return Precision.BF16 if _CPU_BFLOAT16 & set(cpu_features(read_cpuinfo())) else Precision.FP32


def lightning_precision(precision: Literal["auto"] | Precision) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Give Lightning's name of a precision that is not `auto`."""
    return _LIGHTNING[Precision(precision)]

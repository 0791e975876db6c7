"""The kernel program inside a TensorRT-RTX plan, read as text.

RTX compiles a plan's kernels for the GPU when it first runs; until then the plan holds their program readably. So
launches and precisions can be counted on a machine without a GPU. The format is not documented and may change: what
cannot be told is said to be unknown, never guessed.

A convolution stands there in one of three ways: by itself, as `corrltn` or `deconvolution`; within a `runtime_fusion`
around a `backbone` of either, with whatever follows it (an activation, a residual sum, a cast); or, where it is 1x1, as
a product `from_conv`, by itself or within a fusion. What a fused kernel gives, and the residual that it adds, can
be of another type than the convolution; its weights never are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "unknown"
"""Type of a convolution whose kernel does not tell what it computes in."""
_START = b"header {\n"
_LAUNCH = re.compile(
    rb"^ *(?:function|runtime_function|runtime_fusion|corrltn|deconvolution|fully_connected|\w+pool)=\{", re.MULTILINE
)
_CONVOLUTION = re.compile(
    rb"^ *(?:(?:corrltn|deconvolution)=\{.*? input=\{(?P<plain>[^}]*)\}"
    rb"|fully_connected=\{.*? input=\{(?P<product>[^}]*)\}.*from_conv"
    rb"|runtime_fusion=\{ *name=(?P<name>\w+) .*?input_args=\{(?P<fused>[^}]*)\}"
    rb".*(?:from_conv.* backbone=gemm|backbone=(?:de)?conv)\b)",
    re.MULTILINE,
)
_STEP = re.compile(rb"Corr|Deco|Fc")
_TENSOR = re.compile(
    rb'^ *(?:sub_)?tensor=\{(?P<at>.*?) dims=\{(?P<dims>[^}]*)\}.* name="(?P<name>[^"]+)" .* type=(?P<kind>\w+) *\}$',
    re.MULTILINE,
)
_TARGETS = re.compile(rb"accelerators=\{([^}]*)\}")
_ANY_TARGET = [b"*"]
"""What the program of one fused kernel says, which stands in a plan beside the main one."""


@dataclass(frozen=True, kw_only=True)
class PlanProgram:
    """What a plan says of itself.

    Args:
        targets: compute capabilities that it was compiled for: `sm86`.
        launches: kernels that one run starts; copies and shape arithmetic are not counted.
        convolutions: how many convolutions, transposed ones too, read which type, which is the one that they compute
            in: `{"half": 110}`. Those that cannot be told are `unknown`.
    """

    targets: tuple[str, ...]
    launches: int
    convolutions: dict[str, int]


@dataclass(frozen=True)
class _Tensor:
    kind: str
    is_matrix: bool
    """Whether it is a constant of more than one number a channel: weights, no biases or scales."""


def read_plan_program(plan: bytes) -> PlanProgram | None:
    """Read the kernel program of a plan.

    Returns:
        The program, or None where the plan holds none that can be read.
    """
    targets: list[bytes] = []
    launches, convolutions = 0, Counter[str]()
    start = plan.find(_START)
    while start >= 0:
        end = plan.find(b"\0", start)
        program = plan[start:] if end < 0 else plan[start:end]
        found = _TARGETS.search(program)
        if found is not None and found[1].split() != _ANY_TARGET:
            targets = targets or found[1].split()
            launches += len(_LAUNCH.findall(program))
            convolutions += _convolutions(program)
        start = plan.find(_START, start + len(program))
    if not launches or not targets:
        return None
    return PlanProgram(
        targets=tuple(name.decode() for name in targets), launches=launches, convolutions=dict(convolutions)
    )


def _convolutions(program: bytes) -> Counter[str]:
    tensors = {
        found["name"]: _Tensor(
            found["kind"].decode(), b"const_payload_size" in found["at"] and _is_matrix(found["dims"])
        )
        for found in _TENSOR.finditer(program)
    }
    counts: Counter[str] = Counter()
    for kernel in _CONVOLUTION.finditer(program):
        is_fused = kernel["fused"] is not None
        names = re.findall(rb'"([^"]+)"', kernel["plain"] or kernel["product"] or kernel["fused"])
        read = [tensors.get(name) for name in names]
        steps = len(_STEP.findall(kernel["name"])) if is_fused else 1
        kind = _type_fused(read) if is_fused else _type_of(read[:2])  # behind data and weights stand scales and bias
        counts[kind if steps == 1 else UNKNOWN] += max(1, steps)
    return counts


def _is_matrix(dims: bytes) -> bool:
    sizes = [int(size) for size in dims.split()]
    return math.prod(sizes) > max(sizes, default=1)


def _type_fused(read: list[_Tensor | None]) -> str:
    """Name the type of the weights that a fused kernel reads; where it has no constant ones, of all that it reads."""
    weights = [tensor for tensor in read if tensor is not None and tensor.is_matrix]
    return _type_of(weights or read)


def _type_of(tensors: Sequence[_Tensor | None]) -> str:
    kinds = {tensor.kind if tensor is not None else UNKNOWN for tensor in tensors}
    return kinds.pop() if len(kinds) == 1 else UNKNOWN

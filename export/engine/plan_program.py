"""The kernel program inside a TensorRT-RTX plan, read as text.

RTX compiles a plan's kernels for the GPU when it first runs; until then the plan holds their program readably. So
launches and precisions can be counted on a machine without a GPU. The format is not documented and may change: what
cannot be read is `None`, never a guess.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_START = b"header {\n"
_LAUNCH = re.compile(rb"^ *(?:function|corrltn|runtime_fusion|runtime_function)=\{(.*)\}$", re.MULTILINE)
_CONVOLUTION = re.compile(rb'^ *corrltn=\{.*? input=\{ *"([^"]+)"', re.MULTILINE)
_FUSED_CONVOLUTION = re.compile(
    rb'^ *runtime_fusion=\{.* input_args=\{([^}]*)\} output_args=\{ *"([^"]+)".*_from_conv.* backbone=gemm',
    re.MULTILINE,
)
_TENSOR = re.compile(rb'^ *(?:sub_)?tensor=\{.* name="([^"]+)" .* type=(\w+) *\}$', re.MULTILINE)
_TARGETS = re.compile(rb"accelerators=\{([^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class PlanProgram:
    """What a plan says of itself.

    Args:
        targets: compute capabilities that it was compiled for: `sm86`.
        launches: kernels that one run starts; copies and shape arithmetic are not counted.
        convolutions: how many convolutions read which type, which is the one that they compute in: `{"half": 110}`.
    """

    targets: tuple[str, ...]
    launches: int
    convolutions: dict[str, int]


def read_plan_program(plan: bytes) -> PlanProgram | None:
    """Read the kernel program of a plan.

    Returns:
        The program, or None where the plan holds none that can be read.
    """
    start = plan.find(_START)
    if start < 0:
        return None
    end = plan.find(b"\0", start)
    program = plan[start:end]
    launches = len(_LAUNCH.findall(program))
    targets = _TARGETS.search(program)
    if not launches or targets is None:
        return None
    types = {name: kind.decode() for name, kind in _TENSOR.findall(program)}
    counts = Counter(types.get(source, "unknown") for source in _CONVOLUTION.findall(program))
    for sources, result in _FUSED_CONVOLUTION.findall(program):  # weights may come first
        is_int8 = any(types.get(name) == "int8" for name in re.findall(rb'"([^"]+)"', sources))
        counts["int8" if is_int8 else types.get(result, "unknown")] += 1
    return PlanProgram(
        targets=tuple(name.decode() for name in targets[1].split()), launches=launches, convolutions=dict(counts)
    )

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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

UNKNOWN = "unknown"
"""Type of a convolution whose kernel does not tell what it computes in."""
_START = b"header {\n"
_LAUNCH = re.compile(
    rb"^ *(?:(?:function|runtime_function|runtime_fusion)=\{ *name=(?:__myl_)?(?P<made>\w+)"
    rb"|(?P<library>corrltn|deconvolution|fully_connected|\w+pool)=\{)",
    re.MULTILINE,
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
_FLOATS = ("float", "half", "bfloat16")
_SHAPE_ALONE = b"_shapeInput"
"""How inputs are named that the runtime itself fills in."""
_INPUTS = re.compile(rb"^ *inputs=\{(.*)\}$", re.MULTILINE)
_OUTPUTS = re.compile(rb"^ *outputs=\{(.*)\}$", re.MULTILINE)
_TARGETS = re.compile(rb"accelerators=\{([^}]*)\}")
_ANY_TARGET = [b"*"]
"""What the program of one fused kernel says, which stands in a plan beside the main one."""


@dataclass(frozen=True, kw_only=True)
class PlanTensor:
    """An input or output of a plan; `dims` holds None where a size is not fixed."""

    name: str
    kind: str
    dims: tuple[int | None, ...]


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
    kernels: dict[str, int] = field(default_factory=dict)
    """How many launches are of which kind: `CorrSilu`, `maxpool`."""
    tensors: dict[str, int] = field(default_factory=dict)
    """How many tensors in floating point are of which type."""
    inputs: tuple[PlanTensor, ...] = ()
    outputs: tuple[PlanTensor, ...] = ()


@dataclass(frozen=True)
class _Tensor:
    kind: str
    dims: bytes
    is_matrix: bool
    """Whether it is a constant of more than one number a channel: weights, no biases or scales."""


def read_plan_program(plan: bytes) -> PlanProgram | None:
    """Read the kernel program of a plan.

    Returns:
        The program, or None where the plan holds none that can be read.
    """
    found: list[PlanProgram] = []
    start = plan.find(_START)
    while start >= 0:
        end = plan.find(b"\0", start)
        program = plan[start:] if end < 0 else plan[start:end]
        targets = _TARGETS.search(program)
        if targets is not None and targets[1].split() != _ANY_TARGET:
            found.append(_read(program, tuple(name.decode() for name in targets[1].split())))
        start = plan.find(_START, start + len(program))
    if not any(program.launches for program in found):
        return None
    return PlanProgram(
        targets=found[0].targets,
        launches=sum(program.launches for program in found),
        convolutions=_summed(program.convolutions for program in found),
        kernels=_summed(program.kernels for program in found),
        tensors=_summed(program.tensors for program in found),
        inputs=found[0].inputs,
        outputs=found[-1].outputs,
    )


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sum((Counter(count) for count in counts), Counter()))


def _read(program: bytes, targets: tuple[str, ...]) -> PlanProgram:
    tensors = {
        found["name"]: _Tensor(
            found["kind"].decode(), found["dims"], b"const_payload_size" in found["at"] and _is_matrix(found["dims"])
        )
        for found in _TENSOR.finditer(program)
    }
    kernels = Counter((launch["made"] or launch["library"]).decode() for launch in _LAUNCH.finditer(program))
    return PlanProgram(
        targets=targets,
        launches=kernels.total(),
        convolutions=dict(_convolutions(program, tensors)),
        kernels=dict(kernels.most_common()),
        tensors=dict(Counter(tensor.kind for tensor in tensors.values() if tensor.kind in _FLOATS)),
        inputs=_named(_INPUTS, program, tensors),
        outputs=_named(_OUTPUTS, program, tensors),
    )


def _named(line: re.Pattern[bytes], program: bytes, tensors: dict[bytes, _Tensor]) -> tuple[PlanTensor, ...]:
    """List the tensors of a line of the header; the compiler numbers their names: `images.1`."""
    found = line.search(program)
    names = re.findall(rb'"([^"]+)"', found[1]) if found is not None else []
    return tuple(
        PlanTensor(
            name=name.decode().rpartition(".")[0] or name.decode(),
            kind=tensors[name].kind,
            dims=tuple(int(size) if size.isdigit() else None for size in tensors[name].dims.split()),
        )
        for name in names
        if name in tensors and _SHAPE_ALONE not in name
    )


def _convolutions(program: bytes, tensors: dict[bytes, _Tensor]) -> Counter[str]:
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

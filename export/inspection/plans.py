"""What an engine without a card computes in: anybody's, by the kernels in its plan or by TensorRT's own inspector."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from ...runtime.engines.engine import TensorRtEngine
from ...runtime.engines.engine_checks import card_path_of
from ...runtime.engines.ledger import is_in_ledger
from ...runtime.errors import InputError
from ...runtime.files import sha256_of_file
from ...runtime.machine import nvidia_gpus
from ...runtime.precision import Precision
from ...runtime.require import require
from ...runtime.runners.contract import FRAMES, TensorSpec
from .facts import Inspection, TensorInfo
from .operations import Operations
from .plan_program import UNKNOWN, PlanProgram, PlanTensor, read_plan_program

_PRECISIONS = {"int8": Precision.INT8, "half": Precision.FP16, "bfloat16": Precision.BF16, "float": Precision.FP32}
"""By what convolutions read, the coarsest first: one of them makes the engine one of that precision."""
_DTYPES = {"half": "float16", "float": "float32"}
_WORDS = (("int8", r"int8"), ("bfloat16", r"bf16|bfloat16"), ("half", r"fp16|half"), ("float", r"fp32|float"))
"""How TensorRT's inspector writes types, within texts as `Row major linear FP16 format`."""
_NAME_LENGTH = 40
"""Fused kernels are named for all that is in them."""
_UNCOUNTED = Operations(multiply_adds=0, counted=0, uncounted=1, note="An engine does not tell; its graph does.")


def inspect_plan(path: Path, *, trust: bool = False) -> Inspection:
    """Look into an engine that has no card beside it.

    A plan of TensorRT-RTX is read as it is. One of TensorRT has to be deserialised, on a GPU, and can run code there.
    What Ultralytics writes before a plan, a length and JSON, is passed over.

    Args:
        path: the engine.
        trust: deserialise it although this user did not build it.

    Raises:
        InputError: the file is missing, or its layers cannot be read here; the text says what is needed.
        MissingDependencyError: TensorRT is needed and not installed.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected an engine, got no such file. `singleshot build GRAPH.onnx` makes one.")
    plan = _without_metadata(path.read_bytes())
    program = read_plan_program(plan)
    return _of_layers(path, plan, trust=trust) if program is None else _of_program(path, program)


def _without_metadata(content: bytes) -> bytes:
    size = int.from_bytes(content[:4], "little")
    metadata = content[4 : 4 + size]
    is_json = metadata.startswith(b"{") and metadata.endswith(b"}") and len(metadata) == size
    return content[4 + size :] if is_json else content


def _of_program(path: Path, program: PlanProgram) -> Inspection:
    counts = [
        *_convolutions(program.convolutions),
        ("kernel launches of one run", program.launches),
        *((f"kernel {name}", count) for name, count in _shortened(program.kernels).most_common()),
    ]
    return _inspection(
        path,
        title=f"plan of TensorRT-RTX for {', '.join(program.targets)}, read without running it",
        precision=_precision_of(path, program.convolutions or program.tensors),
        inputs=tuple(_tensor(tensor) for tensor in program.inputs),
        outputs=tuple(_tensor(tensor) for tensor in program.outputs),
        operators=tuple(counts),
    )


def _of_layers(path: Path, plan: bytes, *, trust: bool) -> Inspection:
    if not nvidia_gpus():
        raise InputError(
            f"{path}: expected an NVIDIA GPU and the TensorRT that built it, as its plan tells no kernels, got no "
            f"GPU. Inspect it on the machine that runs it; plans of TensorRT-RTX are read anywhere."
        )
    if not trust and not is_in_ledger(hashlib.sha256(plan).hexdigest()):
        raise InputError(
            f"{path}: expected an engine that you built on this machine, as its layers are read by deserialising it, "
            f"which can run code, got one that is not in your list of builds. If you know where it comes from, give "
            f"--trust."
        )
    module = require("tensorrt", extra="tensorrt", why=f"{path}, an engine of TensorRT,")
    mend = "It has to be read by the version and on the kind of GPU that built it."
    engine = TensorRtEngine(path, plan, module, batch_of=FRAMES, mend=mend)
    try:
        layers: list[Any] = json.loads(engine.layers())["Layers"]  # Any: dicts, or names alone
        told = [layer for layer in layers if isinstance(layer, dict)]
        if not told:
            raise InputError(
                f"{path}: expected an engine built with ProfilingVerbosity.DETAILED, as others tell no more than their "
                f"layers' names, got the names of {len(layers)} layers. Build it again so."
            )
        kinds = Counter(str(layer.get("LayerType")) for layer in told)
        convolutions = Counter(_type_read(layer) for layer in told if "onvolution" in str(layer.get("LayerType")))
        return _inspection(
            path,
            title=f"plan of {engine.title}, read by its inspector",
            precision=_precision_of(path, convolutions or Counter(_type_read(layer) for layer in told)),
            inputs=tuple(_named(name, spec) for name, spec in engine.tensors("INPUT").items()),
            outputs=tuple(_named(name, spec) for name, spec in engine.tensors("OUTPUT").items()),
            operators=(*_convolutions(convolutions), *((f"layer {name}", n) for name, n in kinds.most_common())),
        )
    finally:
        engine.close()


def _shortened(kernels: dict[str, int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, count in kernels.items():
        counts[name if len(name) <= _NAME_LENGTH else f"{name[:_NAME_LENGTH]}..."] += count
    return counts


def _inspection(
    path: Path, *, title: str, precision: Precision, **facts: Any
) -> Inspection:  # Any: fields of the value
    return Inspection(
        path=path,
        kind="engine",
        size_bytes=path.stat().st_size,
        sha256=sha256_of_file(path),
        format=title,
        precision=precision,
        card=None,
        card_problem=f"no card beside it ({card_path_of(path).name}): what it detects and for which input is not known",
        parameters=None,
        operations=_UNCOUNTED,
        **facts,
    )


def _precision_of(path: Path, counts: dict[str, int]) -> Precision:
    """Name the coarsest type that is there: of convolutions, or of whatever there is where an engine has none."""
    for kind, precision in _PRECISIONS.items():
        if counts.get(kind):
            return precision
    raise InputError(
        f"{path}: expected layers of a type that is known ({', '.join(_PRECISIONS)}), got "
        f"{', '.join(f'{count} {kind}' for kind, count in counts.items()) or 'none'}."
    )


def _convolutions(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(f"convolution, {kind}", count) for kind, count in counts.items()]


def _type_read(layer: dict[str, Any]) -> str:
    """Name the type of the first input of a layer, as TensorRT describes it."""
    inputs = layer.get("Inputs") or [{}]
    text = str(inputs[0].get("Format/Datatype") or inputs[0].get("Datatype") or "").lower()
    return next((kind for kind, pattern in _WORDS if re.search(pattern, text)), UNKNOWN)


def _tensor(tensor: PlanTensor) -> TensorInfo:
    shape = tuple("?" if size is None else size for size in tensor.dims)
    return TensorInfo(name=tensor.name, dtype=_DTYPES.get(tensor.kind, tensor.kind), shape=shape)


def _named(name: str, spec: TensorSpec) -> TensorInfo:
    return TensorInfo(name=name, dtype=spec.dtype, shape=tuple("?" if size is None else size for size in spec.shape))

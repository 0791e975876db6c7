"""Which backend runs a graph, and in which precision: named by the user, or chosen by one fixed rule.

The rule of `auto`, first line that fits:

1. ONNX Runtime has CUDA: ONNX Runtime on CUDA. Its TensorRT provider compiles for minutes and has to be named, and so
   have the providers that are packages of their own (`onnxruntime:openvino`, `onnxruntime:rtx`).
2. The card holds the parity of OpenVINO's int8 with FP32 (the graph is an int8 one), measured on this kind of
   processor: OpenVINO.
3. The card holds the parity of OpenVINO's bf16 with FP32, and this processor computes bf16: OpenVINO in bf16.
4. ONNX Runtime, which computes a graph as it is written.

Where OpenVINO is not installed, 2 and 3 do not fit. A precision whose parity is not in the card is never chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

from .errors import InputError
from .machine import has_cuda_driver, processor_kind, saturates_int8
from .precision import Precision, precision_named

if TYPE_CHECKING:
    from .card import BackendParity, Card
    from .runners.quiet_session import Provider

Backend = Literal["onnxruntime", "openvino"]
"""Who can run a graph."""
BackendChoice = Literal[
    "auto",
    "onnxruntime",
    "onnxruntime:cuda",
    "onnxruntime:tensorrt",
    "onnxruntime:openvino",
    "onnxruntime:rtx",
    "openvino",
]

BACKEND_OPTIONS: tuple[str, ...] = (*get_args(BackendChoice), "openvino:fp32", "openvino:bf16")
"""What command lines take: `BACKEND`, `onnxruntime:PROVIDER` or `openvino:PRECISION`."""

CERTIFY = "`singleshot certify` measures it"

LEAST_COMPARED = 20
"""Detections (of a classifier, frames) that a proof without labelled images has to rest on."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A backend, and why it.

    Args:
        backend: who runs the graph.
        precision: of its floating-point arithmetic.
        reason: half a sentence.
        provider: of ONNX Runtime, that has to work; none takes CUDA where it works.
    """

    backend: Backend
    precision: Precision
    reason: str
    provider: Provider | None = None

    @property
    def line(self) -> str:
        """For a person: `backend: openvino bf16 (…)`."""
        provider = "" if self.provider is None else f":{self.provider}"
        return f"backend: {self.backend}{provider} {self.precision} ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What this machine has, as far as the rule asks.

    Args:
        has_cuda: ONNX Runtime computes on CUDA.
        has_openvino: OpenVINO is installed.
        has_bf16: the processor computes bf16, asked only where it matters.
        processor: see `processor_kind`.
    """

    has_cuda: bool
    has_openvino: bool
    has_bf16: Callable[[], bool]
    processor: str


def split_option(option: str) -> tuple[BackendChoice, str]:
    """Split what a command line takes into who runs a graph and in which precision.

    Raises:
        InputError: it is none of `BACKEND_OPTIONS`.
    """
    known = with_known_precision(option)
    if known not in BACKEND_OPTIONS:
        raise InputError(f"backend: expected one of {', '.join(BACKEND_OPTIONS)}, got {option!r}.")
    if known.startswith("onnxruntime"):
        return known, "auto"  # type: ignore[return-value]  # checked above
    backend, _, precision = known.partition(":")
    return backend, precision or "auto"  # type: ignore[return-value]  # checked above


def with_known_precision(option: str) -> str:
    """Write the precision behind a colon as `Precision` does: `openvino:f32`, as it once was, is `openvino:fp32`."""
    backend, colon, precision = option.partition(":")
    try:
        return f"{backend}{colon}{Precision(precision)}" if colon else option
    except ValueError:
        return option


def choose_backend(card: Card, backend: BackendChoice, precision: str, *, installed: Installed | None = None) -> Choice:
    """Settle who runs a graph.

    Args:
        card: the graph's.
        backend: asked for.
        precision: fp32 or bf16; `auto` with a named backend is the fastest that the card allows.
        installed: what there is; none looks at this machine.

    Raises:
        InputError: the precision does not go with the backend.
    """
    asked = None if precision == "auto" else precision_named(precision, (Precision.FP32, Precision.BF16))
    runtime, _, provider = backend.partition(":")
    if asked is not None and backend != "openvino" and (asked, runtime) != (Precision.FP32, "onnxruntime"):
        takes = "auto" if backend == "auto" else "auto or fp32"
        raise InputError(f"precision: expected {takes} with the backend {backend}, got {asked}. openvino has bf16.")
    if runtime == "onnxruntime":
        return Choice(
            backend="onnxruntime",
            precision=Precision.FP32,
            reason="as asked for" + ("; the first start compiles for minutes" if provider == "tensorrt" else ""),
            provider=provider or None,  # type: ignore[arg-type]  # of BackendChoice
        )
    if backend == "openvino" and asked is not None:
        return Choice(backend="openvino", precision=asked, reason="as asked for")
    machine = installed or this_machine()
    return _of_openvino(card, machine) if backend == "openvino" else _by_rule(card, machine)


def this_machine() -> Installed:
    """Look at what is installed; OpenVINO is loaded only if its processor question is asked."""
    import onnxruntime

    def has_bf16() -> bool:
        from .runners.openvino_runner import computes_bf16

        return computes_bf16()

    return Installed(
        has_cuda="CUDAExecutionProvider" in onnxruntime.get_available_providers() and has_cuda_driver(),
        has_openvino=find_spec("openvino") is not None,
        has_bf16=has_bf16,
        processor=processor_kind(),
    )


def _by_rule(card: Card, installed: Installed) -> Choice:
    if installed.has_cuda:
        return Choice(backend="onnxruntime", precision=Precision.FP32, reason="auto: it computes on CUDA")
    if not installed.has_openvino:
        return Choice(backend="onnxruntime", precision=Precision.FP32, reason="auto: openvino is not installed")
    int8 = parity_of(card, Precision.INT8)
    if int8 is not None and is_vouched(card, Precision.INT8, installed.processor):
        return Choice(backend="openvino", precision=Precision.FP32, reason=f"auto: an int8 graph, {_proof(int8)}")
    bf16, refusal = _bf16(card, installed)
    if card.origin.settings.get("quantization") == Precision.INT8:
        bf16, refusal = None, f"the card vouches for no int8 in openvino on this processor; {CERTIFY}"
    if bf16 is not None:
        return Choice(backend="openvino", precision=Precision.BF16, reason=f"auto: {_proof(bf16)}")
    return Choice(backend="onnxruntime", precision=Precision.FP32, reason=f"auto: {refusal}")


def _of_openvino(card: Card, installed: Installed) -> Choice:
    if not installed.has_openvino:  # opening it says what brings it
        return Choice(backend="openvino", precision=Precision.FP32, reason="as asked for")
    bf16, refusal = _bf16(card, installed)
    if bf16 is None:
        return Choice(backend="openvino", precision=Precision.FP32, reason=refusal)
    return Choice(backend="openvino", precision=Precision.BF16, reason=_proof(bf16))


def _bf16(card: Card, installed: Installed) -> tuple[BackendParity | None, str]:
    """Return the proof that bf16 may be used here, or why not."""
    parity = parity_of(card, Precision.BF16)
    if parity is None:
        return None, f"the card holds no parity of openvino bf16 with FP32; {CERTIFY}"
    if not parity.holds:
        return None, f"by the card, openvino bf16 does not agree with FP32: {_figures(parity)}"
    if not _is_enough(parity):
        return None, f"the card's proof of openvino bf16 rests on too little: {_figures(parity)}; {CERTIFY} on more"
    if not installed.has_bf16():
        return None, "this processor does not compute bf16"
    return parity, ""


def parity_of(card: Card, precision: Precision) -> BackendParity | None:
    """Find what the card holds of OpenVINO in a precision; the last word counts."""
    found = [item for item in card.backend_parity if item.precision == precision]
    return found[-1] if found else None


def is_vouched(card: Card, precision: Precision, processor: str) -> bool:
    """Tell whether a card holds that OpenVINO in this precision agrees with FP32 on this kind of processor.

    int8 is computed in one of two ways: with sums that saturate, and without (see `saturates_int8`). Older cards do not
    name the processor; they are taken for measured on one without. Nobody vouches for a processor nothing is known of.
    """
    parity = parity_of(card, precision)
    if parity is None or not parity.holds or not _is_enough(parity):
        return False
    if precision != Precision.INT8:
        return True
    return bool(processor) and saturates_int8(parity.processor or "") == saturates_int8(processor)


def _is_enough(parity: BackendParity) -> bool:
    return parity.drop_points is not None or parity.matched + parity.unmatched >= LEAST_COMPARED


def _proof(parity: BackendParity) -> str:
    return f"by the card, openvino {parity.precision} agrees with FP32: {_figures(parity)}"


def _figures(parity: BackendParity) -> str:
    drop = "" if parity.drop_points is None else f", {parity.drop_points:+.2f} points of accuracy lost"
    return f"{parity.unmatched} of {parity.matched + parity.unmatched} unmatched in {parity.frames} frames{drop}"

"""The rule of `auto`, line by line, without any backend installed or run."""

from __future__ import annotations

from typing import Any

import pytest

from singleshot.runtime.backends import Installed, choose_backend, is_vouched, split_option
from singleshot.runtime.card import BackendParity, Card, InputSpec
from singleshot.runtime.errors import InputError
from singleshot.runtime.precision import Precision

VNNI = "avx2 avx512_vnni"


def parity(precision: Any, *, holds: bool = True, **changes: Any) -> BackendParity:
    figures = {"data": "3 frames", "frames": 3, "matched": 19, "unmatched": 1, "score_difference": 0.01}
    return BackendParity(
        backend="openvino", version="1", reference="itself", precision=precision, holds=holds, **{**figures, **changes}
    )


def card(*parities: BackendParity) -> Card:
    return Card(
        kind="graph",
        network="small",
        class_names=("cat",),
        input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
        backend_parity=parities,
    )


def machine(*, cuda: bool = False, openvino: bool = True, bf16: bool = True, processor: str = VNNI) -> Installed:
    return Installed(has_cuda=cuda, has_openvino=openvino, has_bf16=lambda: bf16, processor=processor)


NONE, BF16, BF16_OFF, INT8 = card(), card(parity("bf16")), card(parity("bf16", holds=False)), card(parity("int8"))
AGREES = "by the card, openvino bf16 agrees with FP32: 1 of 20 unmatched in 3 frames"


@pytest.mark.parametrize(
    ("of", "has", "line"),
    [
        pytest.param(BF16, machine(cuda=True), "onnxruntime fp32 (auto: it computes on CUDA)", id="CUDA first"),
        pytest.param(
            INT8, machine(openvino=False), "onnxruntime fp32 (auto: openvino is not installed)", id="not there"
        ),
        pytest.param(
            INT8,
            machine(bf16=False),
            "openvino fp32 (auto: an int8 graph, by the card, openvino int8 agrees with FP32: 1 of 20 unmatched in "
            "3 frames)",
            id="int8",
        ),
        pytest.param(BF16, machine(), f"openvino bf16 (auto: {AGREES})", id="bf16"),
        pytest.param(
            NONE,
            machine(),
            "onnxruntime fp32 (auto: the card holds no parity of openvino bf16 with FP32; `singleshot certify` "
            "measures it)",
            id="never assumed",
        ),
        pytest.param(
            BF16_OFF,
            machine(),
            "onnxruntime fp32 (auto: by the card, openvino bf16 does not agree with FP32: 1 of 20 unmatched in 3 "
            "frames)",
            id="measured and refused",
        ),
        pytest.param(
            BF16, machine(bf16=False), "onnxruntime fp32 (auto: this processor does not compute bf16)", id="processor"
        ),
        pytest.param(
            card(parity("bf16", matched=18)),
            machine(),
            "onnxruntime fp32 (auto: the card's proof of openvino bf16 rests on too little: 1 of 19 unmatched in 3 "
            "frames; `singleshot certify` measures it on more)",
            id="too few compared",
        ),
        pytest.param(
            card(parity("bf16", matched=18, drop_points=-0.1)),
            machine(),
            "openvino bf16 (auto: by the card, openvino bf16 agrees with FP32: 1 of 19 unmatched in 3 frames, -0.10 "
            "points of accuracy lost)",
            id="labelled images are proof enough",
        ),
        pytest.param(
            card(parity("bf16"), parity("bf16", holds=False, drop_points=2.5)),
            machine(),
            "onnxruntime fp32 (auto: by the card, openvino bf16 does not agree with FP32: 1 of 20 unmatched in 3 "
            "frames, +2.50 points of accuracy lost)",
            id="the last word counts",
        ),
    ],
)
def test_auto_follows_its_rule_and_says_so(of: Card, has: Installed, line: str) -> None:
    assert choose_backend(of, "auto", "auto", installed=has).line == f"backend: {line}"


@pytest.mark.parametrize(
    ("of", "has", "line"),
    [
        pytest.param(BF16, machine(), f"openvino bf16 ({AGREES})", id="bf16 where the card allows it"),
        pytest.param(BF16, machine(bf16=False), "openvino fp32 (this processor does not compute bf16)", id="processor"),
        pytest.param(
            BF16, machine(openvino=False), "openvino fp32 (as asked for)", id="opening it says what is missing"
        ),
    ],
)
def test_openvino_alone_takes_no_precision_that_is_not_certified(of: Card, has: Installed, line: str) -> None:
    assert choose_backend(of, "openvino", "auto", installed=has).line == f"backend: {line}"


@pytest.mark.parametrize(
    ("option", "line"),
    [
        pytest.param("onnxruntime", "onnxruntime fp32 (as asked for)", id="onnxruntime"),
        pytest.param("onnxruntime:cuda", "onnxruntime:cuda fp32 (as asked for)", id="CUDA"),
        pytest.param(
            "onnxruntime:tensorrt",
            "onnxruntime:tensorrt fp32 (as asked for; the first start compiles for minutes)",
            id="TensorRT",
        ),
        pytest.param("openvino:fp32", "openvino fp32 (as asked for)", id="fp32"),
        pytest.param("openvino:f32", "openvino fp32 (as asked for)", id="fp32 as it was once spelt"),
        pytest.param("openvino:bf16", "openvino bf16 (as asked for)", id="bf16 without a certificate, when asked for"),
    ],
)
def test_what_is_named_is_taken(option: str, line: str) -> None:
    assert choose_backend(NONE, *split_option(option), installed=machine()).line == f"backend: {line}"


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match=r"backend: expected one of auto, onnxruntime, .*, got 'openvino:int8'"):
        split_option("openvino:int8")


@pytest.mark.parametrize(
    ("backend", "precision", "message"),
    [
        pytest.param("auto", "bf16", "precision: expected auto with the backend auto, got bf16", id="auto"),
        pytest.param("onnxruntime", "bf16", "expected auto or fp32 with the backend onnxruntime, got bf16", id="ORT"),
        pytest.param("onnxruntime:cuda", "bf16", "fp32 with the backend onnxruntime:cuda, got bf16", id="on CUDA"),
    ],
)
def test_a_precision_that_the_backend_lacks_is_refused(backend: Any, precision: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_backend(NONE, backend, precision, installed=machine())


@pytest.mark.parametrize(
    ("measured_on", "here", "holds"),
    [
        pytest.param(VNNI, "avx2 avx_vnni", True, id="both sum in 32 bits"),
        pytest.param("avx2", "avx2", True, id="both saturate"),
        pytest.param(VNNI, "avx2", False, id="this one saturates"),
        pytest.param("avx2", VNNI, False, id="that one saturated"),
        pytest.param(None, VNNI, True, id="older cards are taken for measured without saturation"),
        pytest.param(None, "avx2", False, id="and vouch for no other"),
        pytest.param(VNNI, "", False, id="nothing is known of this one"),
    ],
)
def test_cards_vouch_for_a_kind_of_processor(measured_on: str | None, here: str, holds: bool) -> None:
    of = card(parity("int8", processor=measured_on))
    assert is_vouched(of, Precision.INT8, here) == holds
    assert choose_backend(of, "auto", "auto", installed=machine(bf16=False, processor=here)).backend == (
        "openvino" if holds else "onnxruntime"
    )

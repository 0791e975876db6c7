"""Precisions: one name each, and every spelling that files of earlier versions have."""

from __future__ import annotations

import json

import numpy as np
import pytest

from singleshot.runtime.card import BackendParity, Card, InputSpec, card_from_json
from singleshot.runtime.errors import InputError
from singleshot.runtime.precision import Precision, precision_named

CERTIFIED = Card(
    kind="graph",
    network="small",
    class_names=("cat",),
    input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
    backend_parity=(
        BackendParity(
            backend="openvino",
            precision=Precision.FP32,
            version="1",
            reference="itself",
            data="3 frames",
            frames=3,
            matched=20,
            unmatched=0,
            score_difference=0.0,
            holds=True,
        ),
    ),
)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        pytest.param("fp32", Precision.FP32, id="flags and file names"),
        pytest.param("f32", Precision.FP32, id="cards and --backend of earlier versions"),
        pytest.param("bfloat16", Precision.BF16, id="settings of earlier versions"),
        pytest.param("float16", Precision.FP16, id="PyTorch"),
        pytest.param("int8", Precision.INT8, id="numpy"),
    ],
)
def test_every_spelling_is_read(spelling: str, expected: Precision) -> None:
    assert precision_named(spelling, Precision) is expected


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.INT8])
def test_the_name_in_a_sentence_is_numpys(precision: Precision) -> None:
    assert np.dtype(precision.dtype).itemsize == {"fp32": 4, "fp16": 2, "int8": 1}[precision]


def test_texts_and_files_have_the_value() -> None:
    assert (f"{Precision.FP16}", str(Precision.BF16), json.dumps(Precision.INT8)) == ("fp16", "bf16", '"int8"')


@pytest.mark.parametrize("name", ["half", "int8", ""])
def test_what_cannot_be_had_is_an_error(name: str) -> None:
    with pytest.raises(InputError) as raised:
        precision_named(name, (Precision.FP32, Precision.BF16), argument="--precision")
    assert str(raised.value) == f"--precision: expected one of fp32, bf16, got {name!r}."


def test_a_card_of_an_earlier_version_says_the_same() -> None:
    text = CERTIFIED.to_json()
    earlier = text.replace('"fp32"', '"f32"')
    assert earlier != text
    assert card_from_json(earlier, source="a.onnx") == CERTIFIED

"""Precision by what the device has."""

from __future__ import annotations

import pytest
import torch

from singleshot.runtime.errors import InputError
from singleshot.runtime.precision import Precision
from singleshot.train import precision
from singleshot.train.precision import resolved_precision


@pytest.mark.parametrize(
    ("gpu", "gpu_bfloat16", "flags", "expected"),
    [
        pytest.param(True, True, "", Precision.BF16, id="a GPU with bfloat16"),
        pytest.param(True, False, "avx512_bf16", Precision.FP16, id="a GPU without"),
        pytest.param(False, False, "avx2 avx512_bf16", Precision.BF16, id="a processor with bfloat16"),
        pytest.param(False, False, "avx2", Precision.FP32, id="a processor without"),
    ],
)
def test_auto_takes_what_is_fast(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, gpu_bfloat16: bool, flags: str, expected: Precision
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: gpu_bfloat16)
    monkeypatch.setattr(precision, "read_cpuinfo", lambda: f"flags\t\t: {flags}\n")
    assert resolved_precision("auto") == expected


@pytest.mark.parametrize("asked", [Precision.FP32, Precision.BF16])
def test_what_is_asked_for_is_kept(asked: Precision) -> None:
    assert resolved_precision(asked) == asked


def test_fp16_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="precision: expected fp32 or bf16 on a machine without a CUDA device"):
        resolved_precision(Precision.FP16)

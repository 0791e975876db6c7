"""OpenVINO's int8 and bf16 are tried before they are used, where no card vouches for them on this kind of processor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime import spot_proof
from singleshot.runtime.errors import CheckError
from singleshot.runtime.precision import Precision
from singleshot.runtime.runners.onnxruntime_runner import OnnxRuntimeRunner
from singleshot.runtime.shipped import shipped_detector


@pytest.fixture(autouse=True)
def some_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """These hold where OpenVINO is not installed, too."""
    monkeypatch.setattr(spot_proof, "version", lambda _: "2026.4.0")


class Stub(OnnxRuntimeRunner):
    """Answers as ONNX Runtime does, with its scores changed, and says that it is OpenVINO in int8."""

    computes = Precision.INT8

    def __init__(self, path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(path)
        self.card = self.card.model_copy(update={"backend_parity": ()})
        self.change, self.runs = change, 0

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        self.runs += 1
        outputs = super().infer(frames)
        return {**outputs, "num_dets": self.change(outputs["num_dets"])}


def check(runner: Stub, told: list[str]) -> None:
    spot_proof.check_on_the_spot(shipped_detector(), runner, told.append)  # type: ignore[arg-type]  # as far as it is asked


def test_what_is_right_is_said_and_tried_once() -> None:
    told: list[str] = []
    runner = Stub(shipped_detector(), lambda count: count)
    check(runner, told)
    runs = runner.runs
    check(runner, told)
    assert (runner.runs, len(told)) == (runs, 1)
    assert told[0].startswith("openvino int8: answers as onnxruntime does on this kind of processor (")


def test_what_is_wrong_is_refused_each_time() -> None:
    told: list[str] = []
    runner = Stub(shipped_detector(), np.zeros_like)
    for _ in range(2):
        with pytest.raises(CheckError, match=r"got a disagreement of 0\.\d+ on generated frames .* `--backend onnxrun"):
            check(runner, told)
    assert told == []


def test_nothing_found_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spot_proof, "detections_from_outputs", lambda *_, **__: [[]])
    with pytest.raises(CheckError, match="got nothing found to compare on generated frames"):
        check(Stub(shipped_detector(), lambda count: count), [])


def test_another_kind_of_processor_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Stub(shipped_detector(), lambda count: count)
    for kind in ("avx2", "avx2 avx512_vnni"):
        before = runner.runs
        monkeypatch.setattr(spot_proof, "processor_kind", lambda kind=kind: kind)
        check(runner, [])
        assert runner.runs > before

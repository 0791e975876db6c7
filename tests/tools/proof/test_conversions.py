"""The table of what conversions cost, on a network that is measured in no time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.tools.proof import conversions
from singleshot.tools.proof.conversions import Subject, outcomes_of, table


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(conversions, "CALIBRATED_ON", 8)
    monkeypatch.setattr(conversions, "FRAMES", 2)
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        coarse = rng.integers(0, 256, (6 + number, 8, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC))
    return folder


def test_every_precision_by_every_runner(small_detector: Path, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("tensorrt_rtx")
    found = list(outcomes_of(Subject(graph=small_detector, images=pictures, data=None), tmp_path))
    assert [(item.precision, item.runner.partition(":")[0]) for item in found] == [
        ("fp32", "onnxruntime"),
        *((precision, runner) for precision in ("fp16", "int8") for runner in ("onnxruntime", "openvino")),
    ]
    assert all(item.parity is not None and item.parity.holds for item in found[1:])
    assert [item.plan.partition(";")[0] for item in found[1::2]] == ["4 half", "3 int8, 1 float"]
    first, second = table(found)[2:4]
    assert first.startswith(f"| {small_detector.stem} | fp32 | onnxruntime |  |  |")
    assert "0 of" in second


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "a.onnx", r"a\.onnx: expected GRAPH\.onnx,IMAGES or GRAPH\.onnx,IMAGES,DATA\.", id="a graph alone"
        ),
        pytest.param("none.onnx,{pictures}", r"none\.onnx: expected ", id="no such graph"),
        pytest.param("{graph},nowhere", r"nowhere: expected a folder of images or a video", id="no such pictures"),
        pytest.param("{graph},{pictures},{pictures}", r"pictures: expected ", id="pictures without labels"),
    ],
)
def test_a_subject_is_opened_before_anything_is_calibrated(
    small_detector: Path, pictures: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        conversions._subject(text.format(graph=small_detector, pictures=pictures))

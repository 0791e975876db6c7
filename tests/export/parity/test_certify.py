"""What is certified is what `auto` then takes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.inspection.inspect_artefact import inspect_artefact
from singleshot.export.parity import certify as certification
from singleshot.export.parity.certify import LabelledData, certify, precisions_of, write_parities
from singleshot.runtime.card import Origin
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.precision import Precision
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.small_detector import CARD

openvino = pytest.importorskip("openvino")


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """Three pictures of noise, which a detector with random weights finds plenty in."""
    rng = np.random.default_rng(1)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 256, (30, 40, 3), np.uint8))
    return str(tmp_path / "*.png")


def test_f32_is_certified_and_written(small_detector: Path, photos: str, tmp_path: Path) -> None:
    done: list[tuple[str, int, int]] = []
    out = tmp_path / "certified.onnx"
    result = certify(small_detector, out, frames=photos, on_progress=lambda *at: done.append(at))
    by_precision = {item.precision: item for item in result.parities}
    assert set(by_precision) == set(precisions_of(small_detector))
    f32 = by_precision[Precision.FP32]
    assert (f32.holds, f32.unmatched, f32.frames) == (True, 0, 3)
    assert f32.matched > 10
    assert f32.reference == "the same graph, onnxruntime (CPU) fp32"
    card = inspect_artefact(out).card
    assert card is not None
    assert card.backend_parity == result.parities
    assert card.model_copy(update={"backend_parity": ()}) == CARD
    assert done[:3] == [("comparing frames", count, 3) for count in (1, 2, 3)]
    result.check()
    assert "openvino fp32: 0 of" in result.lines()[0]


def test_auto_takes_what_is_certified(
    small_detector: Path, photos: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr("singleshot.runtime.runners.openvino_runner.computes_bf16", lambda: True)
    measured = certify(small_detector, tmp_path / "a.onnx", frames=photos).parities
    told: list[str] = []
    for holds, backend in ((True, "openvino bf16"), (False, "onnxruntime fp32")):
        again = [item.model_copy(update={"precision": Precision.BF16, "holds": holds}) for item in measured[:1]]
        write_parities(tmp_path / "a.onnx", again, tmp_path / "b.onnx")
        with open_session(tmp_path / "b.onnx", backend="auto", tell=told.append):
            assert told.pop().startswith(f"backend: {backend} (auto: by the card, openvino bf16 ")


def test_measuring_again_replaces(small_detector: Path, photos: str, tmp_path: Path) -> None:
    out = tmp_path / "again.onnx"
    for graph in (small_detector, out):
        certify(graph, out, frames=photos)
    card = inspect_artefact(out).card
    assert card is not None
    assert len(card.backend_parity) == len(precisions_of(small_detector))


def test_an_fp16_network_is_held_against_its_parent(small_detector: Path, photos: str, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    card = CARD.model_copy(update={"origin": Origin(parent_sha256=sha256_of_file(small_detector))})
    save_graph(with_fp16_network(onnx.load(str(small_detector))), card, half)
    with pytest.raises(InputError, match=r"half\.onnx: expected its FP32 parent, .* in fp16\. Name it by --parent"):
        certify(half, tmp_path / "out.onnx", frames=photos)
    with pytest.raises(InputError, match=r"expected the FP32 graph that half\.onnx was made from"):
        certify(half, tmp_path / "out.onnx", frames=photos, parent=half)
    result = certify(half, tmp_path / "out.onnx", frames=photos, parent=small_detector)
    assert result.parities[0].reference == f"{small_detector.name}, onnxruntime (CPU) fp32"
    with pytest.raises(InputError, match="--parent: expected none for a graph in fp32"):
        certify(small_detector, tmp_path / "out.onnx", frames=photos, parent=half)


def test_labelled_images_decide(
    small_detector: Path, photos: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.50, 0.48] * 2)
    monkeypatch.setattr(certification, "_accuracy", lambda *_: next(accuracies))
    data = LabelledData(root=tmp_path, split="val", max_drop=0.5)
    result = certify(small_detector, tmp_path / "out.onnx", frames=photos, data=data)
    assert [round(item.drop_points or 0, 6) for item in result.parities] == [2.0] * len(result.parities)
    assert f"+2.00 points lost on {tmp_path.name} val, at most 0.5 points allowed" in result.lines()[0]
    with pytest.raises(CheckError, match="expected a backend and precision that agree with FP32"):
        result.check()


def test_another_suffix_is_refused(small_detector: Path, photos: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out\.pb: expected a name that ends in \.onnx, got \.pb"):
        certify(small_detector, tmp_path / "out.pb", frames=photos)

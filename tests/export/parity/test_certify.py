"""What is certified is what `auto` then takes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.inspection.inspect_artefact import inspect_artefact
from singleshot.export.parity import certify as certification
from singleshot.export.parity.certify import LabelledData, certify, precisions_of, write_parities
from singleshot.runtime.card import Origin
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.precision import Precision
from singleshot.runtime.session import open_session
from singleshot.runtime.uncertified import uncertified_sha256
from singleshot.tests.fixtures.small_detector import CARD, SIDE
from singleshot.tests.fixtures.voc_folder import VocFolder

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
    half = save_half(small_detector, tmp_path / "half.onnx")
    with pytest.raises(InputError, match=r"half\.onnx: expected its FP32 parent, .* in fp16\. Name it by --parent"):
        certify(half, tmp_path / "out.onnx", frames=photos)
    with pytest.raises(InputError, match=r"expected the FP32 graph that half\.onnx was made from"):
        certify(half, tmp_path / "out.onnx", frames=photos, parent=half)
    result = certify(half, tmp_path / "out.onnx", frames=photos, parent=small_detector)
    assert result.parities[0].reference == f"{small_detector.name}, onnxruntime (CPU) fp32"
    with pytest.raises(InputError, match="--parent: expected none for a graph in fp32"):
        certify(small_detector, tmp_path / "out.onnx", frames=photos, parent=half)


@pytest.mark.parametrize(
    "says_so", [pytest.param(True, id="its card says so"), pytest.param(False, id="its card is an older one")]
)
def test_a_parent_that_was_certified_is_still_the_parent(
    small_detector: Path, photos: str, tmp_path: Path, says_so: bool
) -> None:
    half = save_half(small_detector, tmp_path / "half.onnx", says_so=says_so)
    certify(small_detector, tmp_path / "parent.onnx", frames=photos)
    assert certify(half, tmp_path / "out.onnx", frames=photos, parent=tmp_path / "parent.onnx").parities[0].holds
    scaled = onnx.load(str(small_detector))
    weight = next(item for item in scaled.graph.initializer if item.name == "w2")
    weight.CopyFrom(numpy_helper.from_array(np.float32(1.1) * numpy_helper.to_array(weight), "w2"))
    save_graph(scaled, CARD, tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"other\.onnx: expected the FP32 graph .*, got another network \(w2: .*\)\."):
        certify(half, tmp_path / "out.onnx", frames=photos, parent=tmp_path / "other.onnx")


def save_half(
    graph: Path, out: Path, *, class_names: tuple[str, ...] = CARD.class_names, sign: int = 1, says_so: bool = True
) -> Path:
    """Save a graph in float16 with the card of its child; -1 turns every score round."""
    model = onnx.load(str(graph))
    weight = next(item for item in model.graph.initializer if item.name == "w_class")
    weight.CopyFrom(numpy_helper.from_array(sign * numpy_helper.to_array(weight), "w_class"))
    origin = Origin(
        parent_sha256=sha256_of_file(graph), parent_uncertified_sha256=uncertified_sha256(graph) if says_so else None
    )
    card = CARD.model_copy(update={"origin": origin, "class_names": class_names})
    save_graph(with_fp16_network(model), card, out)
    return out


def label_what_is_found(graph: Path, folder: VocFolder, *, images: int) -> Path:
    """Add pictures of noise, with an object wherever a graph finds one of the three surest of a class."""
    rng = np.random.default_rng(2)
    with open_session(graph, backend="onnxruntime") as session:
        for number in range(images):
            folder.add(f"{number}", image=rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
            (found,) = session.run(read_image_bgr(folder.image_path(f"{number}"))[np.newaxis])
            rows = [row for label in (0, 1) for row in np.flatnonzero(found.class_ids == label)[:3]]
            boxes = SIDE * found.boxes_xyxy + [1, 1, 0, 0]  # VOC's corners are 1-based and inclusive
            objects = [(CARD.class_names[found.class_ids[row]], tuple(boxes[row])) for row in rows]
            folder.add(f"{number}", objects, image=read_image_bgr(folder.image_path(f"{number}")), split="val")
    return folder.root


def test_labelled_images_decide(
    small_detector: Path, photos: str, voc_folder: VocFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certification, "computes_bf16", lambda: False)
    data = LabelledData(root=label_what_is_found(small_detector, voc_folder, images=12), split="val")
    same = certify(small_detector, tmp_path / "out.onnx", frames=photos, data=data)
    assert same.parities[0].drop_points == pytest.approx(0, abs=0.5)
    said = f"points lost on {tmp_path.name} val, at most 0.5 points allowed"
    assert said in same.lines()[0]
    same.check()
    turned = save_half(small_detector, tmp_path / "turned.onnx", sign=-1)
    lost = certify(turned, tmp_path / "out.onnx", frames=photos, data=data, parent=small_detector)
    assert (lost.parities[0].drop_points or 0) > 5
    with pytest.raises(CheckError, match=rf"expected a backend and precision that agree with FP32, got .* {said}"):
        lost.check()


def test_too_few_objects_to_measure_by(
    small_detector: Path, photos: str, voc_folder: VocFolder, tmp_path: Path
) -> None:
    data = LabelledData(root=label_what_is_found(small_detector, voc_folder, images=1), split="val")
    with pytest.raises(InputError, match=r"expected a class with enough objects to measure AP, got none in val\."):
        certify(small_detector, tmp_path / "out.onnx", frames=photos, data=data)
    assert not (tmp_path / "out.onnx").exists()


def test_a_child_with_other_classes_is_no_child(small_detector: Path, photos: str, tmp_path: Path) -> None:
    other = save_half(small_detector, tmp_path / "other.onnx", class_names=("cat", "cow"))
    with pytest.raises(CheckError, match=rf"other\.onnx: expected the contract of {small_detector}, got "):
        certify(other, tmp_path / "out.onnx", frames=photos, parent=small_detector)


def test_a_graph_without_a_card_has_nowhere_to_write_to(graphs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"bad_no_card\.onnx: expected a graph with a card, got none"):
        write_parities(graphs / "bad_no_card.onnx", [], tmp_path / "out.onnx")


def test_another_suffix_is_refused(small_detector: Path, photos: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out\.pb: expected a name that ends in \.onnx, got \.pb"):
        certify(small_detector, tmp_path / "out.pb", frames=photos)

"""Calibration and gate together: a hostile network is repaired or refused, and the card says what was measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import onnx
import pytest

from singleshot.calib.int8.quantized_graph import quantized_convolutions
from singleshot.export.gate.judge import GateSettings
from singleshot.export.gate.judge_all import gate, gate_quantizer
from singleshot.export.gate.result import GateResult
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.quantize import gated as gated_quantization
from singleshot.export.quantize import quantize as quantization
from singleshot.export.quantize.calibrated import QuantizationSettings
from singleshot.export.quantize.gated import GatedInt8, gate_fp16, gate_int8
from singleshot.export.quantize.quantize import convert_to_fp16, quantize
from singleshot.runtime.errors import CheckError, InputError, NotFiniteError
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.hostile_detector import CARD, LAYERS, write_hostile
from singleshot.tools.proof.damages import overflowing

RULE = GateSettings(max_drop=5, replicates=50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile(tmp_path_factory.mktemp("gated"))


def gated(folder: Path, name: str, *, images: str = "photos", fp16: bool = False) -> GatedInt8:
    return gate_int8(
        folder / f"{name}.onnx",
        images=folder / images,
        data=folder / "data",
        settings=QuantizationSettings(method="minmax", count=12, fp16=fp16),
        gate_settings=RULE,
    )


@pytest.fixture(scope="module")
def repaired(folder: Path) -> GatedInt8:
    return gated(folder, "one")


def test_a_hostile_network_is_repaired_by_keeping_its_block_in_float(repaired: GatedInt8, tmp_path: Path) -> None:
    out, table = tmp_path / "one.int8.onnx", tmp_path / "table.json"
    assert repaired.result.judged[0].deltas[0].drop > 50
    made = repaired.save(out, save_table_to=table)
    assert made.card.origin.settings["kept_float"] == ["conv2"]
    assert made.convolutions[1] == len(quantized_convolutions(onnx.load(str(out))))
    assert "conv2" not in quantized_convolutions(onnx.load(str(out)))
    assert table.exists()


def test_the_card_says_what_was_lost(repaired: GatedInt8, tmp_path: Path) -> None:
    out = tmp_path / "one.int8.onnx"
    repaired.save(out)
    with open_session(out, backend="onnxruntime") as session:
        card = session.card
    metrics = [item.metric for item in card.measurements]
    assert "drop of AP50:95 against the parent, points" in metrics
    assert "AP50:95, mean over cat, dog, of the parent" in metrics
    assert card.moved_scores == ()  # the repaired network's scores do not move measurably
    assert not any("disagreement" in item for item in metrics)


def test_a_measured_loss_names_fine_tuning_where_it_can_be(repaired: GatedInt8) -> None:
    command = "`singleshot train ssd7 --data DIR --from CHECKPOINT --quantization-aware`"
    advice = f"{command} may win back what int8 measurably loses"
    assert advice not in repaired.result.lines()  # a network that `train` does not know
    assert dataclasses.replace(repaired.result, trainable="ssd7").lines()[-1] == advice


def test_auto_may_take_openvino_afterwards(repaired: GatedInt8, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    made = repaired.save(tmp_path / "one.int8.onnx")
    (parity,) = made.card.backend_parity
    assert (parity.backend, parity.precision, parity.holds) == ("openvino", "int8", True)
    assert parity.drop_points == pytest.approx(repaired.result.check(made.path).deltas[0].drop)
    assert parity.drop_data.endswith("at most 5 points allowed")


@pytest.mark.slow
def test_a_network_hostile_throughout_is_refused_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    refused = gated(folder, "all")
    with pytest.raises(CheckError, match="No graph was written"):
        refused.save(tmp_path / "all.int8.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_is_kept_may_compute_in_float16(folder: Path, tmp_path: Path) -> None:
    made = gated(folder, "one", fp16=True)
    assert made.result.backend.startswith("onnxruntime")
    assert made.save(tmp_path / "one.int8.onnx").card.origin.settings["float_part"] == "fp16"


@pytest.mark.slow
def test_images_that_calibrated_do_not_judge(folder: Path, tmp_path: Path) -> None:
    result = gated(folder, "one", images="data/images").result
    assert result.data.judging == 48 - 12


def test_fp16_passes_the_same_gate(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.fp16.onnx"
    result, made = gate_fp16(folder / "one.onnx", out, data=folder / "data", gate_settings=RULE)
    assert result.accepted is not None
    assert made is not None
    assert out.exists()
    assert "drop of AP50:95 against the parent, points" in [item.metric for item in made.card.measurements]


def test_fp16_that_the_gate_refuses_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*given: Any, **named: Any) -> GateResult:
        return dataclasses.replace(gate(*given, **named), accepted=None)

    def refusing_islands_too(*given: Any, **named: Any) -> GateResult:
        return dataclasses.replace(gate_quantizer(*given, **named), accepted=None)

    monkeypatch.setattr(gated_quantization, "gate", refusing)
    monkeypatch.setattr(gated_quantization, "gate_quantizer", refusing_islands_too)
    out = tmp_path / "one.fp16.onnx"
    result, made = gate_fp16(folder / "one.onnx", out, data=folder / "data", gate_settings=RULE)
    assert made is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CheckError, match="got fp16: "):
        result.check(out)


@pytest.mark.slow
def test_a_layer_that_float16_cannot_hold_stays_an_island_of_float32(folder: Path, tmp_path: Path) -> None:
    graph, out = tmp_path / "loud.onnx", tmp_path / "loud.fp16.onnx"
    model = onnx.load(str(folder / "one.onnx"))
    save_graph(overflowing(model), CARD, graph)
    with pytest.raises(CheckError, match="no number"):
        convert_to_fp16(graph, out)
    result, made = gate_fp16(graph, out, data=folder / "data", gate_settings=RULE)
    assert result.accepted is not None
    assert made is not None
    islands = made.card.origin.settings["kept_float"]
    assert "conv0" in islands
    assert len(islands) < LAYERS
    types = {item.name: item.data_type for item in onnx.load(str(out)).graph.initializer}
    assert types["w0"] == onnx.TensorProto.FLOAT
    assert types["w1/fp16"] == onnx.TensorProto.FLOAT16


def test_no_numbers_at_all_name_what_keeps_layers_in_float32(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> None:
        raise NotFiniteError("/tmp/of-nobody.onnx: expected finite boxes and scores, got NaN or infinity.")

    monkeypatch.setattr(quantization, "compare_artefacts", broken)
    out = tmp_path / "nan.fp16.onnx"
    said = f"{out}: expected scores and boxes, got NaN or infinity on .*65504.*`singleshot quantize --fp16 --data DIR`"
    with pytest.raises(CheckError, match=said):
        convert_to_fp16(folder / "one.onnx", out)
    assert list(tmp_path.iterdir()) == []


def test_blocks_are_kept_in_float_by_name(folder: Path, tmp_path: Path) -> None:
    settings = QuantizationSettings(method="minmax", count=12, keep_float="conv[23]")
    made = quantize(folder / "one.onnx", tmp_path / "q.onnx", images=folder / "photos", settings=settings)
    assert made.card.origin.settings["kept_float"] == ["conv2", "conv3"]
    assert not {"conv2", "conv3"} & set(quantized_convolutions(onnx.load(str(made.path))))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        pytest.param("conv9", r"--keep-float conv9: expected part of the name .* like conv\d", id="near names"),
        pytest.param("(", r"--keep-float \(: expected a regular expression, got", id="no expression"),
        pytest.param("conv", r"--keep-float conv: expected some of the 5 blocks of .*, got all", id="all"),
    ],
)
def test_an_expression_that_keeps_nothing_is_refused(folder: Path, tmp_path: Path, pattern: str, message: str) -> None:
    settings = QuantizationSettings(method="minmax", count=12, keep_float=pattern)
    with pytest.raises(InputError, match=message):
        quantize(folder / "one.onnx", tmp_path / "q.onnx", images=folder / "photos", settings=settings)

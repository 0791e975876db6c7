"""`quantize` as a whole: what is written, what the card says, what is refused, who can run it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.calib.int8.image_pool import ImagePool
from singleshot.calib.int8.quantized_graph import quantized_convolutions, quantized_graph
from singleshot.calib.records.answers import answers_to
from singleshot.export.engine.fixed_batch import with_batch
from singleshot.export.graphs.classifier_tail import append_classifier_tail
from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.inspection.inspect_artefact import inspect_artefact
from singleshot.export.parity.parity import Parity
from singleshot.export.quantize import quantize as quantize_module
from singleshot.export.quantize.calibrated import (
    QuantizationSettings,
    WeightRange,
    calibrate,
    fp16_graph,
    open_parent,
)
from singleshot.export.quantize.quantize import Quantized, _parity, convert_to_fp16, quantize
from singleshot.runtime.backends import choose_backend
from singleshot.runtime.card import BackendParity, Measurement
from singleshot.runtime.detection.disagreement import disagreement
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.machine import processor_kind
from singleshot.runtime.precision import Precision
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.hostile_detector import CARD as HOSTILE_CARD
from singleshot.tests.fixtures.hostile_detector import EVERY_LAYER, hostile_detector_graph, patches
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph
from singleshot.tools.proof.damages import stale

COUNT = 10
SETTINGS = QuantizationSettings(method="mse", count=COUNT)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(14):
        cv2.imwrite(str(folder / f"{number:02d}.png"), patches(number))
    return folder


@pytest.fixture(scope="module")
def made(small_detector: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    """The small detector in int8, its table kept as table.json."""
    out = tmp_path_factory.mktemp("int8") / "small.int8.onnx"
    return quantize(
        small_detector,
        out,
        images=photos,
        settings=QuantizationSettings(count=COUNT),
        save_table_to=out.with_name("table.json"),
    )


def test_what_is_written(made: Quantized) -> None:
    base = "small.int8"
    assert sorted(path.name for path in made.path.parent.iterdir()) == [
        f"{base}.calibration.json",
        f"{base}.calibration.png",
        f"{base}.onnx",
        "table.json",
    ]
    assert made.selection is not None
    report = json.loads(made.path.with_name(f"{base}.calibration.json").read_text())
    assert report["names"] == list(made.selection.names)
    assert len(report["names"]) == COUNT
    assert read_image_bgr(made.path.with_name(f"{base}.calibration.png")).shape[1] == 4 * 98
    assert json.loads(json.dumps(made.to_dict()))["accuracy_measured"] is False


def test_the_card_says_how(made: Quantized, small_detector: Path) -> None:
    with open_session(made.path, backend="onnxruntime") as session:
        card = session.card
    assert card == made.card
    assert card.origin.parent_sha256 == sha256_of_file(small_detector)
    settings = card.origin.settings
    table = json.loads(made.path.with_name("table.json").read_text())
    assert (settings["quantization"], settings["method"], settings["images"]) == ("int8", table["method"], COUNT)
    assert (settings["seed"], settings["int8_convolutions"], settings["float_part"]) == (0, "3 of 4", "fp32")
    assert (settings["kept_float"], settings["constant"]) == ([], [])
    assert set(card.origin.packages) == {"numpy", "onnx", "onnxruntime"}
    assert inspect_artefact(made.path).precision == "int8"


def test_the_card_vouches_for_openvino_here(made: Quantized) -> None:
    pytest.importorskip("openvino")
    (parity,) = made.card.backend_parity
    assert (parity.backend, parity.precision, parity.holds) == ("openvino", "int8", True)
    assert (parity.processor, parity.frames, parity.reference) == (
        processor_kind(),
        4,
        "small.onnx, onnxruntime (CPU) fp32",
    )
    assert parity.data == "4 images that were not calibrated on"
    assert choose_backend(made.card, "auto", "auto").backend == "openvino"


def test_auto_takes_the_method_whose_answers_differ_least(made: Quantized) -> None:
    assert set(made.disagreement) == {"minmax", "percentile", "entropy", "mse"}
    assert made.method == min(made.disagreement, key=lambda name: made.disagreement[name])
    figure = next(item for item in made.card.measurements if "disagreement" in item.metric)
    assert figure.value == made.disagreement[made.method]
    assert figure.data == "images without labels"


def test_the_next_method_is_tried_where_the_best_is_not_proved(
    small_detector: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Parity] = []

    def doubtful_once(*arguments: Any) -> Parity:
        parity = _parity(*arguments)
        asked.append(parity if asked else replace(parity, lineage=("a weight",)))
        return asked[-1]

    monkeypatch.setattr(quantize_module, "_parity", doubtful_once)
    made = quantize(small_detector, tmp_path / "x.onnx", images=photos, settings=QuantizationSettings(count=COUNT))
    assert (len(asked), made.parity) == (2, asked[1])
    assert made.method == sorted(made.disagreement, key=lambda name: made.disagreement[name])[1]


def test_answers_are_compared_on_images_that_were_not_calibrated_on(
    small_detector: Path, photos: Path, tmp_path: Path
) -> None:
    some, folder = calibrate(open_parent(small_detector), ImagePool(photos), SETTINGS), tmp_path / "photos"
    used = set(some.tables["mse"].images.sha256_of)
    assert set(some.held_out_names) == {path.name for path in photos.iterdir()} - used
    assert len(some.held_out_frames()) == 14 - COUNT
    folder.mkdir()
    for name in used:
        (folder / name).write_bytes((photos / name).read_bytes())
    (folder / "broken.png").write_bytes(b"nothing")
    others_are_broken = calibrate(open_parent(small_detector), ImagePool(folder), SETTINGS)
    assert others_are_broken.held_out_names == ("broken.png",)
    assert len(others_are_broken.held_out_frames()) == COUNT


def test_what_was_measured_on_the_parent_is_not_measured_on_the_child(photos: Path, tmp_path: Path) -> None:
    parity = BackendParity(
        backend="openvino",
        precision=Precision.BF16,
        version="1",
        reference="",
        data="",
        frames=1,
        matched=1,
        unmatched=0,
        score_difference=0,
        holds=True,
    )
    measured = (
        Measurement(metric="AP50", value=0.5, data="val", note="epoch 3, of the checkpoint"),
        Measurement(metric="parity", value=0.0, data="frames"),
    )
    card = CARD.model_copy(update={"backend_parity": (parity,), "measurements": measured})
    save_graph(small_detector_graph(), card, tmp_path / "small.onnx")
    child = quantize(tmp_path / "small.onnx", tmp_path / "x.onnx", images=photos, settings=SETTINGS).card
    assert parity not in child.backend_parity
    assert [item.note for item in child.measurements][:2] == ["epoch 3, of the checkpoint", "of the float32 graph"]


def test_table_is_reused_and_gives_the_same_graph(
    made: Quantized, small_detector: Path, photos: Path, tmp_path: Path
) -> None:
    assert made.method is not None
    settings = QuantizationSettings(method=made.method, count=COUNT)
    table = made.path.with_name("table.json")
    again = quantize(small_detector, tmp_path / "x.onnx", images=photos, settings=settings, table=table)
    assert onnx.load(str(again.path)).graph == onnx.load(str(made.path)).graph
    assert (again.selection, again.written) == (None, ())
    assert again.card.origin.settings == made.card.origin.settings


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param("graph", "one of another graph", id="another graph"),
        pytest.param("seed", "one of the seed 0, not 1", id="another seed"),
        pytest.param("pixels", "one of an image .* of other pixels", id="a changed image"),
        pytest.param("auto", "--method: expected one method with --table, got auto", id="auto"),
    ],
)
def test_table_of_something_else_is_refused(
    made: Quantized, photos: Path, tmp_path: Path, change: str, reason: str
) -> None:
    assert made.method is not None
    model, images, table = small_detector_graph(), tmp_path / "photos", made.path.with_name("table.json")
    if change == "graph":
        next(item for item in model.graph.initializer if item.name == "w1").raw_data = bytes(8 * 27 * 4)
    images.mkdir()
    for path in photos.iterdir():
        (images / path.name).write_bytes(path.read_bytes())
    if change == "pixels":
        for path in images.iterdir():
            cv2.imwrite(str(path), patches(99))
    save_graph(model, CARD, tmp_path / "small.onnx")
    settings = QuantizationSettings(
        method="auto" if change == "auto" else made.method, count=COUNT, seed=int(change == "seed")
    )
    with pytest.raises(InputError, match=reason):
        quantize(tmp_path / "small.onnx", tmp_path / "x.onnx", images=images, settings=settings, table=table)
    assert not (tmp_path / "x.onnx").exists()


def test_int8_and_fp16_graphs_are_no_parents(
    made: Quantized, small_detector: Path, photos: Path, tmp_path: Path
) -> None:
    half = convert_to_fp16(small_detector, tmp_path / "half.onnx").path
    for path, precision in ((made.path, "int8"), (half, "fp16")):
        message = (
            rf"{path.name}: expected a float32 graph, got one that is {precision} already\. Quantize the graph that"
        )
        with pytest.raises(InputError, match=message):
            quantize(path, tmp_path / "x.onnx", images=photos, settings=SETTINGS)


def test_dead_layer_is_left_in_float_and_named(photos: Path, tmp_path: Path) -> None:
    model = small_detector_graph()
    next(item for item in model.graph.initializer if item.name == "w_box").raw_data = bytes(4 * 72 * 4)
    next(item for item in model.graph.initializer if item.name == "w2").raw_data = bytes(8 * 72 * 4)
    save_graph(model, CARD, tmp_path / "dead.onnx")
    made = quantize(tmp_path / "dead.onnx", tmp_path / "x.onnx", images=photos, settings=SETTINGS)
    assert quantized_convolutions(onnx.load(str(made.path))) == ("conv1", "conv2")
    assert made.card.origin.settings["constant"] == ["r2"]
    assert made.warnings[-1] == "1 tensors never changed, their readers stay in float: r2."


def test_int8_of_another_network_is_refused(
    small_detector: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*arguments: object, **options: object) -> onnx.ModelProto:
        graph = quantized_graph(*arguments, **options)  # type: ignore[arg-type]  # as it was called
        next(node for node in graph.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
        return graph

    monkeypatch.setattr("singleshot.export.quantize.calibrated.quantized_graph", damaged)
    with pytest.raises(
        CheckError, match=r"x\.onnx: expected the network of .*small\.onnx in int8, got another: relu1: Sigmoid"
    ):
        quantize(small_detector, tmp_path / "x.onnx", images=photos, settings=SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_stale_ranges_are_no_rounding(
    small_detector: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "singleshot.export.quantize.calibrated.quantized_graph",
        lambda *arguments, **options: stale(quantized_graph(*arguments, **options), seed=1),
    )
    with pytest.raises(CheckError, match=r"no rounding explains .* calibrate anew on pictures of its kind"):
        quantize(small_detector, tmp_path / "x.onnx", images=photos, settings=SETTINGS)


def test_network_that_collapses_is_not_written(photos: Path, tmp_path: Path) -> None:
    save_graph(hostile_detector_graph(EVERY_LAYER), HOSTILE_CARD, tmp_path / "hostile.onnx")
    with pytest.raises(
        CheckError,
        match=r"got \d+ of \d+ detections changed .*, 5% allowed\. Measured on 4 images that were not calibrated "
        r"on; nothing was written\. --data DIR lets average precision",
    ):
        quantize(tmp_path / "hostile.onnx", tmp_path / "x.onnx", images=photos, settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.onnx"]


def test_float_part_in_float16(small_detector: Path, photos: Path, tmp_path: Path) -> None:
    settings = QuantizationSettings(method="mse", count=COUNT, fp16=True)
    made = quantize(small_detector, tmp_path / "x.onnx", images=photos, settings=settings, kept_float=["conv2"])
    model = onnx.load(str(made.path))
    assert quantized_convolutions(model) == ("conv1", "conv_box")
    types = {item.name: item.data_type for item in model.graph.initializer}
    assert {name for name, kind in types.items() if kind == TensorProto.FLOAT16} == {"w2/fp16", "w_class/fp16"}
    assert types["w1/scale"] == types["r2/scale"] == TensorProto.FLOAT
    assert made.card.origin.settings["float_part"] == "fp16"


def test_fp16_alone(small_detector: Path, tmp_path: Path) -> None:
    made = convert_to_fp16(small_detector, tmp_path / "half.onnx")
    assert (made.precision, made.method, made.convolutions) == ("fp16", None, (4, 0))
    assert 0 < made.disagreement["fp16"] < 0.05
    assert inspect_artefact(made.path).precision == "fp16"
    assert made.card.origin.settings == {"quantization": "fp16"}


def test_float16_of_another_network_is_refused(
    small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong_once(model: onnx.ModelProto, **options: object) -> onnx.ModelProto:
        half = fp16_graph(model, **options)  # type: ignore[arg-type]
        next(node for node in half.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
        return half

    monkeypatch.setattr(quantize_module, "fp16_graph", wrong_once)
    with pytest.raises(CheckError, match=r"x\.onnx: expected the network of .*small\.onnx in fp16, got another: "):
        convert_to_fp16(small_detector, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_weight_that_float16_cannot_hold(photos: Path, tmp_path: Path) -> None:
    model = small_detector_graph()
    place = next(item for item in model.graph.initializer if item.name == "w_class")
    place.CopyFrom(numpy_helper.from_array(np.full((3, 8, 3, 3), 1e5, np.float32), "w_class"))
    save_graph(model, CARD, tmp_path / "large.onnx")
    with pytest.raises(InputError, match=r"large\.onnx: w_class: expected values within float16's .* Leave --fp16 out"):
        convert_to_fp16(tmp_path / "large.onnx", tmp_path / "x.onnx")


def test_name_that_is_no_graphs(small_detector: Path, photos: Path, tmp_path: Path) -> None:
    message = r"x\.engine: expected a name that ends in \.onnx, got \.engine"
    with pytest.raises(InputError, match=message):
        convert_to_fp16(small_detector, tmp_path / "x.engine")
    with pytest.raises(InputError, match=message):
        quantize(small_detector, tmp_path / "x.engine", images=photos)


def small_classifier() -> onnx.ModelProto:
    """The small detector's two convolutions under a fully connected layer, three classes."""
    model = small_detector_graph()
    nodes = list(model.graph.node)
    trunk = nodes[: [node.name for node in nodes].index("relu2") + 1]
    used = {name for node in trunk for name in node.input}
    constants = [item for item in model.graph.initializer if item.name in used]
    del model.graph.node[:], model.graph.output[:], model.graph.value_info[:], model.graph.initializer[:]
    model.graph.initializer.extend(constants)
    model.graph.node.extend(
        [
            *trunk,
            helper.make_node("GlobalAveragePool", ["r2"], ["pooled"], name="pool"),
            helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
            helper.make_node("Gemm", ["flat", "w_last"], ["class_logits"], name="last"),
        ]
    )
    weight = np.random.default_rng(1).normal(0, 2, (8, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w_last"))
    model.graph.output.append(helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, ["N", 3]))
    return append_classifier_tail(model)


def test_classifier(photos: Path, tmp_path: Path) -> None:
    card = CARD.model_copy(update={"task": "classifier", "class_names": ("cat", "cow", "dog")})
    save_graph(small_classifier(), card, tmp_path / "classifier.onnx")
    made = quantize(tmp_path / "classifier.onnx", tmp_path / "x.onnx", images=photos, settings=SETTINGS)
    model = onnx.load(str(made.path))
    assert quantized_convolutions(model) == ("conv1", "conv2")
    assert next(list(node.input) for node in model.graph.node if node.name == "last") == ["flat", "w_last"]
    assert made.selection is not None
    assert made.selection.gap.median_score is not None


def test_every_backend_gives_the_same_answers(made: Quantized) -> None:
    pytest.importorskip("openvino")
    frames = [patches(seed)[np.newaxis] for seed in range(20, 24)]
    with (
        open_session(made.path, backend="onnxruntime") as ours,
        open_session(made.path, backend="openvino", precision="fp32") as theirs,
    ):
        assert disagreement(answers_to(ours, frames), answers_to(theirs, frames)) < 0.05


@pytest.mark.parametrize("fp16", [False, True])
def test_nvidias_compiler_takes_it(small_detector: Path, photos: Path, tmp_path: Path, fp16: bool) -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    from singleshot.export.engine.plan import BatchProfile

    settings = QuantizationSettings(method="mse", count=COUNT, fp16=fp16)
    made = quantize(small_detector, tmp_path / "x.onnx", images=photos, settings=settings)
    model = with_batch(onnx.load(str(made.path)), BatchProfile(least=1, best=1, most=1), name="x")
    model = with_cluster_tail(model, CARD.postprocess)
    builder = rtx.Builder(rtx.Logger(rtx.Logger.ERROR))
    network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = rtx.OnnxParser(network, rtx.Logger(rtx.Logger.ERROR))
    assert parser.parse(model.SerializeToString()), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    assert plan is not None
    assert sum("QUANTIZE" in str(network.get_layer(index).type) for index in range(network.num_layers)) >= 6


@pytest.mark.parametrize(
    ("asked", "limit", "steps"),
    [
        pytest.param("full", "AVX2", 127, id="full, whatever the processor"),
        pytest.param("half", "", 63, id="half, whatever the processor"),
        pytest.param("auto", "AVX2", 63, id="auto, where sums saturate"),
    ],
)
def test_range_of_weights(asked: WeightRange, limit: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    if limit and not processor_kind():
        pytest.skip("no x86 processor")
    assert QuantizationSettings(weight_range=asked).weight_steps == steps

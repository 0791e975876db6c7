"""NVIDIA's own compiler on the graphs that singleshot emits; RTX compiles without a GPU, and nothing is executed."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from singleshot.export.engine import build
from singleshot.export.engine.build import build_engine
from singleshot.export.engine.compile import Gpu, check_precision
from singleshot.export.engine.fixed_batch import with_batch
from singleshot.export.engine.plan import BatchProfile, CompilerSettings, UnsupportedGraphError, compile_plan
from singleshot.export.engine.stage import Checks
from singleshot.export.engine.tail_agreement import check_tails_agree
from singleshot.export.engine.tensorrt_api import TensorRt
from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.inspection.plan_program import PlanProgram, read_plan_program
from singleshot.runtime.card import Card, card_from_json
from singleshot.runtime.errors import CheckError, InputError, MissingDependencyError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.precision import Precision
from singleshot.runtime.progress import no_progress
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.hostile_detector import CARD as HOSTILE_CARD
from singleshot.tests.fixtures.hostile_detector import EVERY_LAYER, hostile_detector_graph, patches
from singleshot.tests.fixtures.small_detector import CARD, SIDE, small_detector_graph

CONVOLUTIONS = 4
OUTPUTS = {"num_dets", "det_boxes", "det_scores", "det_classes", "exact"}


@pytest.fixture
def rtx() -> TensorRt:
    return TensorRt(module=pytest.importorskip("tensorrt_rtx"))


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is built must not hang on the machine that runs the tests."""
    monkeypatch.setattr(build, "find_gpu", lambda: None)


def card_of(path: Path) -> Card:
    return card_from_json(path.read_text(), source=str(path))


def test_build_alone_writes_an_fp16_engine_and_its_card_beside_the_graph(
    rtx: TensorRt, small_detector: Path, tmp_path: Path
) -> None:
    graph = tmp_path / "small.onnx"
    graph.write_bytes(small_detector.read_bytes())
    built = build_engine(graph)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "small.fp16.engine",
        "small.fp16.engine.json",
        graph.name,
    ]
    card = card_of(tmp_path / "small.fp16.engine.json")
    assert card == built.card
    assert (card.kind, card.class_names, card.postprocess.tail) == ("engine", CARD.class_names, "cluster")
    assert card.origin.parent_sha256 == sha256_of_file(graph)
    record = card.engine
    assert record is not None
    assert record.plan_sha256 == hashlib.sha256(built.path.read_bytes()).hexdigest()
    assert (record.compiler, record.version, record.compute_capabilities) == ("tensorrt_rtx", rtx.version, ())
    assert record.network_convolutions == record.plan_convolutions == {"half": CONVOLUTIONS}
    assert (record.deserialised, record.executed, record.gpu) == (False, False, None)
    assert record.batch == (1, 1, 1)


def test_several_targets_and_a_dynamic_batch(rtx: TensorRt, small_detector: Path, tmp_path: Path) -> None:
    settings = CompilerSettings(
        batch=BatchProfile(least=1, best=4, most=8), compute_capabilities=(75, 86, 120), workspace_mib=64
    )
    built = build_engine(small_detector, tmp_path / "x.engine", settings=settings)
    program = read_plan_program(built.path.read_bytes())
    assert program is not None
    assert program.targets == ("sm75", "sm86", "sm120")
    assert built.card.engine is not None
    assert built.card.engine.compute_capabilities == ("7.5", "8.6", "12.0")
    assert built.card.engine.batch == (1, 4, 8)


def test_graph_that_carries_the_cluster_tail_is_built_as_it_is(
    rtx: TensorRt, small_detector: Path, tmp_path: Path
) -> None:
    postprocess = CARD.postprocess.model_copy(update={"tail": "cluster"})
    path = tmp_path / "clustered.onnx"
    clustered = with_cluster_tail(small_detector_graph(), postprocess)
    save_graph(clustered, CARD.model_copy(update={"postprocess": postprocess}), path)
    built = build_engine(path)
    assert built.card.postprocess.tail == "cluster"
    frames = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    with open_session(path) as ours, open_session(small_detector) as theirs:
        for found, expected in zip(ours.run(frames), theirs.run(frames), strict=True):
            assert len(expected) > 0
            np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)
            np.testing.assert_array_equal(found.class_ids, expected.class_ids)


def test_gpu_at_hand_is_what_rtx_compiles_for(
    rtx: TensorRt, small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu(name="NVIDIA RTX 4070", driver="590.1", compute_capability="8.9")
    monkeypatch.setattr(build, "find_gpu", lambda: gpu)
    built = build_engine(small_detector, tmp_path / "x.engine", backend="rtx")
    assert built.card.engine is not None
    assert (built.card.engine.compute_capabilities, built.card.engine.gpu) == (("8.9",), gpu.name)


def test_progress_goes_up_to_one(rtx: TensorRt, small_detector: Path, tmp_path: Path) -> None:
    told: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    build_engine(
        small_detector,
        tmp_path / "x.engine",
        on_progress=lambda phase, *at: told[phase == "comparing on real frames"].append(at),
    )
    compiling, comparing = told[False], told[True]
    assert compiling == sorted(compiling)
    assert compiling[-1] == (1000, 1000)
    assert len(set(compiling)) > 3
    assert comparing == [(0, 1), (1, 1)]


@pytest.mark.usefixtures("ctrl_c_raises")
def test_interrupted_build_stops_and_writes_nothing(rtx: TensorRt, small_detector: Path, tmp_path: Path) -> None:
    told: Counter[str] = Counter()

    def press_ctrl_c(_phase: str, *_at: int) -> None:
        """As the compiler begins, from its thread, and wait for it to arrive in the main one."""
        told["interrupted"] += 1
        if told["interrupted"] == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        build_engine(small_detector, tmp_path / "x.engine", on_progress=press_ctrl_c)
    assert list(tmp_path.iterdir()) == []
    build_engine(small_detector, tmp_path / "x.engine", on_progress=lambda *_: told.update(["whole"]))
    assert told["interrupted"] < told["whole"]


def test_operators_that_the_compiler_lacks_are_listed(rtx: TensorRt) -> None:
    with pytest.raises(
        UnsupportedGraphError, match=r"small\.onnx: expected operators that TensorRT-RTX .* builds"
    ) as e:
        compile_plan(
            with_unknown_operator(small_detector_graph()),
            rtx,
            CompilerSettings(),
            name="small.onnx",
            on_progress=no_progress,
        )
    assert [(problem.node, problem.operator) for problem in e.value.problems] == [("odd", "Det")]
    assert e.value.problems[0].reason


def with_unknown_operator(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.node.insert(3, helper.make_node("Det", ["first"], ["determinant"], "odd"))
    return model


def test_build_that_fails_says_why(rtx: TensorRt) -> None:
    graph = with_fp16_network(small_detector_graph())  # NonMaxSuppression parses, but RTX cannot build it
    with pytest.raises(
        InputError, match=r"small\.onnx: expected a graph that TensorRT-RTX .* can build, but it failed"
    ):
        compile_plan(
            graph,
            rtx,
            CompilerSettings(batch=BatchProfile(least=1, best=1, most=2)),
            name="small.onnx",
            on_progress=no_progress,
        )


@pytest.mark.parametrize(
    ("precision", "network", "program", "message"),
    [
        pytest.param(
            Precision.FP16,
            {"half": 3, "float": 1},
            None,
            "all convolutions of the network in half, got 1 float, 3 half",
            id="net",
        ),
        pytest.param(
            Precision.FP16,
            {"half": 4},
            PlanProgram(targets=("sm86",), launches=9, convolutions={"float": 4}),
            "all convolutions of the plan in half, got 4 float",
            id="the plan fell back",
        ),
        pytest.param(
            Precision.FP32, {"half": 4}, None, "all convolutions of the network in float, got 4 half", id="fp32"
        ),
        pytest.param(Precision.FP32, {}, None, "got none", id="no convolution at all"),
        pytest.param(
            Precision.INT8, {"half": 4}, None, "all convolutions of the network in int8, got 4 half", id="no int8"
        ),
        pytest.param(
            Precision.INT8,
            {"int8": 3, "half": 1},
            PlanProgram(targets=("sm75",), launches=9, convolutions={"half": 4}),
            "all but 1 convolutions of the plan in int8, got 4 half",
            id="RTX computes no int8 on Turing",
        ),
    ],
)
def test_other_precision_than_asked_for_is_an_error(
    precision: Precision, network: dict[str, int], program: PlanProgram | None, message: str
) -> None:
    with pytest.raises(CheckError, match=message):
        check_precision("x.engine", precision, network, program)


def _tensorrt_is(installed: bool) -> Callable[[str], object]:
    return lambda _name: SimpleNamespace() if installed else None


def test_without_any_tensorrt_one_line_says_what_to_do(
    small_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", _tensorrt_is(False))
    with pytest.raises(MissingDependencyError) as caught:
        build_engine(small_detector, tmp_path / "x.engine")
    assert str(caught.value) == (
        "an engine needs tensorrt_rtx, which is not installed. pip install 'singleshot[rtx]' brings TensorRT-RTX. "
        f"Until then {small_detector} runs here as it is: rt-detect --model {small_detector}"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            CompilerSettings(compute_capabilities=(90,)),
            "--sm: expected some of 75, 80, .* got 90",
            id="a data-centre GPU",
        ),
        pytest.param(
            CompilerSettings(timing_cache=Path("t")),
            "--timing-cache: expected with --backend tensorrt alone",
            id="cache",
        ),
        pytest.param(
            CompilerSettings(is_hardware_compatible=True), "--hardware-compatible: expected with", id="hardware"
        ),
        pytest.param(CompilerSettings(is_version_compatible=True), "--version-compatible: expected with", id="version"),
    ],
)
def test_settings_that_rtx_does_not_have_are_refused(
    rtx: TensorRt, small_detector: Path, tmp_path: Path, settings: CompilerSettings, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build_engine(small_detector, tmp_path / "x.engine", settings=settings)


def test_other_input_errors(small_detector: Path, graphs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.plan: expected a name that ends in \.engine, got \.plan"):
        build_engine(small_detector, tmp_path / "x.plan")
    with pytest.raises(InputError, match=r"--backend tensorrt: expected an NVIDIA GPU, .* got none"):
        build_engine(small_detector, tmp_path / "x.engine", backend="tensorrt")
    with pytest.raises(InputError, match="--batch: expected 1 <= least <= best <= most, got 1:8:4"):
        BatchProfile(least=1, best=8, most=4)


def test_graph_with_a_fixed_batch_and_graph_without_our_tail(rtx: TensorRt, graphs: Path, tmp_path: Path) -> None:
    two = CompilerSettings(batch=BatchProfile(least=2, best=2, most=2))
    with pytest.raises(InputError, match=r"N is free for --batch 2:2:2, got one that takes 1\. Build with --batch 1"):
        build_engine(graphs / "quarters_one_by_one.onnx", tmp_path / "x.engine", settings=two)
    with pytest.raises(InputError, match=r"quarters\.onnx: model: expected the `onnx` tail with .*, got none"):
        build_engine(graphs / "quarters.onnx", tmp_path / "x.engine")


def test_tails_that_differ_are_found() -> None:
    model = small_detector_graph()
    clustered = with_cluster_tail(model, CARD.postprocess)
    agreement = check_tails_agree(model, clustered, CARD.postprocess, class_count=2)
    assert (agreement.scenes, agreement.inexact) == (8, 0)
    assert agreement.rows > 50
    stricter = with_cluster_tail(model, CARD.postprocess.model_copy(update={"iou_threshold": 0.3}))
    with pytest.raises(CheckError, match=r"cluster tail: expected the .* rows of the onnx tail in generated scene"):
        check_tails_agree(model, stricter, CARD.postprocess, class_count=2)


@pytest.mark.parametrize("data", [b"", b"header {\n", b"some other format header {\nn_streams = 1\n\0"])
def test_plan_that_tells_nothing(data: bytes) -> None:
    assert read_plan_program(data) is None


def test_a_weight_that_float16_does_not_hold_is_told(rtx: TensorRt, tmp_path: Path) -> None:
    model = small_detector_graph()
    weight = next(item for item in model.graph.initializer if item.name == "w_class")
    weight.CopyFrom(numpy_helper.from_array(np.full((3, 8, 3, 3), 1e5, np.float32), "w_class"))
    save_graph(model, CARD, tmp_path / "a.onnx")
    message = r"a\.onnx: w_class: expected values within float16's 65504, got 100000\. Build it with --precision fp32\."
    with pytest.raises(InputError, match=message):
        build_engine(tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_int8_that_says_something_else_is_told_of_the_file_that_it_would_be(rtx: TensorRt, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(40):
        cv2.imwrite(str(photos / f"{number:02d}.png"), patches(number))
    graph = tmp_path / "hostile.onnx"
    save_graph(hostile_detector_graph(EVERY_LAYER), HOSTILE_CARD, graph)
    kept = tmp_path / "hostile.int8.onnx"
    said = (
        rf"^{kept}: expected the same detections as its graph, got \d+ of \d+ detections changed .* nothing was written"
    )
    with pytest.raises(CheckError, match=said):
        build_engine(graph, precision="int8", calib_images=photos)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile.onnx", "photos"]


def test_labelled_images_judge_graphs_that_take_one_frame(rtx: TensorRt, tmp_path: Path, voc_root: Path) -> None:
    batch = BatchProfile(least=2, best=2, most=2)
    save_graph(with_batch(small_detector_graph(), batch, name="two"), CARD, tmp_path / "two.onnx")
    with pytest.raises(
        InputError,
        match=r"--data: expected a graph that takes one frame at a time, got .*two\.onnx that takes 2\. Export it with",
    ):
        build_engine(tmp_path / "two.onnx", checks=Checks(data=voc_root))

"""NVIDIA's compiler on detectors and classifiers, in every precision, for every GPU, static and dynamic batch.

RTX compiles without a GPU, so launches and precisions are counted in the plans; nothing is executed.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from singleshot.calib.int8.quantized_graph import quantized_convolutions, quantized_graph, tensors_to_measure
from singleshot.calib.int8.table import CalibrationTable, ImagesRecord, TensorRange
from singleshot.export.engine import build
from singleshot.export.engine.build import build_engine
from singleshot.export.engine.plan import BatchProfile, CompilerSettings
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.inspection.plan_program import read_plan_program
from singleshot.runtime.card import Card
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.precision import Precision
from singleshot.tests.fixtures import small_classifier, small_detector

GRAPHS = {
    "detector": (small_detector.small_detector_graph, small_detector.CARD),
    "classifier": (small_classifier.small_classifier_graph, small_classifier.CARD),
}
KINDS = {Precision.FP32: "float", Precision.FP16: "half", Precision.INT8: "int8"}
GPUS = (75, 80, 86, 89, 120)
DYNAMIC = BatchProfile(least=1, best=2, most=4)


def int8_graph(model: onnx.ModelProto, card: Card) -> onnx.ModelProto:
    """Quantize with made-up ranges: what compiles does not depend on them."""
    names = tensors_to_measure(model)
    images = ImagesRecord(count=1, seed=0, listed_sha256="0", sha256_of={})
    table = CalibrationTable(
        method="minmax",
        graph_sha256="0",
        preprocessing=card.input,
        images=images,
        ranges={name: TensorRange(low=-1, high=4, limit=4) for name in names},
    )
    return quantized_graph(model, table)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr(build, "find_gpu", lambda: None)


def graph_of(folder: Path, task: str, precision: Precision) -> tuple[Path, dict[str, int]]:
    """Write a graph, and count its convolutions by the type that they are to compute in."""
    make, card = GRAPHS[task]
    model, path = make(), folder / f"{task}.onnx"
    total = sum(node.op_type == "Conv" for node in model.graph.node)
    wanted = {KINDS[precision]: total}
    if precision == Precision.INT8:
        model, path = int8_graph(model, card), folder / f"{task}.int8.onnx"
        quantized = len(quantized_convolutions(model))
        wanted = {"int8": quantized, "float": total - quantized}
    save_graph(model, card, path)
    return path, {kind: count for kind, count in wanted.items() if count}


@pytest.mark.parametrize(
    ("capability", "batch"),
    [*(pytest.param(gpu, BatchProfile(), id=f"sm{gpu}") for gpu in GPUS), pytest.param(86, DYNAMIC, id="dynamic")],
)
@pytest.mark.parametrize("precision", KINDS)
@pytest.mark.parametrize("task", GRAPHS)
def test_every_target(tmp_path: Path, task: str, precision: Precision, capability: int, batch: BatchProfile) -> None:
    path, wanted = graph_of(tmp_path, task, precision)
    settings = CompilerSettings(compute_capabilities=(capability,), batch=batch)
    if precision == "int8" and capability == 75:  # RTX builds such a plan, but its convolutions are float ones
        with pytest.raises(
            CheckError, match=r"expected int8, all but 1 convolutions of the plan in int8, got \d float"
        ):
            build_engine(path, precision=precision, settings=settings)
        assert list(tmp_path.iterdir()) == [path]
        return
    built = build_engine(path, precision=precision, settings=settings)
    assert built.path == tmp_path / f"{task}.{precision}.engine"
    program = read_plan_program(built.path.read_bytes())
    assert program is not None
    assert program.targets == (f"sm{capability}",)
    record = built.card.engine
    assert record is not None
    assert record.network_convolutions == record.plan_convolutions == program.convolutions == wanted
    assert record.kernel_launches == program.launches
    if task == "detector":  # 16 steps of suppression and both TopK are launches of their own
        assert 20 <= program.launches <= 90
    else:
        assert 4 <= program.launches <= 20


def test_precision_follows_from_the_graph(tmp_path: Path) -> None:
    path, _ = graph_of(tmp_path, "detector", Precision.INT8)
    built = build_engine(path)
    assert built.path.name == "detector.int8.engine"
    assert built.card.engine is not None
    assert (built.card.engine.precision, built.card.engine.graph) == ("int8", "detector.int8.onnx")
    with pytest.raises(InputError, match=r"--precision: expected int8, as .*int8\.onnx is an int8 graph, got fp16"):
        build_engine(path, precision="fp16")
    with pytest.raises(InputError, match=r"--precision best: expected a float32 graph, .* got an int8 graph"):
        build_engine(path, precision="best")


def test_classifier_keeps_its_card(tmp_path: Path) -> None:
    path, _ = graph_of(tmp_path, "classifier", Precision.FP16)
    card = build_engine(path).card
    assert (card.kind, card.task, card.postprocess) == ("engine", "classifier", small_classifier.CARD.postprocess)

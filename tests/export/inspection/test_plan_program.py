"""What a plan's kernels compute in: kernels as the compiler writes them, and plans that it made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.engine.build import build_engine
from singleshot.export.engine.compile import check_precision
from singleshot.export.engine.plan import CompilerSettings, compile_plan
from singleshot.export.engine.tensorrt_api import TensorRt
from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import load_graph, save_graph
from singleshot.export.inspection.plan_program import UNKNOWN, read_plan_program
from singleshot.runtime.card import Card
from singleshot.runtime.errors import CheckError
from singleshot.runtime.precision import Precision
from singleshot.runtime.progress import no_progress
from singleshot.runtime.session import open_session
from singleshot.tests.export.engine.test_matrix import int8_graph
from singleshot.tests.fixtures.small_detector import CARD
from singleshot.tests.fixtures.yolo_stand_in import CONVOLUTIONS, yolo_stand_in

MEMORY = 'alignment=128 dims={{ {dims} }} mem_prop=0 name="{name}" offset=0 region="devmem" strides={{ 1 }} type={kind}'
CONSTANT = 'alignment=128 const_payload_size=8 dims={{ {dims} }} name="{name}" offset=0 strides={{ 1 }} type={kind}'
TENSORS = [
    *(MEMORY.format(name=kind, dims="1 8 4 4", kind=kind) for kind in ("half", "float", "int8")),
    *(CONSTANT.format(name=f"w_{kind}", dims="8 8 3 3", kind=kind) for kind in ("half", "float", "int8")),
    *(CONSTANT.format(name=f"b_{kind}", dims="1 8 1 1", kind=kind) for kind in ("half", "float")),
]
PLAIN = (
    '{kind}={{ name="c" output={{"out" }} input={{{inputs} }} stream=0 strides={{ 1 1 }} layers="[ONNX Layer: c]" }}'
)
FUSED = (
    "runtime_fusion={{ name=__myl_{name} input_args={{ {inputs} }} output_args={{ {output} }} binary=0 stream=0 "
    'layers="[ONNX Layer: c]{origin}" backbone={backbone} }}'
)


def program_of(*kernels: str) -> bytes:
    """Write a plan's text around kernels, and behind it the program of a fused kernel, as plans have them."""
    tensors = "\n".join(f"  tensor={{ {tensor} }}" for tensor in TENSORS)
    base = (
        '  sub_tensor={ base="half" const_offset=0 dims={ 1 8 16 } name="half^deref" offset=0 strides={ 1 } type=half }'
    )
    body = "\n".join(f"  {kernel}" for kernel in kernels)
    main = (
        f"header {{\n  accelerators={{sm86 sm120 }}\n}}\ndescriptors {{\n{tensors}\n{base}\n}}\nmain {{\n{body}\n}}\n"
    )
    inner = "header {\n  accelerators={*}\n}\nmain {\n  function={ name=__myl_Fc }\n}\n"
    return b"\1\2" + main.encode() + b"\0\0" + inner.encode() + b"\0"


def plain(kind: str, *inputs: str) -> str:
    return PLAIN.format(kind=kind, inputs=" ".join(f'"{name}"' for name in inputs))


def fused(name: str, *inputs: str, output: str = "half", backbone: str = "conv", origin: str = "") -> str:
    written = " ".join(f'"{name}"' for name in inputs)
    return FUSED.format(name=name, inputs=written, output=f'"{output}"', backbone=backbone, origin=origin)


@pytest.mark.parametrize(
    ("kernel", "convolutions"),
    [
        pytest.param(
            plain("corrltn", "half", "w_half", "b_float", "b_float", "b_half"), {"half": 1}, id="scales are floats"
        ),
        pytest.param(plain("corrltn", "int8", "w_int8", "b_float"), {"int8": 1}, id="int8"),
        pytest.param(plain("corrltn", "half", "w_float"), {UNKNOWN: 1}, id="data and weights that differ"),
        pytest.param(plain("corrltn", "elsewhere", "w_half"), {UNKNOWN: 1}, id="data that is not described"),
        pytest.param(plain("deconvolution", "float", "w_float"), {"float": 1}, id="transposed"),
        pytest.param(
            fused("CorrCastSilu", "half", "w_half", "b_half", output="float"), {"half": 1}, id="a result in float"
        ),
        pytest.param(
            fused("CorrCastSiluAdd", "float", "half", "w_half", "b_half", output="float"),
            {"half": 1},
            id="a residual in float is read first",
        ),
        pytest.param(
            fused("CorrSilu", "float", "w_float", output="half"), {"float": 1}, id="fell back, result in half"
        ),
        pytest.param(fused("CorrMulMax", "int8", "w_int8", "b_float"), {"int8": 1}, id="scales of int8 are floats"),
        pytest.param(fused("DecoCast", "half", "w_half", backbone="deconv"), {"half": 1}, id="fused and transposed"),
        pytest.param(
            fused(
                "FcAddCastSilu",
                "b_half",
                "w_half",
                "half^deref",
                "float",
                backbone="gemm",
                origin="__gemm_from_conv1x1",
            ),
            {"half": 1},
            id="a convolution of size 1x1 as a product",
        ),
        pytest.param(
            plain("fully_connected", "w_half", "half^deref", "b_float").replace(
                "layers", "layers=c__gemm_from_conv1x1"
            ),
            {"half": 1},
            id="such a product by itself",
        ),
        pytest.param(plain("fully_connected", "w_half", "half"), {}, id="a product by itself is no convolution"),
        pytest.param(fused("FcAdd", "w_half", "half", backbone="gemm"), {}, id="a product is no convolution"),
        pytest.param(fused("CorrReluCorr", "half", "w_half", "w_half"), {UNKNOWN: 2}, id="two in a kernel"),
        pytest.param(fused("CorrAdd", "half", "w_half", "w_float"), {UNKNOWN: 1}, id="two that may be the weights"),
        pytest.param(fused("CorrMul", "half", "half"), {"half": 1}, id="weights that are computed, all half"),
        pytest.param(fused("CorrMul", "half", "float"), {UNKNOWN: 1}, id="weights that are computed, of some type"),
        pytest.param(fused("MulAddEtc", "half", "w_half"), {UNKNOWN: 1}, id="a name that does not say"),
    ],
)
def test_convolutions_are_counted_by_what_they_read(kernel: str, convolutions: dict[str, int]) -> None:
    program = read_plan_program(program_of(kernel))
    assert program is not None
    assert (program.convolutions, program.launches, program.targets) == (convolutions, 1, ("sm86", "sm120"))


def test_launches_are_kernels_alone() -> None:
    kernels = ["function={ name=a }", "maxpool={ name=b }", "avgpool={ name=c }", "fully_connected={ name=d }"]
    others = ["signal={ 1 }", "wait={ 1 }", "copy={ name=e }", "mul={ name=f }", "memset={ name=g }"]
    program = read_plan_program(program_of(*kernels, plain("corrltn", "half", "w_half"), *others))
    assert program is not None
    assert program.launches == 5


@pytest.mark.parametrize("plan", [b"plan", program_of(), b"header {\n  accelerators={sm86 }\n}\n"])
def test_plan_without_kernels_says_nothing(plan: bytes) -> None:
    assert read_plan_program(plan) is None


def test_unknown_convolutions_count_neither_for_nor_against() -> None:
    half = {"half": 3}
    known, unknown = plain("corrltn", "half", "w_half"), plain("corrltn", "half", "w_float")
    check_precision("x.engine", Precision.FP16, half, read_plan_program(program_of(known, unknown)))
    with pytest.raises(CheckError, match="all convolutions of the plan in half, got 1 unknown"):
        check_precision("x.engine", Precision.FP16, half, read_plan_program(program_of(unknown)))


def patterns() -> onnx.ModelProto:
    """Make a network of what follows convolutions in detectors."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"t{len(nodes)}"], f"n{len(nodes)}", **attributes))
        return str(nodes[-1].output[0])

    def conv(source: str, *shape: int, operator: str = "Conv", **attributes: Any) -> str:
        parts = {"w": rng.normal(0, 0.2, shape), "b": rng.normal(0, 0.2, shape[operator == "ConvTranspose"])}
        names = [f"{name}{len(weights)}" for name in parts]
        weights.extend(
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in zip(names, parts.values(), strict=True)
        )
        return add(operator, source, *names, **attributes)

    same: dict[str, Any] = {"pads": [1, 1, 1, 1]}
    first = conv("x", 32, 3, 3, 3, strides=[2, 2], **same)
    silu = add("Mul", first, add("Sigmoid", first))
    hard = add("HardSwish", conv(silu, 32, 1, 3, 3, group=32, **same))
    leaky = add("LeakyRelu", conv(hard, 64, 32, 1, 1), alpha=0.1)
    inner = conv(leaky, 64, 64, 3, 3, **same)
    summed = add("Add", leaky, add("Mul", inner, add("Sigmoid", inner)))
    joined = add("Concat", summed, add("Relu", add("Add", conv(summed, 64, 64, 3, 3, **same), leaky)), axis=1)
    mixed = conv(joined, 64, 128, 1, 1)
    larger = conv(add("Mul", mixed, add("Sigmoid", mixed)), 64, 32, 2, 2, operator="ConvTranspose", strides=[2, 2])
    grouped = add("Sigmoid", conv(add("Relu", larger), 32, 8, 3, 3, group=4, **same))
    conv(grouped, 8, 32, 1, 1)
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "patterns",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 64, 64])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture
def rtx() -> TensorRt:
    return TensorRt(module=pytest.importorskip("tensorrt_rtx"))


@pytest.mark.parametrize("capability", [75, 86, 120])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.INT8])
def test_every_convolution_of_a_plan_is_counted(rtx: TensorRt, precision: Precision, capability: int) -> None:
    model = patterns()
    if precision == Precision.FP16:
        model = with_fp16_network(model)
    if precision == Precision.INT8:
        model = int8_graph(model, CARD)
    plan = compile_plan(
        model, rtx, CompilerSettings(compute_capabilities=(capability,)), name="p", on_progress=no_progress
    )
    program = read_plan_program(plan.data)
    assert program is not None
    assert sum(plan.network_convolutions.values()) == 9  # one of them is transposed
    if (precision, capability) == (Precision.INT8, 75):  # Turing's kernels in int8 are none of RTX's
        assert program.convolutions == {"float": 9}
    else:
        assert program.convolutions == plan.network_convolutions
        check_precision("p", precision, plan.network_convolutions, program)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Card]:
    """Give YOLOv8n's stand-in as `adapt` leaves it."""
    folder = tmp_path_factory.mktemp("stand-in")
    onnx.save(yolo_stand_in(), folder / "foreign.onnx")
    adapt_detector(folder / "foreign.onnx", folder / "adapted.onnx")
    with open_session(folder / "adapted.onnx") as session:
        return folder / "adapted.onnx", session.card


@pytest.mark.slow
@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8])
def test_network_in_the_shape_of_yolov8_builds(
    adapted: tuple[Path, Card], tmp_path: Path, precision: Precision
) -> None:
    graph, card = adapted
    if precision == Precision.INT8:
        model = int8_graph(load_graph(graph), card)
        graph = tmp_path / "quantized.onnx"
        save_graph(model, card, graph)
    built = build_engine(graph, tmp_path / "x.engine", precision=precision)
    record = built.card.engine
    assert record is not None
    assert record.plan_convolutions == record.network_convolutions
    counted = Counter(record.plan_convolutions)
    assert counted.total() == CONVOLUTIONS
    assert counted == {"half": CONVOLUTIONS} if precision == Precision.FP16 else counted["int8"] > CONVOLUTIONS * 0.8

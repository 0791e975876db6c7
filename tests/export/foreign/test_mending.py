"""Graphs as exporters leave them: unsorted, in half precision, with branches, weights elsewhere, a dead suppression."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.graph import load_foreign_graph
from singleshot.export.foreign.inputs import ForeignInput, input_spec, run_frames
from singleshot.export.foreign.kinds import usual_input
from singleshot.export.foreign.mending import MOST_BYTES
from singleshot.export.foreign.told import Told
from singleshot.export.parity.tolerances import FP32
from singleshot.runtime.card import Postprocess
from singleshot.runtime.errors import InputError
from singleshot.runtime.precision import Precision
from singleshot.runtime.session import open_session

from .foreign_models import EXPECTED, SIDE, boxes_xyxy, class_scores, model_of, plain_model, refusal, save

POSTPROCESS = Postprocess(score_floor=0.05)


def adapted(model: onnx.ModelProto, folder: Path, told: Told | None = None) -> onnx.ModelProto:
    """Adapt, hold the answer against what is planted, and give the written graph."""
    path = save(model, folder / "foreign.onnx")
    adapt_detector(path, folder / "adapted.onnx", told=told, postprocess=POSTPROCESS)
    with open_session(folder / "adapted.onnx") as session:
        (found,) = session.run(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    assert found.class_ids.tolist() == [class_id for class_id, _, _ in EXPECTED]
    np.testing.assert_allclose(found.boxes_xyxy, [box for _, _, box in EXPECTED], rtol=0, atol=1e-6)
    return onnx.load(str(folder / "adapted.onnx"))


def test_nodes_in_any_order(tmp_path: Path) -> None:
    model = plain_model()
    nodes = list(model.graph.node)[::-1]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    adapted(model, tmp_path)


def test_weights_behind_nodes_are_weights(tmp_path: Path) -> None:
    model = plain_model()
    weight = next(item for item in model.graph.initializer if item.name == "zeros")
    model.graph.node.insert(
        0, helper.make_node("Constant", [], ["hidden"], value=numpy_helper.from_array(numpy_helper.to_array(weight)))
    )
    model.graph.node.insert(1, helper.make_node("Identity", ["hidden"], ["zeros"]))
    model.graph.initializer.remove(weight)
    graph = adapted(model, tmp_path).graph
    assert "network/hidden" in {item.name for item in graph.initializer}
    assert "Constant" not in {node.op_type for node in graph.node}


def with_local_function(model: onnx.ModelProto) -> None:
    model.graph.node[2].op_type, model.graph.node[2].domain = "Times", "theirs"
    body = [helper.make_node("MatMul", ["a", "b"], ["c"])]
    model.functions.append(
        helper.make_function("theirs", "Times", ["a", "b"], ["c"], body, [helper.make_opsetid("", 13)])
    )
    model.opset_import.append(helper.make_opsetid("theirs", 1))


def with_one_name_for_all_nodes(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.name = "node"


def with_weights_listed_as_inputs(model: onnx.ModelProto) -> None:
    model.ir_version = 3
    model.graph.input.extend(
        helper.make_tensor_value_info(item.name, item.data_type, list(item.dims)) for item in model.graph.initializer
    )


def with_a_list(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("SequenceConstruct", ["boxes"], ["all"]))
    model.graph.output.append(helper.make_tensor_sequence_value_info("all", TensorProto.FLOAT, None))


def with_texts(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(["cat"], object), "words"))
    model.graph.node.append(helper.make_node("Identity", ["words"], ["labels"]))
    model.graph.output.append(helper.make_tensor_value_info("labels", TensorProto.STRING, [1]))


def with_an_input_for_nobody(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("im_info", TensorProto.FLOAT, [1, 3]))


def with_unknown_operator_for_nobody(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Fly", ["boxes"], ["away"], domain="theirs"))
    model.opset_import.append(helper.make_opsetid("theirs", 1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(with_local_function, id="a function of the file's own"),
        pytest.param(with_one_name_for_all_nodes, id="all nodes of one name"),
        pytest.param(with_weights_listed_as_inputs, id="weights listed as inputs, IR version 3"),
        pytest.param(with_a_list, id="an output that is a list of tensors"),
        pytest.param(with_texts, id="an output of texts"),
        pytest.param(with_an_input_for_nobody, id="an input that nothing reads"),
        pytest.param(with_unknown_operator_for_nobody, id="an unknown operator that no output needs"),
    ],
)
def test_what_converters_leave(change: Callable[[onnx.ModelProto], None], tmp_path: Path) -> None:
    model = plain_model()
    change(model)
    adapted(model, tmp_path)


ON_PIXELS = [
    helper.make_node("ReduceMax", ["flat"], ["brightest"], keepdims=0),
    helper.make_node("Cast", ["brightest"], ["is"], to=TensorProto.BOOL),
]


def with_branch(condition: list[onnx.NodeProto], *, is_way_out: bool = False) -> onnx.ModelProto:
    """Let the zeros that are added to every answer come out of an If, whose branches read the graph around them."""
    model = plain_model()
    model.graph.node[2].output[0] = "outside"

    def branch(name: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Mul", ["outside", "half"], ["inner"]),
            helper.make_node("Add", ["inner", "inner"], [name]),
        ]
        half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
        return helper.make_graph(
            nodes, name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)], [half]
        )

    then = branch("a")
    if is_way_out:
        del then.node[:]
        zero = numpy_helper.from_array(np.zeros((1, 1), np.float32), "a")
        then.node.append(helper.make_node("Constant", [], ["a"], value=zero))
    branching = helper.make_node("If", ["is"], ["nothing"], then_branch=then, else_branch=branch("b"))
    for place, node in enumerate([*condition, branching]):
        model.graph.node.insert(3 + place, node)
    return model


FOLDED = [
    pytest.param(
        [helper.make_node("Constant", [], ["is"], value=numpy_helper.from_array(np.array(True), "is"))], id="a constant"
    ),
    pytest.param(
        [
            helper.make_node("Shape", ["images"], ["shape"]),
            helper.make_node("ReduceMax", ["shape"], ["side"], keepdims=0),
            helper.make_node("Cast", ["side"], ["is"], to=TensorProto.BOOL),
        ],
        id="the shape of the picture",
    ),
]


@pytest.mark.parametrize("condition", FOLDED)
def test_branch_that_is_always_taken(condition: list[onnx.NodeProto], tmp_path: Path) -> None:
    operators = {node.op_type for node in adapted(with_branch(condition), tmp_path).graph.node}
    assert "If" not in operators


def test_branch_that_hangs_on_pixels_is_refused(tmp_path: Path) -> None:
    message = (
        "foreign.onnx: expected a graph that takes the same way for every picture, got the branching node nothing "
        "(If), whose condition hangs on pixels. Name tensors before it by --boxes and --scores; --suggest lists them."
    )
    with pytest.raises(InputError, match=re.escape(message)):
        adapted(with_branch(ON_PIXELS), tmp_path)


def test_way_out_where_there_is_nothing_stays(tmp_path: Path) -> None:
    """As torchvision's whole models have it around their suppression."""
    operators = {node.op_type for node in adapted(with_branch(ON_PIXELS, is_way_out=True), tmp_path).graph.node}
    assert "If" in operators


def test_uint8_stays_at_the_input(tmp_path: Path) -> None:
    graph = adapted(plain_model(input_shape=("N", SIDE, SIDE, 3), input_type=TensorProto.UINT8), tmp_path).graph
    casts = [helper.get_attribute_value(node.attribute[0]) for node in graph.node if node.op_type == "Cast"]
    assert casts
    assert TensorProto.UINT8 not in casts


def test_uint8_arithmetic_stays(tmp_path: Path) -> None:
    model = plain_model(input_shape=("N", SIDE, SIDE, 3), input_type=TensorProto.UINT8)
    model.graph.initializer.append(numpy_helper.from_array(np.array(2, np.uint8), "two"))
    model.graph.node[0].input[0] = "halved"
    model.graph.node.insert(0, helper.make_node("BitShift", ["images", "two"], ["halved"], direction="RIGHT"))
    adapted(model, tmp_path)


def test_cut_at_inner_tensors_leaves_no_dead_nodes(tmp_path: Path) -> None:
    model = plain_model()
    del model.graph.output[:]
    model.graph.node.append(helper.make_node("EfficientNMS_TRT", ["boxes", "scores"], ["num"], domain="TRT"))
    model.graph.output.append(helper.make_tensor_value_info("num", TensorProto.INT32, [1, 1]))
    model.opset_import.append(helper.make_opsetid("TRT", 1))
    written = adapted(model, tmp_path, Told(boxes="boxes", scores="scores[0:3]"))
    assert {entry.domain for entry in written.opset_import} == {""}


def test_half_precision_is_held_against_half_precision(tmp_path: Path) -> None:
    model = plain_model()
    for item in model.graph.initializer:
        if item.name == "zeros":
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), "zeros"))
    model.graph.node[0].attribute[0].i = TensorProto.FLOAT16
    model.graph.node[2].output[0] = "half"
    model.graph.node.insert(3, helper.make_node("Cast", ["half"], ["nothing"], to=TensorProto.FLOAT))
    done = adapt_detector(save(model, tmp_path / "foreign.onnx"), tmp_path / "adapted.onnx", postprocess=POSTPROCESS)
    assert done.parity.tolerances.precision == Precision.FP16 != FP32.precision


@pytest.mark.filterwarnings("error")
def test_pixels_in_half_precision_are_summed_without_overflow(tmp_path: Path) -> None:
    rows = np.concatenate([np.full((8400, 4), 400), np.full((8400, 3), 0.5)], axis=1).astype(np.float16)
    model = model_of({"rows": rows}, side=640)
    for item in model.graph.initializer:
        if item.name == "zeros":
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), "zeros"))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    model.graph.node[0].attribute[0].i = TensorProto.FLOAT16
    foreign = load_foreign_graph(save(model, tmp_path / "foreign.onnx"), [])
    usual, ground = usual_input(foreign)
    spec = input_spec(foreign, ForeignInput(), [], usual=usual, of=ground)
    outputs, _ = run_frames(foreign, spec, np.zeros((2, 640, 640, 3), np.uint8))
    assert outputs["rows"][..., 0].mean() == 400


def external(folder: Path, length: int) -> Path:
    model = plain_model()
    item = next(item for item in model.graph.initializer if item.name == "zeros")
    values = item.raw_data
    item.ClearField("raw_data")
    item.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.data"), ("offset", "0"), ("length", str(length))):
        entry = item.external_data.add()
        entry.key, entry.value = key, value
    (folder / "weights.data").write_bytes(values)
    return save(model, folder / "foreign.onnx")


def test_weights_beside_the_graph(tmp_path: Path) -> None:
    path = external(tmp_path, 3 * SIDE * SIDE * 4)
    done = adapt_detector(path, tmp_path / "before.onnx", postprocess=POSTPROCESS)
    assert done.parity.matched == 2 * done.parity.frames
    (tmp_path / "weights.data").unlink()
    assert refusal(path) == (
        "foreign.onnx: expected its weights in weights.data beside it, got none that can be read. "
        "Copy them with the graph."
    )


def test_more_than_one_file_can_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    assert refusal(external(tmp_path, MOST_BYTES)) == (
        "foreign.onnx: expected at most 2 GB with its weights, which is what one ONNX file can hold, got 2.1 GB. "
        "Export it in half precision, or a smaller model."
    )


def test_crossed_corners_are_put_in_order(tmp_path: Path) -> None:
    boxes, scores = boxes_xyxy(), class_scores()
    boxes[5] = boxes[5, [2, 1, 0, 3]]
    adapted(model_of({"boxes": boxes, "scores": scores}), tmp_path)

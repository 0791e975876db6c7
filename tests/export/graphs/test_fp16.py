"""Half precision goes where the whitelist says and nowhere else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.runtime.runners.quiet_session import open_quietly

SIDE = 8
TOLERANCE = 2e-2
"""Of a float16 convolution over 27 products of values around 1."""


def model_of(nodes: list[onnx.NodeProto], *, weight: float = 0.3, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    """A graph of `nodes` over x [1, 3, 8, 8] with a 3x3 kernel w, a shape s and an axis a."""
    kernel = np.random.default_rng(0).normal(0, weight, (4, 3, 3, 3)).astype(np.float32)
    kernel[0, 0, 0, 0] = weight
    constants = [
        numpy_helper.from_array(value, name)
        for name, value in (("w", kernel), ("s", np.array([1, -1])), ("a", np.array([1])))
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


CONV = helper.make_node("Conv", ["x", "w"], ["c"], name="conv")


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def run(model: onnx.ModelProto) -> list[np.ndarray]:
    session = open_quietly(model.SerializeToString())
    x = np.random.default_rng(1).normal(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    return [np.asarray(result) for result in session.run(None, {"x": x})]


@pytest.mark.parametrize(
    ("nodes", "half", "single"),
    [
        pytest.param(
            [CONV, helper.make_node("Relu", ["c"], ["y"])], {"c/fp16", "y/fp16"}, {"y"}, id="what follows stays half"
        ),
        pytest.param(
            [CONV, helper.make_node("Reshape", ["c", "s"], ["r"]), helper.make_node("Softmax", ["r"], ["y"])],
            {"c/fp16", "r/fp16"},
            {"r", "y"},
            id="softmax is float32 behind one cast",
        ),
        pytest.param([helper.make_node("Relu", ["x"], ["y"])], set(), {"y"}, id="nothing starts it but a convolution"),
        pytest.param(
            [
                CONV,
                helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[3, 3]),
                helper.make_node("ReduceMean", ["p", "a"], ["m"]),
                helper.make_node("Add", ["c", "m"], ["y"]),
            ],
            {"c/fp16"},
            {"c", "p", "m", "y"},
            id="half and single add up in single",
        ),
    ],
)
def test_types(nodes: list[onnx.NodeProto], half: set[str], single: set[str]) -> None:
    model = model_of(nodes)
    types = types_of(with_fp16_network(model))
    assert {name for name, kind in types.items() if kind == TensorProto.FLOAT16 and name != "x/fp16"} == half
    assert single <= {name for name, kind in types.items() if kind == TensorProto.FLOAT}
    for ours, theirs in zip(run(with_fp16_network(model)), run(model), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def test_a_tensor_that_both_need_is_cast_once() -> None:
    nodes = [
        CONV,
        helper.make_node("Relu", ["c"], ["y"]),
        helper.make_node("Exp", ["c"], ["first"]),
        helper.make_node("Exp", ["c"], ["second"]),
    ]
    model = with_fp16_network(model_of(nodes, outputs=("y", "first", "second")))
    casts = sorted(node.output[0] for node in model.graph.node if node.op_type == "Cast")
    assert casts == ["c", "x/fp16", "y"]


def test_the_float32_weights_are_gone() -> None:
    model = with_fp16_network(model_of([CONV, helper.make_node("Relu", ["c"], ["y"])]))
    assert [(item.name, item.data_type) for item in model.graph.initializer] == [("w/fp16", TensorProto.FLOAT16)]


def test_int8_convolution_stays_as_it_is() -> None:
    model = model_of([CONV, helper.make_node("Relu", ["c"], ["y"])])
    del model.graph.value_info[:]
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(0.05, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.int8), "zero"),
        ]
    )
    pair = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
    ]
    nodes = [*pair, *model.graph.node]
    nodes[2].input[0] = "d"
    used = {name for node in nodes for name in node.input}
    constants = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert with_fp16_network(model).graph == model.graph


def test_weight_that_half_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="w: expected values within float16's 65504, got "):
        with_fp16_network(model_of([CONV, helper.make_node("Relu", ["c"], ["y"])], weight=1e5))


def test_an_island_computes_in_float32_and_its_neighbours_do_not() -> None:
    model = model_of([CONV, helper.make_node("Relu", ["c"], ["y"], name="relu")])
    model.graph.node[-1].output[0] = "r"
    model.graph.node.append(helper.make_node("Conv", ["r", "w2"], ["y"], name="second"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), "w2"))
    del model.graph.value_info[:]
    types = types_of(with_fp16_network(model, kept_float={"conv"}))
    assert {name for name in ("c", "r") if types[name] == TensorProto.FLOAT} == {"c", "r"}
    assert types["y/fp16"] == TensorProto.FLOAT16


@pytest.mark.parametrize("hangs_on_pixels", [False, True])
def test_branches_read_float32_of_what_is_half_around_them(hangs_on_pixels: bool) -> None:
    def branch(name: str, operator: str) -> onnx.GraphProto:
        inner = helper.make_node(operator, ["c"], [name])
        return helper.make_graph([inner], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])

    condition = helper.make_node("Constant", [], ["is"], value=numpy_helper.from_array(np.array(False), "is"))
    asked = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["is"], to=TensorProto.BOOL),
    ]
    choice = helper.make_node("If", ["is"], ["y"], then_branch=branch("yes", "Relu"), else_branch=branch("no", "Neg"))
    model = model_of([CONV, *(asked if hangs_on_pixels else [condition]), choice])
    retyped = with_fp16_network(model)
    assert types_of(retyped)["c/fp16"] == TensorProto.FLOAT16
    (expected,), (found,) = run(model), run(retyped)
    assert (expected.min() < 0) != hangs_on_pixels
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)

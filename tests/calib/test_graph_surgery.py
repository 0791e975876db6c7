"""Taking out what nobody needs, and looking at what is inside."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.calib.graph_surgery import all_nodes, drop_unused, open_inner
from singleshot.runtime.errors import MissingDependencyError

FRAMES = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)


def value(name: str, kind: int, shape: list[Any] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.fixture
def model() -> onnx.ModelProto:
    """Frames -> x -> doubled -> summed, beside it `aside` and a branch that reads `hidden` from outside."""
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("Mul", ["x", factor], [name], name=name)],
            name,
            [],
            [value(name, TensorProto.FLOAT, ["N", 2, 4, 3])],
        )
        for name, factor in (("then", "hidden"), ("else", "two"))
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["frames"], ["x"], name="cast", to=TensorProto.FLOAT),
            helper.make_node("Mul", ["x", "two"], ["doubled"], name="double"),
            helper.make_node("Add", ["x", "one"], ["aside"], name="aside"),
            helper.make_node("If", ["yes"], ["chosen"], name="if", **branches),
            helper.make_node("ReduceSum", ["doubled"], ["summed"], name="sum", keepdims=0),
        ],
        "graph",
        [value("frames", TensorProto.UINT8, ["N", 2, 4, 3])],
        [value("summed", TensorProto.FLOAT, []), value("chosen", TensorProto.FLOAT, ["N", 2, 4, 3])],
        [
            numpy_helper.from_array(np.asarray(of, np.float32), name)
            for name, of in (("one", 1), ("two", 2), ("hidden", 5))
        ]
        + [numpy_helper.from_array(np.array(True), "yes")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made)
    return made


@pytest.mark.parametrize(
    ("needed", "given", "nodes", "constants"),
    [
        pytest.param(["summed", "chosen"], (), ["cast", "double", "if", "sum"], {"two", "hidden", "yes"}, id="outputs"),
        pytest.param(["summed"], (), ["cast", "double", "sum"], {"two"}, id="one of the outputs"),
        pytest.param(["aside"], (), ["cast", "aside"], {"one"}, id="what no output needs"),
        pytest.param(["summed"], ["doubled"], ["sum"], set(), id="from the middle"),
        pytest.param(["chosen"], (), ["cast", "if"], {"two", "hidden", "yes"}, id="what a branch reads from outside"),
        pytest.param(["two"], (), [], {"two"}, id="a constant alone"),
    ],
)
def test_what_is_not_needed_goes(
    model: onnx.ModelProto, needed: list[str], given: list[str], nodes: list[str], constants: set[str]
) -> None:
    drop_unused(model.graph, needed, given=given)
    assert [node.name for node in model.graph.node] == nodes
    assert {item.name for item in model.graph.initializer} == constants


def test_branches_are_gone_through(model: onnx.ModelProto) -> None:
    assert {node.name for node in all_nodes(model.graph)} >= {"if", "then", "else"}


def test_inner_tensors_come_out_beside_outputs_and_the_model_stays(model: onnx.ModelProto) -> None:
    before = copy.deepcopy(model)
    found = open_inner(model, ["aside", "summed"])(FRAMES)
    assert list(found) == ["aside", "summed"]
    np.testing.assert_array_equal(found["aside"], FRAMES.astype(np.float32) + 1)
    assert found["summed"] == 2 * FRAMES.sum(dtype=np.float32)
    assert model == before


def test_without_onnx_the_extra_is_named(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *_arguments: object) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"singleshot\[export\]"):
        open_inner(model, ["aside"])

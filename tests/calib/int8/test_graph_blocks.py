"""Which convolutions can be quantized, which belong together, and what a residual input is."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from singleshot.calib.int8.graph_blocks import GraphReading, blocks_of, name_of
from singleshot.tests.fixtures.small_detector import small_detector_graph
from singleshot.tools.reference.reference_ssd import reference_ssd

Layer = tuple[str, list[str], str]


def graph_of(*layers: Layer, outputs: tuple[str, ...] = ("y",), names: dict[str, str] | None = None) -> onnx.ModelProto:
    """A graph of (operator, inputs, output) over x; a Conv takes a weight `<output>.weight` besides."""
    nodes, constants = [], []
    for operator, inputs, output in layers:
        if operator == "Conv":
            weight = (names or {}).get(output, f"{output}.weight")
            constants.append(numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), weight))
            node = helper.make_node("Conv", [*inputs, weight], [output], name=f"n_{output}")
        else:
            attributes: dict[str, Any] = {"kernel_shape": [1, 1]} if operator == "MaxPool" else {}
            node = helper.make_node(operator, inputs, [output], name=f"n_{output}", **attributes)
        nodes.append(node)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


END: tuple[Layer, ...] = (("Relu", ["last"], "r"), ("Conv", ["r"], "y"))
"""After the last tensor an activation and the layer of the scores."""


@pytest.mark.parametrize(
    ("layers", "blocks"),
    [
        pytest.param([("Conv", ["x"], "a"), ("Relu", ["a"], "b"), ("Conv", ["b"], "last")], ["a,last"], id="a chain"),
        pytest.param([("Conv", ["x"], "a"), ("Conv", ["a"], "last")], ["a", "last"], id="nothing between is a border"),
        pytest.param(
            [("Conv", ["x"], "a"), ("MaxPool", ["a"], "b"), ("Conv", ["b"], "last")], ["a", "last"], id="so is pooling"
        ),
        pytest.param(
            [("Conv", ["x"], "a"), ("Relu", ["a"], "b"), ("Conv", ["b"], "c"), ("Add", ["c", "b"], "last")],
            ["a", "c"],
            id="and a tensor that two read",
        ),
        pytest.param(
            [
                ("Conv", ["x"], "a"),
                ("Sigmoid", ["a"], "s"),
                ("Mul", ["a", "s"], "b"),
                ("Conv", ["b"], "last"),
            ],
            ["a,last"],
            id="SiLU is one activation",
        ),
        pytest.param(
            [("Conv", ["x"], "a"), ("Conv", ["x"], "b"), ("Mul", ["a", "b"], "c"), ("Conv", ["c"], "last")],
            ["a", "b", "last"],
            id="a product of two is none",
        ),
        pytest.param(
            [
                ("Relu", ["x"], "in"),
                ("Conv", ["in"], "a"),
                ("Relu", ["a"], "b"),
                ("Conv", ["b"], "c"),
                ("Conv", ["in"], "p"),
                ("Add", ["c", "p"], "last"),
            ],
            ["a,c,p"],
            id="a residual block with its projection",
        ),
    ],
)
def test_blocks(layers: list[Layer], blocks: list[str]) -> None:
    found = blocks_of(graph_of(*layers, *END))
    assert [",".join(name.removeprefix("n_") for name in block.convolutions) for block in found] == blocks


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        pytest.param(("a.b.conv1.weight", "a.b.conv2.weight"), "a.b", id="what the paths share"),
        pytest.param(("a/b/1/w", "a/b/2/w"), "a.b", id="slashes"),
        pytest.param(("w1", "w2"), "n_a to n_last", id="no path: the nodes"),
    ],
)
def test_names(weights: tuple[str, str], name: str) -> None:
    layers: list[Layer] = [("Conv", ["x"], "a"), ("Relu", ["a"], "b"), ("Conv", ["b"], "last")]
    model = graph_of(*layers, *END, names=dict(zip(("a", "last"), weights, strict=True)))
    assert [block.name for block in blocks_of(model)] == [name]


def test_names_are_unique() -> None:
    layers: list[Layer] = [("Conv", ["x"], "a"), ("Conv", ["a"], "last")]
    model = graph_of(*layers, *END, names={"a": "net.w1", "last": "net.w2"})
    assert [block.name for block in blocks_of(model)] == ["net", "net, n_last"]


def test_score_layers_are_in_no_block() -> None:
    assert [block.convolutions for block in blocks_of(small_detector_graph())] == [("conv1", "conv2"), ("conv_box",)]


@pytest.mark.parametrize(
    ("layers", "residual"),
    [
        pytest.param(
            [("Conv", ["x"], "a"), ("Relu", ["a"], "b"), ("Conv", ["b"], "c"), ("Add", ["c", "x"], "last")],
            ("x", "n_c"),
            id="what is no convolution",
        ),
        pytest.param(
            [
                ("Conv", ["x"], "a"),
                ("Conv", ["a"], "b"),
                ("Relu", ["b"], "c"),
                ("Conv", ["c"], "d"),
                ("Add", ["a", "d"], "last"),
            ],
            ("a", "n_d"),
            id="the input of an inverted residual",
        ),
        pytest.param(
            [
                ("Conv", ["x"], "p"),
                ("Conv", ["x"], "a"),
                ("Relu", ["a"], "b"),
                ("Conv", ["b"], "c"),
                ("Add", ["p", "c"], "last"),
            ],
            ("p", "n_c"),
            id="a projection before its block",
        ),
        pytest.param(
            [
                ("Conv", ["x"], "a"),
                ("Relu", ["a"], "b"),
                ("Conv", ["b"], "c"),
                ("Conv", ["x"], "p"),
                ("Add", ["c", "p"], "last"),
            ],
            ("p", "n_c"),
            id="and behind it",
        ),
    ],
)
def test_residual_input(layers: list[Layer], residual: tuple[str, str]) -> None:
    found = [(name, name_of(main)) for _, name, main in GraphReading(graph_of(*layers, *END)).residual_inputs()]
    assert found == [residual]


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([("Relu", ["x"], "a"), ("Add", ["a", "x"], "last")], id="no convolution"),
        pytest.param([("Conv", ["x"], "a"), ("Add", ["a", "a"], "last")], id="one tensor twice"),
    ],
)
def test_sums_without_a_residual_input(layers: list[Layer]) -> None:
    assert list(GraphReading(graph_of(*layers, *END)).residual_inputs()) == []


def test_blocks_of_a_resnet() -> None:
    names = [block.name for block in blocks_of(reference_ssd())]
    stages = [f"stages.{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1)]
    heads = [f"box_offsets.{number}.predictor" for number in range(6)]
    assert names == ["stem.conv", *stages, *(f"extras.{number}" for number in range(5)), *heads]


def test_node_without_a_name_goes_by_its_output() -> None:
    assert name_of(helper.make_node("Relu", ["x"], ["y"])) == "y"

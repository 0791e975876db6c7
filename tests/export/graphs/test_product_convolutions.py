"""Fully connected layers written as convolutions: the same numbers, nothing else touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.graphs.product_convolutions import with_convolutions_for_products
from singleshot.runtime.runners.quiet_session import open_quietly


def layer(inputs: int, outputs: int, *, has_bias: bool = True, **attributes: Any) -> onnx.ModelProto:
    """Give y = x W + b."""
    rng = np.random.default_rng(inputs * 100 + outputs)
    shape = (outputs, inputs) if attributes.get("transB") else (inputs, outputs)
    constants = {"w": rng.normal(size=shape).astype(np.float32), "b": rng.normal(size=outputs).astype(np.float32)}
    names = ["x", "w", "b"] if has_bias else ["x", "w"]
    graph = helper.make_graph(
        [helper.make_node("Gemm", names, ["y"], "layer", **attributes)],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", outputs])],
        [numpy_helper.from_array(constants[name], name) for name in names[1:]],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def answer(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = open_quietly(model.SerializeToString())
    return np.asarray(session.run(None, {"x": x})[0])


@given(
    inputs=st.integers(1, 9),
    outputs=st.integers(1, 9),
    batch=st.integers(1, 4),
    is_transposed=st.booleans(),
    has_bias=st.booleans(),
)
def test_the_numbers_stay(inputs: int, outputs: int, batch: int, is_transposed: bool, has_bias: bool) -> None:
    model = layer(inputs, outputs, has_bias=has_bias, transB=int(is_transposed))
    changed = with_convolutions_for_products(model)
    assert [node.op_type for node in changed.graph.node] == ["Reshape", "Conv", "Reshape"]
    x = np.random.default_rng(0).normal(size=(batch, inputs)).astype(np.float32)
    np.testing.assert_allclose(answer(changed, x), answer(model, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attributes", [{"alpha": 2.0}, {"beta": 0.5}, {"transA": 1}], ids=str)
def test_other_products_are_left_alone(attributes: dict[str, Any]) -> None:
    model = layer(3, 3, **attributes)
    assert with_convolutions_for_products(model) is model

"""A conversion changes nothing but by rounding, and whatever else changed is named."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from singleshot.calib.int8.quantized_graph import quantized_graph, tensors_to_measure
from singleshot.calib.int8.table import CalibrationTable, ImagesRecord, TensorRange
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.parity.lineage import lineage_of
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph

Model = onnx.ModelProto


def int8_graph(model: Model) -> Model:
    ranges = {name: TensorRange(low=-1, high=1, limit=1) for name in tensors_to_measure(model)}
    images = ImagesRecord(count=1, seed=0, listed_sha256="", sha256_of={"a": "b"})
    table = CalibrationTable(method="minmax", graph_sha256="", preprocessing=CARD.input, images=images, ranges=ranges)
    return quantized_graph(model, table)


def int8_and_float16(model: Model) -> Model:
    return with_fp16_network(int8_graph(model))


CONVERSIONS = {"float16": with_fp16_network, "int8": int8_graph, "both": int8_and_float16}


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_a_conversion_is_its_parent(convert: Callable[[Model], Model]) -> None:
    model = small_detector_graph()
    assert lineage_of(model, convert(model)).differences == ()


def scaled(model: Model, name: str) -> Model:
    result = copy.deepcopy(model)
    (item,) = (item for item in result.graph.initializer if item.name == name)
    values = numpy_helper.to_array(item)
    item.CopyFrom(numpy_helper.from_array((values * 1.1).astype(values.dtype), name))
    return result


def test_a_scaled_layer_is_named() -> None:
    model = small_detector_graph()
    (line,) = lineage_of(model, scaled(with_fp16_network(model), "w2/fp16")).differences
    assert line.startswith("w2: ")
    assert "rounding explains" in line
    (line,) = lineage_of(model, scaled(int8_graph(model), "w2/scale")).differences
    assert line.startswith("w2: ")


def test_another_operator_and_another_attribute_are_named() -> None:
    model = small_detector_graph()
    other = copy.deepcopy(model)
    (relu,) = (node for node in other.graph.node if node.name == "relu1")
    relu.op_type = "Sigmoid"
    assert lineage_of(model, other).differences == ("relu1: Sigmoid of 1 inputs against Relu",)
    other = copy.deepcopy(model)
    (convolution,) = (node for node in other.graph.node if node.name == "conv2")
    for attribute in convolution.attribute:
        if attribute.name == "pads":
            attribute.CopyFrom(helper.make_attribute("pads", [0, 0, 2, 2]))
    (line,) = lineage_of(model, other).differences
    assert line.startswith("conv2: attributes ")


def test_channels_in_another_order_are_named() -> None:
    model, other = small_detector_graph(), small_detector_graph()
    (item,) = (item for item in other.graph.initializer if item.name == "w1")
    item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item)[:, ::-1].copy(), "w1"))
    (line,) = lineage_of(model, with_fp16_network(other)).differences
    assert line.startswith("w1: ")


def test_a_graph_that_ends_elsewhere() -> None:
    model, other = small_detector_graph(), copy.deepcopy(small_detector_graph())
    del other.graph.node[:]
    (line,) = lineage_of(model, other).differences
    assert line == "answers: none against class_logits, box_offsets"


def test_a_constant_of_another_shape() -> None:
    model, other = small_detector_graph(), small_detector_graph()
    (item,) = (item for item in other.graph.initializer if item.name == "mean")
    item.CopyFrom(numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "mean"))
    (line,) = lineage_of(model, other).differences
    assert line == "mean: shape [1, 1, 1, 1] against [1, 3, 1, 1]"

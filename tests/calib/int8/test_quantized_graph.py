"""Q/DQ stands where the contract says, the weights survive it, and every runtime computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, numpy_helper

from singleshot.calib.graph_surgery import open_inner
from singleshot.calib.int8.graph_blocks import blocks_of
from singleshot.calib.int8.quantized_graph import quantized_convolutions, quantized_graph, tensors_to_measure
from singleshot.calib.int8.table import CalibrationTable, ImagesRecord, TensorRange
from singleshot.export.graphs.tail import PREFIX
from singleshot.runtime.errors import InputError
from singleshot.runtime.runners import openvino_runner
from singleshot.tests.fixtures.pattern_graphs import ACTIVATIONS, ENDS, PATTERNS, pattern_graph
from singleshot.tests.fixtures.small_detector import CARD, SIDE, small_detector_graph
from singleshot.tools.reference.reference_ssd import reference_ssd

NOISE = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
TENSORS = ("scaled", "r1", "r2")


def table_of(model: onnx.ModelProto, **ranges: TensorRange) -> CalibrationTable:
    """Every tensor within -8 and 8, but for those named."""
    every = {name: TensorRange(low=-8, high=8, limit=8) for name in tensors_to_measure(model)}
    return CalibrationTable(
        method="minmax",
        graph_sha256="",
        preprocessing=CARD.input,
        images=ImagesRecord(count=1, seed=0, listed_sha256="", sha256_of={}),
        ranges={**every, **ranges},
    )


def run(model: onnx.ModelProto, *outputs: str) -> list[np.ndarray]:
    return list(open_inner(model, outputs)(NOISE).values())


def inputs_of(model: onnx.ModelProto, node: str) -> list[str]:
    return next(list(item.input) for item in model.graph.node if item.name == node)


def test_inputs_of_convolutions_are_quantized_but_for_the_scores() -> None:
    model = small_detector_graph()
    quantized = quantized_graph(model, table_of(model))
    assert tensors_to_measure(model) == TENSORS
    assert inputs_of(quantized, "conv1") == ["scaled/dequantized", "w1/dequantized"]
    assert inputs_of(quantized, "conv2") == ["r1/dequantized", "w2/dequantized"]
    assert inputs_of(quantized, "conv_box") == ["r2/dequantized", "w_box/dequantized"]
    assert inputs_of(quantized, "conv_class") == ["r2", "w_class"]
    assert quantized_convolutions(quantized) == ("conv1", "conv2", "conv_box")


def test_residual_inputs_are_quantized_and_biases_are_not() -> None:
    model = reference_ssd()
    quantized = quantized_graph(model, table_of(model))
    for node in quantized.graph.node:
        if node.op_type == "Add" and not node.name.startswith(PREFIX):
            assert sum(name.endswith("/dequantized") for name in node.input) == 1
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    assert all(node.input[2].endswith(".bias") for node in convolutions)
    pairs = [node.output[0] for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
    assert len(pairs) == len(set(pairs)) == len(tensors_to_measure(model))


def test_the_tail_is_left_alone() -> None:
    model = small_detector_graph()
    before = [node for node in model.graph.node if node.name.startswith(PREFIX)]
    quantized = quantized_graph(model, table_of(model))
    assert [node for node in quantized.graph.node if node.name.startswith(PREFIX)] == before
    assert list(quantized.graph.output) == list(model.graph.output)


def test_int8_is_symmetric_with_zero_point_0_and_a_scale_a_channel() -> None:
    model = small_detector_graph()
    quantized = quantized_graph(model, table_of(model))
    constants = {item.name: numpy_helper.to_array(item) for item in quantized.graph.initializer}
    for name, channels in (("w1", 8), ("w2", 8), ("w_box", 4)):
        assert name not in constants
        assert constants[f"{name}/int8"].dtype == np.int8
        assert constants[f"{name}/scale"].shape == constants[f"{name}/zero"].shape == (channels,)
        assert np.abs(constants[f"{name}/int8"].reshape(channels, -1)).max(axis=1).tolist() == [127] * channels
    zeros = [value for name, value in constants.items() if name.endswith("/zero") and name.split("/")[0] in TENSORS]
    assert [(value.dtype, value.tolist()) for value in zeros] == [(np.dtype(np.int8), 0)] * len(TENSORS)
    assert {node.attribute[0].i for node in quantized.graph.node if node.name.startswith("w") and node.attribute} == {0}


@given(
    arrays.arrays(np.float32, (4, 2, 1, 1), elements=st.floats(-1e3, 1e3, width=32)),
)
def test_weights_come_back_within_half_a_step(weight: np.ndarray) -> None:
    model = small_detector_graph()
    place = next(item for item in model.graph.initializer if item.name == "w_box")
    kernel = np.tile(weight, (1, 4, 3, 3)).astype(np.float32)
    place.CopyFrom(numpy_helper.from_array(kernel, "w_box"))
    quantized = quantized_graph(model, table_of(model))
    constants = {item.name: numpy_helper.to_array(item) for item in quantized.graph.initializer}
    scale = constants["w_box/scale"].reshape(-1, 1, 1, 1)
    assert (scale > 0).all()
    assert (np.abs(constants["w_box/int8"] * scale - kernel) <= scale * 0.5001).all()


def test_answers_are_near_those_of_the_parent() -> None:
    model = small_detector_graph()
    ranges = {name: float(np.abs(value).max()) for name, value in zip(TENSORS, run(model, *TENSORS), strict=True)}
    table = table_of(model, **{name: TensorRange(low=0, high=top, limit=top) for name, top in ranges.items()})
    for ours, theirs in zip(
        run(quantized_graph(model, table), "class_logits", "box_offsets"),
        run(model, "class_logits", "box_offsets"),
        strict=True,
    ):
        assert 0 < np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.05


def test_a_block_or_a_convolution_is_kept_in_float() -> None:
    model = small_detector_graph()
    block = blocks_of(model)[0]
    assert block.convolutions == ("conv1", "conv2")
    assert quantized_convolutions(quantized_graph(model, table_of(model), kept_float=[block.name])) == ("conv_box",)
    kept = quantized_graph(model, table_of(model), kept_float=["conv1"])
    assert quantized_convolutions(kept) == ("conv2", "conv_box")
    everything = quantized_graph(model, table_of(model), kept_float=[item.name for item in blocks_of(model)])
    assert everything.graph == model.graph


def test_reader_of_a_constant_tensor_stays_in_float() -> None:
    model = small_detector_graph()
    table = table_of(model, r1=TensorRange(low=2, high=2, limit=2))
    assert quantized_convolutions(quantized_graph(model, table)) == ("conv1", "conv_box")


def test_a_pool_of_one_pixel_keeps_pairs_out_of_concatenations() -> None:
    model = pattern_graph(PATTERNS["Concat, then Relu and Mul"], ACTIVATIONS["Relu"], ENDS["3x3"])
    quantized = quantized_graph(model, table_of(model))
    pools = [node for node in quantized.graph.node if node.op_type == "MaxPool"]
    assert [list(node.attribute[0].ints) for node in pools] == [[1, 1]]
    behind = next(node for node in quantized.graph.node if node.input[0] == pools[0].output[0])
    assert (behind.op_type, behind.output[0]) == ("QuantizeLinear", f"{pools[0].input[0]}/quantized")


def test_name_of_no_block() -> None:
    model = small_detector_graph()
    with pytest.raises(InputError, match=r"^conv3: expected the name of a block or convolution, as conv"):
        quantized_graph(model, table_of(model), kept_float=["conv3"])


def test_table_that_lacks_a_tensor() -> None:
    model = small_detector_graph()
    table = table_of(model)
    fewer = table.model_copy(update={"ranges": {k: v for k, v in table.ranges.items() if k != "r2"}})
    with pytest.raises(InputError, match=r"^calibration table: expected a range of the tensor r2, got none\. Measure "):
        quantized_graph(model, fewer)


def test_openvino_computes_the_same(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    model = small_detector_graph()
    quantized = quantized_graph(model, table_of(model))
    heads = ("class_logits", "box_offsets")
    expected = run(quantized, *heads)
    quantized.graph.output.extend(onnx.ValueInfoProto(name=name) for name in heads)
    path = tmp_path / "q.onnx"
    path.write_bytes(quantized.SerializeToString())
    core = openvino_runner.core()
    graph = core.read_model(path)
    graph.reshape([1, SIDE, SIDE, 3])
    answer = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(NOISE)
    for name, theirs in zip(heads, expected, strict=True):
        assert np.linalg.norm(answer[name] - theirs) / np.linalg.norm(theirs) < 0.02  # a rounding that falls other way


def test_no_type_is_lost() -> None:
    model = small_detector_graph()
    inferred = onnx.shape_inference.infer_shapes(quantized_graph(model, table_of(model)), strict_mode=True)
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    assert types["r1/quantized"] == TensorProto.INT8
    assert types["r1/dequantized"] == types["w1/dequantized"] == TensorProto.FLOAT

"""Rounding explains what rounding does, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.network_part import answers_of, cut_at, run_network
from singleshot.export.parity.rounding import (
    RoundingVerdict,
    honest_network,
    network_with_noise,
    rounded_network,
    rounding_verdict,
)
from singleshot.runtime.generated_frames import generated_frames
from singleshot.runtime.runners.contract import HEADS
from singleshot.runtime.runners.quiet_session import open_quietly
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph

Model = onnx.ModelProto
HALF = TensorProto.FLOAT16


def frames() -> list[NDArray[np.uint8]]:
    return list(generated_frames(CARD.input)[:, np.newaxis])


def changed(model: Model, name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Model:
    result = copy.deepcopy(model)
    (item,) = (item for item in result.graph.initializer if item.name == name)
    item.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(item)).astype(np.float32), name))
    return result


def without_a_channel(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    kept = weight.copy()
    kept[0] = 0
    return kept


def verdict_of(candidate: Model, level: Callable[[Model], Model]) -> RoundingVerdict:
    model = small_detector_graph()
    network = cut_at(model, HEADS)
    exact = run_network(network, frames())
    found = run_network(cut_at(candidate, HEADS), frames())
    return rounding_verdict(exact, found, exact, run_network(level(network), frames()), answers_of(model))


def test_another_order_of_sums_is_rounding() -> None:
    again = network_with_noise(cut_at(small_detector_graph(), HEADS), seed=1)
    verdict = verdict_of(again, network_with_noise)
    assert verdict.holds
    assert abs(verdict.bits) < 0.5


def test_float16_computed_as_such_is_rounding() -> None:
    model = small_detector_graph()
    candidate = honest_network(cut_at(with_fp16_network(model), HEADS))
    verdict = verdict_of(candidate, lambda network: rounded_network(network, HALF))
    assert verdict.holds
    assert "bits" in verdict.line()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("w1", lambda weight: 1.1 * weight, id="a layer scaled"),
        pytest.param("w2", without_a_channel, id="a channel dropped"),
        pytest.param("w1", lambda weight: weight[:, ::-1], id="RGB for BGR"),
        pytest.param("mean", lambda mean: mean + 1, id="the mean a grey level off"),
        pytest.param("std", lambda std: 1.01 * std, id="the deviation a hundredth off"),
        pytest.param("w_class", lambda weight: np.roll(weight, 1, axis=0), id="classes shifted by one"),
        pytest.param("w_box", lambda weight: weight * np.array([-1, 1, 1, 1])[:, None, None, None], id="mirrored"),
    ],
)
@pytest.mark.parametrize(
    "level",
    [
        pytest.param(network_with_noise, id="float32"),
        pytest.param(lambda network: rounded_network(network, HALF), id="float16"),
    ],
)
def test_damage_is_none(
    name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]], level: Callable[[Model], Model]
) -> None:
    verdict = verdict_of(changed(small_detector_graph(), name, change), level)
    assert not verdict.holds
    assert verdict.bits > 1


def overflowing_graph() -> Model:
    """Activations of some 1e5 between two convolutions, which the second one brings back."""
    model = changed(small_detector_graph(), "w1", lambda weight: weight * 5e4)
    return changed(model, "w2", lambda weight: weight / 5e4)


def test_what_does_not_fit_float16_overflows() -> None:
    model = overflowing_graph()
    network = cut_at(model, HEADS)
    answers = run_network(network, frames())
    honest = run_network(honest_network(cut_at(with_fp16_network(model), HEADS)), frames())
    level = run_network(rounded_network(network, HALF), frames())
    verdict = rounding_verdict(answers, honest, answers, level, answers_of(model))
    assert not verdict.holds
    assert "no number" in verdict.where


def test_an_answer_of_another_shape() -> None:
    answers = [np.zeros((2, 5, 3), np.float32)]
    verdict = rounding_verdict(answers, [np.zeros((2, 5, 4), np.float32)], answers, answers, ("class_logits",))
    assert not verdict.holds
    assert "another shape" in verdict.where


def test_a_network_of_zeros_agrees_with_itself() -> None:
    zeros = [np.zeros((2, 5, 3), np.float32)]
    assert rounding_verdict(zeros, zeros, zeros, zeros, ("class_logits",)).holds


@pytest.mark.parametrize(
    ("steps", "holds"), [pytest.param(0.5, True, id="half a step"), pytest.param(8, False, id="eight steps")]
)
def test_an_answer_that_is_the_same_in_every_frame_is_rounded_once(steps: float, holds: bool) -> None:
    """By chance to nearly nothing; another order of sums rounds it the other way."""
    exact = np.full((16, 1, 3), 0.25 + 2.0**-16, np.float32)
    rounded = np.full_like(exact, 0.25)  # to bfloat16, whose step is 2**-9 there
    found = rounded + np.float32(steps * 2.0**-9)
    assert rounding_verdict([exact], [found], [exact], [rounded], ("class_logits",)).holds is holds


def test_float16_rounds_at_every_tensor_not_at_the_end() -> None:
    """A difference of two near values keeps no digit in float16."""
    nodes = [
        helper.make_node("Cast", ["frames"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "large"], ["sum"]),
        helper.make_node("Sub", ["sum", "large"], ["class_logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", 2, 2, 3])],
        [helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(8192, np.float32), "large")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    frame = np.full((1, 2, 2, 3), 3, np.uint8)
    (found,) = run_network(rounded_network(model, HALF), [frame])
    assert set(found.ravel()) <= {0.0, 8.0}


def test_a_graph_that_is_half_throughout_is_computed_too() -> None:
    """As the usual converters write it: input, outputs and constants in float16."""
    nodes = [
        helper.make_node("Constant", [], ["large"], value=numpy_helper.from_array(np.asarray(8192, np.float16))),
        helper.make_node("Add", ["x", "large"], ["sum"]),
        helper.make_node("Mul", ["sum", "two"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", HALF, [1, 2])],
        [helper.make_tensor_value_info("y", HALF, [1, 2])],
        [numpy_helper.from_array(np.asarray(2, np.float16), "two")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = open_quietly(honest_network(model).SerializeToString())
    (found,) = session.run(None, {"x": np.array([[3, 5]], np.float16)})
    assert found.tolist() == [[16384.0, 16400.0]]  # 8195 and 8197 lie between float16's steps of 8

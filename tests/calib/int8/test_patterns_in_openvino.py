"""OpenVINO computes int8 graphs as ONNX Runtime does without its optimizer, whatever a network is built of."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest

from singleshot.calib.int8.quantized_graph import quantized_convolutions, quantized_graph, tensors_to_measure
from singleshot.calib.int8.ranges import STEPS
from singleshot.calib.int8.table import CalibrationTable, ImagesRecord, TensorRange
from singleshot.runtime.card import InputSpec
from singleshot.runtime.machine import processor_kind
from singleshot.runtime.runners import openvino_runner
from singleshot.tests.fixtures.pattern_graphs import ACTIVATIONS, ENDS, PATTERNS, SIDE, pattern_graph

APART = 0.02
"""Roundings that fall the other way move answers by 0.002 of their norm; a wrong pattern by 0.15 or more."""
FRAMES = np.random.default_rng(5).uniform(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)

SATURATING = """
from singleshot.tests.calib.int8.test_patterns_in_openvino import apart
for steps in (127, 63):
    print(apart("1x1", "Relu", "3x3", weight_steps=steps))
"""
FAST = [
    *((pattern, "Relu", "3x3") for pattern in PATTERNS),
    *((pattern, "SiLU", "1x1") for pattern in ("residual", "Concat of 3", "FPN, nearest", "SPPF", "C2f by Split")),
    *(("Concat of 2", activation, "3x3") for activation in ACTIVATIONS if activation != "Relu"),
]


def by_onnxruntime(model: onnx.ModelProto, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    told = onnx.ModelProto()
    told.CopyFrom(model)
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name != "class_logits")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(told.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(list(names), {"frames": FRAMES}), strict=True))


def table_of(model: onnx.ModelProto) -> CalibrationTable:
    values = by_onnxruntime(model, tuple(name for name in tensors_to_measure(model) if name != "frames"))
    ranges = {
        name: TensorRange(low=float(value.min()), high=float(value.max()), limit=float(np.abs(value).max()))
        for name, value in {"frames": FRAMES, **values}.items()
    }
    return CalibrationTable(
        method="minmax",
        graph_sha256="",
        preprocessing=InputSpec(height=SIDE, width=SIDE, mean=(0, 0, 0), std=(1, 1, 1)),
        images=ImagesRecord(count=1, seed=0, listed_sha256="", sha256_of={}),
        ranges=ranges,
    )


def apart(pattern: str, activation: str, end: str, *, weight_steps: int = STEPS) -> float:
    """Return the difference of OpenVINO's answer, in parts of the right one's norm."""
    model = pattern_graph(PATTERNS[pattern], ACTIVATIONS[activation], ENDS[end])
    quantized = quantized_graph(model, table_of(model), weight_steps=weight_steps)
    assert len(quantized_convolutions(quantized)) >= 2
    right = by_onnxruntime(quantized, ("class_logits",))["class_logits"]
    core = openvino_runner.core()
    compiled = core.compile_model(
        core.read_model(quantized.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return float(np.linalg.norm(compiled(FRAMES)[0] - right) / np.linalg.norm(right))


@pytest.mark.parametrize(("pattern", "activation", "end"), [pytest.param(*case, id=", ".join(case)) for case in FAST])
def test_one_of_each(pattern: str, activation: str, end: str) -> None:
    pytest.importorskip("openvino")
    assert apart(pattern, activation, end) < APART


@pytest.mark.skipif("avx2" not in processor_kind(), reason="no other processor saturates")
def test_weights_of_7_bits_where_sums_saturate() -> None:
    pytest.importorskip("openvino")
    told = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}  # read when OpenVINO is loaded
    done = subprocess.run([sys.executable, "-c", SATURATING], env=told, capture_output=True, text=True, check=True)
    full, half = map(float, done.stdout.split())
    assert full > 0.2
    assert half < APART


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "end"), [pytest.param(*case, id=", ".join(case)) for case in product(ACTIVATIONS, ENDS)]
)
def test_all_with_all(activation: str, end: str) -> None:
    pytest.importorskip("openvino")
    assert [pattern for pattern in PATTERNS if apart(pattern, activation, end) >= APART] == []

"""Both tails in every backend against the reference, on thousands of generated scenes.

PyTorch has no row of its own: a checkpoint's heads go through the reference itself (`TorchSession.detections`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.export.parity.opencv_runner import LEAST_MAJOR
from singleshot.runtime.card import Card, InputSpec, Postprocess
from singleshot.runtime.detection.boxes import encode_boxes
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.detection.postprocess import detections_from_heads
from singleshot.runtime.runners import openvino_runner
from singleshot.runtime.runners.contract import detections_from_outputs
from singleshot.runtime.runners.openvino_ties import order_ties
from singleshot.runtime.runners.quiet_session import open_quietly, quiet_options
from singleshot.tests.export.graphs.test_tail import BOX_TOLERANCE, SCORE_TOLERANCE, heads_model, is_decided

Array = NDArray[np.float32]
Outputs = dict[str, NDArray[Any]]
Run = Callable[[Array, Array], Outputs]

BOXES, CLASSES = 24, 3
SCENES_OF_A_KIND = 6
"""In each of hypothesis' examples."""
EXAMPLES = 30
ABSENT = -200.0
"""A logit that softmax turns into exactly 0."""
POSTPROCESS = Postprocess(candidates=60, max_detections=20, score_floor=0.05, iou_threshold=0.45)
DEFAULTS = np.random.default_rng(3).uniform(0.2, 0.8, (BOXES, 4)).astype(np.float32)
KINDS = ("none", "one", "ties", "chain", "crowd", "one class", "all classes")


def _model(tail: str) -> onnx.ModelProto:
    model = heads_model(box_count=BOXES, width=CLASSES + 1, batch=1)
    model = append_onnx_tail(model, default_cxcywh=DEFAULTS, postprocess=POSTPROCESS)
    return with_cluster_tail(model, POSTPROCESS) if tail == "cluster" else model


def _names(model: onnx.ModelProto) -> list[str]:
    return [output.name for output in model.graph.output]


def _onnxruntime(model: onnx.ModelProto) -> Run:
    session = open_quietly(model.SerializeToString(), quiet_options(threads=1))
    names = _names(model)
    return lambda logits, offsets: dict(
        zip(names, session.run(names, {"in_class_logits": logits, "in_box_offsets": offsets}), strict=True)
    )


def _openvino(model: onnx.ModelProto) -> Run:
    pytest.importorskip("openvino")
    core = openvino_runner.core()
    read = core.read_model(model.SerializeToString())
    order_ties(read)
    given = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    request = core.compile_model(read, "CPU", given).create_infer_request()
    names = _names(model)

    def run(logits: Array, offsets: Array) -> Outputs:
        found = request.infer({"in_class_logits": logits, "in_box_offsets": offsets})
        return {name: np.array(found[number]) for number, name in enumerate(names)}

    return run


def _opencv(model: onnx.ModelProto) -> Run:
    if int(cv2.__version__.split(".")[0]) < LEAST_MAJOR:
        pytest.skip("OpenCV 4 lacks operators of the tails")
    with TemporaryDirectory() as folder:
        onnx.save(model, str(Path(folder) / "tail.onnx"))
        network = cv2.dnn.readNetFromONNX(str(Path(folder) / "tail.onnx"))
    names = _names(model)

    def run(logits: Array, offsets: Array) -> Outputs:
        network.setInput(logits, "in_class_logits")
        network.setInput(offsets, "in_box_offsets")
        return dict(zip(names, network.forward(names), strict=True))

    return run


BACKENDS = {"onnxruntime": _onnxruntime, "openvino": _openvino, "opencv": _opencv}
ROUTES = [("onnxruntime", "onnx"), ("onnxruntime", "cluster"), ("openvino", "onnx"), ("openvino", "cluster")]
ROUTES += [("opencv", "cluster")]


@cache
def route(backend: str, tail: str) -> Run:
    return BACKENDS[backend](_model(tail))


def _card(tail: str) -> Card:
    return Card(
        kind="graph",
        network="tail",
        class_names=("cat", "cow", "dog"),
        input=InputSpec(height=1, width=1, mean=(0, 0, 0), std=(1, 1, 1)),
        postprocess=POSTPROCESS.model_copy(update={"tail": tail}),
    )


def scene(rng: np.random.Generator, kind: str) -> tuple[Array, Array]:
    """Draw one image's heads, [1, D, C] and [1, D, 4]."""
    logits = rng.normal(0, 2, (BOXES, CLASSES + 1)).astype(np.float32)
    centres, sizes = rng.uniform(0.1, 0.9, (BOXES, 2)), rng.uniform(0.05, 0.4, (BOXES, 2))
    if kind in ("none", "one"):
        logits[:] = ABSENT
        logits[:, 0] = 0
        if kind == "one":
            logits[rng.integers(BOXES), 1 + rng.integers(CLASSES)] = rng.uniform(-1, 4)
    elif kind == "ties":
        logits = logits[rng.integers(0, 3, BOXES)]
    elif kind == "chain":  # each overlaps the next one alone, the scores fall along the row
        logits[:, 1:] = ABSENT
        logits[:, 0] = 0
        logits[:, 1] = np.sort(rng.uniform(-2, 4, BOXES))[::-1]
        centres, sizes = np.full((BOXES, 2), 0.5), np.full((BOXES, 2), 0.06)
        centres[:, 0] = 0.1 + np.arange(BOXES) * rng.uniform(0.015, 0.022)
    elif kind == "crowd":
        centres = 0.5 + rng.normal(0, 0.02, (BOXES, 2))
        sizes = 0.3 + rng.normal(0, 0.02, (BOXES, 2))
    elif kind == "one class":
        logits[:, 2:] = ABSENT
    else:
        logits[:, 0] -= 3
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(np.float32)
    return logits[None], encode_boxes(boxes, DEFAULTS, POSTPROCESS.variances)[None]


def assert_same(found: Detections, expected: Detections) -> None:
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=BOX_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "tail"), ROUTES)
def test_tail_is_the_reference_in_thousands_of_scenes(backend: str, tail: str) -> None:
    run, card = route(backend, tail), _card(tail)
    compared = dict.fromkeys(KINDS, 0)

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def compare(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for kind in KINDS * SCENES_OF_A_KIND:
            logits, offsets = scene(rng, kind)
            if is_decided(logits, offsets, DEFAULTS, POSTPROCESS):  # else rounding alone decides
                (expected,) = detections_from_heads(logits, offsets, DEFAULTS, POSTPROCESS)
                (found,) = detections_from_outputs(card, run(logits, offsets), source=f"{backend}, {tail}")
                assert_same(found, expected)
                compared[kind] += 1

    compare()
    assert sum(compared.values()) >= 1000
    assert min(compared.values()) >= 50


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_are_what_they_are_called(kind: str) -> None:
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(20):
        logits, offsets = scene(rng, kind)
        (found,) = detections_from_heads(logits, offsets, DEFAULTS, POSTPROCESS)
        counts.append(len(found))
        classes = set(found.class_ids.tolist())
        assert len(classes) <= 1 or kind in ("ties", "crowd", "all classes")
    least, most = {"none": (0, 0), "one": (1, 1), "chain": (8, 20)}.get(kind, (1, 20))
    assert least <= min(counts) <= max(counts) <= most

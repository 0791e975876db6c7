"""The post-processing in the graph against the reference, and the reference against hand-worked scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.runtime.card import Postprocess
from singleshot.runtime.detection.boxes import decode_boxes, encode_boxes, intersections_and_unions
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.detection.postprocess import detections_from_heads, scores_from_logits
from singleshot.runtime.runners.quiet_session import open_quietly, quiet_options
from singleshot.tests.fixtures.found import detections

Array = NDArray[np.float32]

BOX_TOLERANCE = 1e-6
"""Two float32 evaluations of one decode; exp differs by an ulp between libraries."""
SCORE_TOLERANCE = 1e-6
"""Likewise for softmax."""
GAP = 1e-4
"""Scenes have no two scores, and no overlap and threshold, this close without being equal."""
ABSENT = -40.0
"""A logit that softmax turns into nothing."""

CONTRACT: dict[str, tuple[str, list[int | str]]] = {
    "num_dets": ("tensor(int32)", [1]),
    "det_boxes": ("tensor(float)", ["M", 4]),
    "det_scores": ("tensor(float)", ["M"]),
    "det_classes": ("tensor(int32)", ["M"]),
}
EXACT = {"exact": ("tensor(int32)", [1])}
TAILS = ["onnx", "cluster"]


def heads_model(*, box_count: int, width: int, batch: int | str = "N", opset: int = 20) -> onnx.ModelProto:
    """A graph that passes the raw heads through."""
    nodes, inputs, outputs = [], [], []
    for name, last in (("class_logits", width), ("box_offsets", 4)):
        nodes.append(helper.make_node("Identity", [f"in_{name}"], [name]))
        inputs.append(helper.make_tensor_value_info(f"in_{name}", TensorProto.FLOAT, [batch, box_count, last]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, box_count, last]))
    graph = helper.make_graph(nodes, "heads", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run_tail(
    class_logits: Array,
    box_offsets: Array,
    default_cxcywh: Array,
    postprocess: Postprocess,
    *,
    tail: str = "onnx",
    fixed: bool = False,
) -> dict[str, NDArray[Any]]:
    batch, box_count, width = class_logits.shape
    model = heads_model(box_count=box_count, width=width, batch=batch if fixed else "N")
    model = append_onnx_tail(model, default_cxcywh=default_cxcywh, postprocess=postprocess)
    contract: dict[str, tuple[str, Any]] = dict(CONTRACT)
    if tail == "cluster":
        model = with_cluster_tail(model, postprocess)
        contract.update(EXACT)
    session = open_quietly(model.SerializeToString(), quiet_options(threads=1))
    expected_first = batch if fixed else "N"
    assert [output.name for output in session.get_outputs()] == list(contract)
    for output in session.get_outputs():
        kind, shape = contract[output.name]
        expected = [expected_first, *(postprocess.max_detections if dim == "M" else dim for dim in shape)]
        assert (output.type, output.shape) == (kind, expected), output.name
    names = [output.name for output in session.get_outputs()]
    results = session.run(names, {"in_class_logits": class_logits, "in_box_offsets": box_offsets})
    return dict(zip(names, results, strict=True))


def assert_same(outputs: dict[str, NDArray[Any]], expected: list[Detections], rows: int) -> None:
    """Hold the contract's outputs against the reference: names, then dtypes, then shapes, then values."""
    batch = len(expected)
    assert list(outputs) == list(CONTRACT)
    dtypes = {name: str(value.dtype) for name, value in outputs.items()}
    assert dtypes == {"num_dets": "int32", "det_boxes": "float32", "det_scores": "float32", "det_classes": "int32"}
    shapes = [value.shape for value in outputs.values()]
    assert shapes == [(batch, 1), (batch, rows, 4), (batch, rows), (batch, rows)]
    assert outputs["num_dets"][:, 0].tolist() == [len(found) for found in expected]
    for image, found in enumerate(expected):
        count = len(found)
        assert outputs["det_classes"][image, :count].tolist() == found.class_ids.tolist()
        np.testing.assert_allclose(outputs["det_scores"][image, :count], found.scores, rtol=0, atol=SCORE_TOLERANCE)
        np.testing.assert_allclose(outputs["det_boxes"][image, :count], found.boxes_xyxy, rtol=0, atol=BOX_TOLERANCE)
        for name in ("det_boxes", "det_scores", "det_classes"):
            assert not outputs[name][image, count:].any(), f"{name}: rows past num_dets are not 0"


# Hand-worked scenes: default boxes are the boxes themselves (offsets 0), every score is given.

Scene = list[tuple[tuple[float, float, float, float], dict[int, float]]]


def heads_of_scene(scene: Scene, *, class_count: int) -> tuple[Array, Array, Array]:
    """Turn (box_xyxy, {class id: score}) rows into heads for one image and default boxes."""
    corners = np.array([box for box, _ in scene], np.float32).reshape(-1, 4)
    default_cxcywh = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)
    logits = np.full((1, len(scene), class_count + 1), ABSENT, np.float32)
    for row, (_, scores) in enumerate(scene):
        logits[0, row, 0] = np.log(max(1 - sum(scores.values()), 1e-12))
        for class_id, score in scores.items():
            logits[0, row, class_id + 1] = np.log(score)
    return logits, np.zeros((1, len(scene), 4), np.float32), default_cxcywh


HALF = Postprocess(candidates=50, max_detections=5, iou_threshold=0.5, score_floor=0.1)
BOX = (0.0, 0.0, 0.5, 0.5)
THIRD = (0.25, 0.0, 0.75, 0.5)  # IoU with BOX: 1/3
HALF_OF_BOX = (0.0, 0.0, 0.25, 0.5)  # IoU with BOX: exactly 1/2
MOST_OF_BOX = (0.0, 0.0, 0.4375, 0.5)  # IoU with BOX: 7/8
FAR = (0.75, 0.75, 1.0, 1.0)

SCENES = [
    pytest.param([(BOX, {})], [], id="nothing"),
    pytest.param([(BOX, {0: 0.05})], [], id="nothing reaches the score floor"),
    pytest.param([(BOX, {0: 0.9})], [(0, 0, 0.9)], id="one box"),
    pytest.param([(BOX, {0: 0.6}), (MOST_OF_BOX, {0: 0.9})], [(1, 0, 0.9)], id="the better of two that overlap"),
    pytest.param([(BOX, {0: 0.9}), (MOST_OF_BOX, {1: 0.6})], [(0, 0, 0.9), (1, 1, 0.6)], id="classes do not compete"),
    pytest.param([(BOX, {0: 0.5, 1: 0.4})], [(0, 0, 0.5), (0, 1, 0.4)], id="one default box in two classes"),
    pytest.param(
        [(BOX, {0: 0.9}), (HALF_OF_BOX, {0: 0.6})], [(0, 0, 0.9), (1, 0, 0.6)], id="an overlap equal to the threshold"
    ),
    pytest.param([(MOST_OF_BOX, {0: 0.6}), (BOX, {0: 0.6})], [(0, 0, 0.6)], id="a tie goes to the first default box"),
    pytest.param(
        [(FAR, {2: 0.4}), (BOX, {1: 0.4})], [(0, 2, 0.4), (1, 1, 0.4)], id="a tie goes by box before it goes by class"
    ),
    pytest.param(
        [(BOX, {0: 0.9}), ((0.0, 0.0, 0.375, 0.5), {0: 0.8}), ((0.0, 0.0, 0.21875, 0.5), {0: 0.7})],
        [(0, 0, 0.9), (2, 0, 0.7)],
        id="a chain: what is suppressed suppresses nothing",
    ),
    pytest.param(
        [((x / 8, 0.0, x / 8 + 0.125, 1.0), {0: 0.9 - x / 100}) for x in range(8)],
        [(x, 0, 0.9 - x / 100) for x in range(5)],
        id="more objects than rows",
    ),
    pytest.param(
        [((0.25, 0.25, 0.25, 0.75), {0: 0.9}), ((0.25, 0.25, 0.25, 0.75), {0: 0.8})],
        [(0, 0, 0.9), (1, 0, 0.8)],
        id="boxes without an area overlap nothing",
    ),
]


@pytest.mark.parametrize(("scene", "rows"), SCENES)
def test_scene_by_hand(scene: Scene, rows: list[tuple[int, int, float]]) -> None:
    logits, offsets, default_cxcywh = heads_of_scene(scene, class_count=3)
    expected = detections(*((score, class_id, scene[box][0]) for box, class_id, score in rows))
    (reference,) = detections_from_heads(logits, offsets, default_cxcywh, HALF)
    assert reference.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(reference.scores, expected.scores, rtol=0, atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(reference.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=BOX_TOLERANCE)
    for tail in TAILS:
        outputs = run_tail(logits, offsets, default_cxcywh, HALF, tail=tail)
        assert outputs.pop("exact", np.ones((1, 1))).tolist() == [[1]]
        assert_same(outputs, [expected], HALF.max_detections)


@st.composite
def scenes(draw: st.DrawFn, *, batch: int) -> tuple[Array, Array, Array, Postprocess]:
    """Heads of `batch` images: crowded or sparse, of one class or several, with rows that tie exactly."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    box_count = draw(st.sampled_from([1, 2, 7, 40, 150]))
    width = draw(st.sampled_from([2, 4, 21]))
    background = draw(st.sampled_from([-4.0, 0.0, 4.0]))
    kinds = draw(st.integers(1, 200))  # fewer kinds of rows than boxes: exact ties
    crowd = draw(st.sampled_from([0.02, 0.2, 1.0]))
    table = rng.normal(0, 2, (kinds, width)).astype(np.float32)
    table[:, 0] += background
    logits = table[rng.integers(0, kinds, (batch, box_count))]  # [N, D, C]
    centres = 0.5 + rng.uniform(-0.6, 0.6, (box_count, 2)) * crowd
    sizes = rng.uniform(0.05, 0.6, (box_count, 2))
    default_cxcywh = np.concatenate([centres, sizes], axis=1).astype(np.float32)
    offsets = rng.normal(0, draw(st.sampled_from([0.0, 0.5, 3.0])), (batch, box_count, 4)).astype(np.float32)
    postprocess = Postprocess(
        candidates=draw(st.sampled_from([1, 10, 400, 5000])),
        max_detections=draw(st.sampled_from([1, 5, 100])),
        score_floor=draw(st.sampled_from([0.0, 0.01, 0.3])),
        iou_threshold=draw(st.sampled_from([0.1, 0.45, 0.9, 1.0])),
        class_agnostic=draw(st.booleans()),
    )
    return logits, offsets, default_cxcywh, postprocess


def is_decided(logits: Array, offsets: Array, default_cxcywh: Array, postprocess: Postprocess) -> bool:
    """Say whether no choice of the scene hangs on rounding."""
    for image_logits, image_offsets in zip(logits, offsets, strict=True):
        gaps = np.diff(np.sort(scores_from_logits(image_logits), axis=None))
        floor_gaps = np.abs(scores_from_logits(image_logits) - np.float32(postprocess.score_floor))
        # Rows of one kind tie bit for bit in any runtime; all other scores must be apart.
        if ((gaps > 0) & (gaps < GAP / 100)).any() or (floor_gaps < GAP / 100).any():
            return False
        boxes = np.clip(decode_boxes(image_offsets, default_cxcywh, postprocess.variances), 0, 1)
        intersections, unions = intersections_and_unions(boxes, boxes)
        margin = np.abs(intersections - np.float32(postprocess.iou_threshold) * unions)
        if (margin[intersections > 0] < GAP * unions[intersections > 0] / 10).any() and postprocess.iou_threshold < 1:
            return False
    return True


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("tail", TAILS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_tail_is_the_reference(batch: int, tail: str, data: st.DataObject) -> None:
    logits, offsets, default_cxcywh, postprocess = data.draw(scenes(batch=batch))
    assume(is_decided(logits, offsets, default_cxcywh, postprocess))
    expected = detections_from_heads(logits, offsets, default_cxcywh, postprocess)
    outputs = run_tail(logits, offsets, default_cxcywh, postprocess, tail=tail, fixed=data.draw(st.booleans()))
    assert outputs.pop("exact", np.ones((batch, 1))).all()  # no such scene has a chain of T
    assert_same(outputs, expected, postprocess.max_detections)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("batch", [2, 8])
def test_an_image_does_not_feel_its_neighbours(batch: int, tail: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (batch, 60, 4)).astype(np.float32)
    offsets = rng.normal(0, 1, (batch, 60, 4)).astype(np.float32)
    default_cxcywh = rng.uniform(0.2, 0.6, (60, 4)).astype(np.float32)
    together = run_tail(logits, offsets, default_cxcywh, HALF, tail=tail)
    for image in range(batch):
        alone = run_tail(logits[image : image + 1], offsets[image : image + 1], default_cxcywh, HALF, tail=tail)
        for name, value in alone.items():
            np.testing.assert_array_equal(together[name][image], value[0], err_msg=name)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(
    ("class_agnostic", "class_ids"),
    [pytest.param(False, [1, 0], id="of its own class alone"), pytest.param(True, [1], id="of any class")],
)
def test_a_better_one_suppresses(class_agnostic: bool, class_ids: list[int], tail: str) -> None:
    logits = np.array([[[0, 3, 0], [0, 0, 4]]], np.float32)
    same = np.array([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.42]], np.float32)
    postprocess = Postprocess(score_floor=0.5, class_agnostic=class_agnostic)
    outputs = run_tail(logits, np.zeros((1, 2, 4), np.float32), same, postprocess, tail=tail)
    assert outputs["det_classes"][0, : outputs["num_dets"][0, 0]].tolist() == class_ids


@given(st.integers(0, 2**32 - 1))
def test_suppression_is_idempotent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (1, 30, 3)).astype(np.float32)
    default_cxcywh = rng.uniform(0.2, 0.6, (30, 4)).astype(np.float32)
    offsets = np.zeros((1, 30, 4), np.float32)
    postprocess = Postprocess(score_floor=0.0)
    (once,) = detections_from_heads(logits, offsets, default_cxcywh, postprocess)
    for class_id in (0, 1):
        boxes = once.boxes_xyxy[once.class_ids == class_id]
        intersections, unions = intersections_and_unions(boxes, boxes)
        overlaps = intersections > np.float32(postprocess.iou_threshold) * unions
        assert np.array_equal(overlaps, np.eye(len(boxes), dtype=bool) & (unions > 0))


def test_k_only_truncates() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (1, 200, 4)).astype(np.float32)
    offsets = np.zeros((1, 200, 4), np.float32)
    default_cxcywh = rng.uniform(0.2, 0.6, (200, 4)).astype(np.float32)
    unlimited = run_tail(logits, offsets, default_cxcywh, Postprocess(candidates=600))
    for candidates in (1, 50, 300):
        limited = run_tail(logits, offsets, default_cxcywh, Postprocess(candidates=candidates))
        count = int(limited["num_dets"][0, 0])
        assert 1 <= count <= int(unlimited["num_dets"][0, 0])
        np.testing.assert_array_equal(limited["det_boxes"][0, :count], unlimited["det_boxes"][0, :count])


def test_heads_stay_inside_under_their_names() -> None:
    model = append_onnx_tail(
        heads_model(box_count=2, width=3), default_cxcywh=np.full((2, 4), 0.5, np.float32), postprocess=Postprocess()
    )
    assert {"class_logits", "box_offsets"} <= {name for node in model.graph.node for name in node.output}
    assert model.ir_version <= 10


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.output[0].name = "logits"
    return model


def _typed_half(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def _open_classes(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "C"
    return model


@pytest.mark.parametrize(
    ("model", "box_count", "message"),
    [
        pytest.param(
            heads_model(box_count=2, width=3, opset=17), 2, "model: expected opset 20, got 17", id="another opset"
        ),
        pytest.param(
            _renamed(heads_model(box_count=2, width=3)),
            2,
            "model: expected the outputs class_logits, box_offsets, got logits, box_offsets",
            id="another output name",
        ),
        pytest.param(
            _typed_half(heads_model(box_count=2, width=3)),
            2,
            "class_logits: expected FLOAT with three dimensions, got FLOAT16 ['N', 2, 3]",
            id="half precision",
        ),
        pytest.param(
            _open_classes(heads_model(box_count=2, width=3)),
            2,
            "class_logits: expected a fixed number of classes, background included, got 'C'",
            id="an open number of classes",
        ),
        pytest.param(
            heads_model(box_count=2, width=3),
            5,
            "box_offsets, default_cxcywh: expected [N, 2, 4] and [2, 4] after class_logits [N, 2, 3], "
            "got ['N', 2, 4] and [5, 4]",
            id="default boxes of another network",
        ),
    ],
)
def test_model_that_does_not_fit(model: onnx.ModelProto, box_count: int, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole message is compared
        append_onnx_tail(model, default_cxcywh=np.full((box_count, 4), 0.5, np.float32), postprocess=Postprocess())
    assert str(error.value) == message


def test_scene_builder_gives_the_scores_it_was_asked_for() -> None:
    logits, offsets, default_cxcywh = heads_of_scene([(BOX, {1: 0.7}), (FAR, {0: 0.2, 2: 0.3})], class_count=3)
    np.testing.assert_allclose(scores_from_logits(logits[0]), [[0, 0.7, 0], [0.2, 0, 0.3]], atol=1e-6)
    np.testing.assert_allclose(decode_boxes(offsets[0], default_cxcywh, (0.1, 0.2)), [BOX, FAR], atol=1e-6)
    np.testing.assert_allclose(
        encode_boxes(np.array([BOX, FAR], np.float32), default_cxcywh, (0.1, 0.2)), offsets[0], atol=1e-6
    )

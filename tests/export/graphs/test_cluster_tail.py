"""What the `cluster` tail alone has to show; `test_tail.py` holds both tails against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.export.graphs.cluster_tail import MAX_CANDIDATES, STEPS, with_cluster_tail
from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.runtime.card import Postprocess
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.detection.postprocess import detections_from_heads, greedy_survivors
from singleshot.tests.export.graphs.test_tail import (
    BOX_TOLERANCE,
    SCORE_TOLERANCE,
    Array,
    Scene,
    assert_same,
    heads_model,
    heads_of_scene,
    run_tail,
)


def chain_of(length: int) -> tuple[Array, Array, Array]:
    """Heads of boxes in a row, each of which overlaps the next alone, the scores descending."""
    step = 1 / (length + 1)
    scene: Scene = [
        ((number * step, 0.0, (number + 1.6) * step, 1.0), {0: 0.9 - 0.5 * number / length}) for number in range(length)
    ]
    return heads_of_scene(scene, class_count=1)


CHAIN = Postprocess(candidates=100, max_detections=60, iou_threshold=0.2, score_floor=0.1)  # IoU of neighbours: 0.23


@pytest.mark.parametrize(
    ("length", "is_exact"),
    [
        pytest.param(2, True, id="a pair"),
        pytest.param(STEPS, True, id="as long as there are steps"),
        pytest.param(STEPS + 1, False, id="one more"),
        pytest.param(40, False, id="much longer"),
    ],
)
def test_chain_longer_than_the_steps_is_known_and_finished_on_the_host(length: int, is_exact: bool) -> None:
    logits, offsets, default_cxcywh = chain_of(length)
    (expected,) = detections_from_heads(logits, offsets, default_cxcywh, CHAIN)
    assert len(expected) == (length + 1) // 2  # every other one survives
    outputs = run_tail(logits, offsets, default_cxcywh, CHAIN, tail="cluster")
    assert outputs.pop("exact").tolist() == [[int(is_exact)]]
    count = int(outputs["num_dets"][0, 0])
    rows = Detections(
        boxes_xyxy=outputs["det_boxes"][0, :count],
        scores=outputs["det_scores"][0, :count],
        class_ids=outputs["det_classes"][0, :count],
    )
    assert (count > len(expected)) == (length > STEPS + 1)  # one step short can be right, but is not proved
    finished = greedy_survivors(rows, CHAIN)
    np.testing.assert_allclose(finished.boxes_xyxy, expected.boxes_xyxy, rtol=0, atol=BOX_TOLERANCE)
    np.testing.assert_allclose(finished.scores, expected.scores, rtol=0, atol=SCORE_TOLERANCE)


def test_rows_that_are_proved_are_exact_though_the_chain_goes_on_behind_them() -> None:
    logits, offsets, default_cxcywh = chain_of(40)
    few = CHAIN.model_copy(update={"max_detections": 5})
    outputs = run_tail(logits, offsets, default_cxcywh, few, tail="cluster")
    assert outputs.pop("exact").tolist() == [[1]]
    assert_same(outputs, detections_from_heads(logits, offsets, default_cxcywh, few), 5)


def test_cluster_tail_needs_the_onnx_tail_before_it() -> None:
    with pytest.raises(ValueError, match=r"model: expected the `onnx` tail with tail/boxes_clipped, .*, got none"):
        with_cluster_tail(heads_model(box_count=2, width=3), Postprocess())


def test_cluster_tail_is_refused_more_candidates_than_a_compiler_takes() -> None:
    postprocess = Postprocess(candidates=MAX_CANDIDATES + 1)
    model = append_onnx_tail(
        heads_model(box_count=4000, width=2),
        default_cxcywh=np.full((4000, 4), 0.5, np.float32),
        postprocess=postprocess,
    )
    with pytest.raises(ValueError, match="candidates: expected at most 3840 for the `cluster` tail, got 3841"):
        with_cluster_tail(model, postprocess)


def test_cluster_tail_leaves_nothing_of_the_other_behind() -> None:
    model = append_onnx_tail(
        heads_model(box_count=2, width=3), default_cxcywh=np.full((2, 4), 0.5, np.float32), postprocess=Postprocess()
    )
    clustered = with_cluster_tail(model, Postprocess())
    assert {"NonMaxSuppression", "ScatterND", "NonZero"}.isdisjoint(node.op_type for node in clustered.graph.node)
    used = {name for node in clustered.graph.node for name in node.input}
    assert [item.name for item in clustered.graph.initializer if item.name not in used] == []
    assert {"class_logits", "box_offsets"} <= {name for node in clustered.graph.node for name in node.output}

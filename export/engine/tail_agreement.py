"""The two tails held against each other, on the very graphs that carry them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from ...calib.graph_surgery import drop_unused
from ...runtime.card import Postprocess
from ...runtime.detection.boxes import intersections_and_unions
from ...runtime.detection.detections import Detections
from ...runtime.detection.postprocess import greedy_survivors
from ...runtime.errors import CheckError
from ...runtime.runners.contract import DET_BOXES, DET_CLASSES, DET_SCORES, EXACT, NUM_DETS
from ...runtime.runners.quiet_session import open_quietly
from ..graphs.tail import CANDIDATES

SCENES = 8
"""Generated scenes, from sparse to crowded; the network plays no part, so they cost milliseconds."""

_MARGIN = 1e-6
"""Scenes where an overlap is this close to the threshold are made anew: the `onnx` tail divides where the `cluster`
tail multiplies."""
_INPUTS: tuple[tuple[str, int, list[str | int | None]], ...] = (
    (CANDIDATES.boxes, TensorProto.FLOAT, ["N", "K", 4]),
    (CANDIDATES.scores, TensorProto.FLOAT, ["N", "K"]),
    (CANDIDATES.class_ids, TensorProto.INT64, ["N", "K"]),
)

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TailAgreement:
    """What the comparison saw.

    Args:
        scenes: compared.
        rows: that both tails gave, equal in every bit.
        inexact: scenes that the `cluster` tail left to the host.
    """

    scenes: int
    rows: int
    inexact: int


def check_tails_agree(
    onnx_tailed: onnx.ModelProto, cluster_tailed: onnx.ModelProto, postprocess: Postprocess, *, class_count: int
) -> TailAgreement:
    """Run the suppression of both graphs over the same generated candidates in ONNX Runtime.

    Raises:
        CheckError: a scene came out differently.
    """
    first, second = _suppression_of(onnx_tailed), _suppression_of(cluster_tailed)
    rng = np.random.default_rng(0)
    rows = inexact = 0
    for number in range(SCENES):
        scene = _scene(rng, _count_of(cluster_tailed), class_count, postprocess, crowd=(number + 1) / SCENES)
        expected, _ = _run(first, scene)
        found, is_exact = _run(second, scene)
        if not is_exact:
            inexact += 1
            found = greedy_survivors(found, postprocess)
            if len(found) < len(expected):  # cut at M before it was finished
                expected = expected.where(np.arange(len(found)))
        same = (
            np.array_equal(expected.class_ids, found.class_ids)
            and np.array_equal(expected.scores, found.scores)
            and np.array_equal(expected.boxes_xyxy, found.boxes_xyxy)
        )
        if not same:
            raise CheckError(
                f"cluster tail: expected the {len(expected)} rows of the onnx tail in generated scene {number}, "
                f"got {len(found)} rows that differ."
            )
        rows += len(found)
    return TailAgreement(scenes=SCENES, rows=rows, inexact=inexact)


def _suppression_of(model: onnx.ModelProto) -> InferenceSession:
    """Cut out what lies between the candidates and the outputs."""
    part = copy.deepcopy(model)
    drop_unused(part.graph, [output.name for output in part.graph.output], given=CANDIDATES.names)
    del part.graph.input[:]
    part.graph.input.extend(helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in _INPUTS)
    return open_quietly(part.SerializeToString())


def _count_of(cluster_tailed: onnx.ModelProto) -> int:
    counts = [item for item in cluster_tailed.graph.initializer if item.name == "tail/of_rank"]
    return int(counts[0].dims[0])


def _scene(
    rng: np.random.Generator, count: int, class_count: int, postprocess: Postprocess, *, crowd: float
) -> dict[str, NDArray[np.generic]]:
    """Make one image's candidates around a few objects; `crowd` from 0 to 1 is how many of them hit the floor's top."""
    scores = np.sort(rng.uniform(0, 1, count).astype(np.float32) * np.float32(crowd))[::-1]
    class_ids = rng.integers(0, class_count, count)
    objects = rng.uniform(0.2, 0.8, (max(1, count // 10), 4)).astype(np.float32)
    while True:
        noise = rng.normal(0, 0.03, (count, 4)).astype(np.float32)
        centres_sizes = objects[rng.integers(0, len(objects), count)] * np.array([1, 1, 0.3, 0.3], np.float32) + noise
        centres, sizes = centres_sizes[:, :2], np.abs(centres_sizes[:, 2:])
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).clip(0, 1)
        overlaps, unions = intersections_and_unions(boxes, boxes)
        margins = np.abs(overlaps - np.float32(postprocess.iou_threshold) * unions)
        is_rival = postprocess.class_agnostic | (class_ids[:, None] == class_ids[None])
        if not ((margins < _MARGIN * unions) & is_rival & (overlaps > 0)).any() or postprocess.iou_threshold == 1:
            break
    return {
        CANDIDATES.boxes: boxes[None],
        CANDIDATES.scores: np.ascontiguousarray(scores[None]),
        CANDIDATES.class_ids: class_ids[None].astype(np.int64),
    }


def _run(session: InferenceSession, scene: dict[str, NDArray[np.generic]]) -> tuple[Detections, bool]:
    names = [output.name for output in session.get_outputs()]
    results = dict(zip(names, session.run(names, scene), strict=True))
    valid = slice(int(results[NUM_DETS][0, 0]))
    found = Detections(
        boxes_xyxy=results[DET_BOXES][0, valid],
        scores=results[DET_SCORES][0, valid],
        class_ids=results[DET_CLASSES][0, valid],
    )
    return found, bool(results[EXACT][0, 0]) if EXACT in results else True

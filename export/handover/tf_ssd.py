"""The outputs of TensorFlow's SSDs, which GStreamer's decoder and one of DeepStream's parsers read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.runners.contract import DET_BOXES, DET_CLASSES, DET_SCORES, NUM_DETS
from .program import PREFIX, Rewriting

COUNT, BOXES, SCORES, CLASSES = "num_detections", "detection_boxes", "detection_scores", "detection_classes"


def give_tf_ssd_outputs(rewriting: Rewriting, card: Card, batch: int | str, *, has_flat_count: bool) -> None:
    """Give a graph `num_detections`, `detection_boxes`, `detection_scores` and `detection_classes`, all float32.

    Boxes are [N, M, 4] with (y1, x1, y2, x2), normalised; scores and classes [N, M], the latter without a background.

    Args:
        rewriting: of a graph of the contract.
        card: its card.
        batch: N.
        has_flat_count: the count is [N] instead of [N, 1].
    """
    rows = card.postprocess.max_detections
    count_type: dict[str, Any] = {"to": TensorProto.FLOAT}
    if has_flat_count:
        counts = rewriting.node("Cast", f"{PREFIX}counts", [NUM_DETS], **count_type)
        rewriting.node("Squeeze", COUNT, [counts, rewriting.constant("count_axis", [1], np.int64)])
    else:
        rewriting.node("Cast", COUNT, [NUM_DETS], **count_type)
    order = rewriting.constant("y_first", [1, 0, 3, 2], np.int64)
    rewriting.node("Gather", BOXES, [DET_BOXES, order], axis=2)
    rewriting.node("Identity", SCORES, [DET_SCORES])
    rewriting.node("Cast", CLASSES, [DET_CLASSES], **count_type)
    shapes: dict[str, list[int | str]] = {
        COUNT: [batch] if has_flat_count else [batch, 1],
        BOXES: [batch, rows, 4],
        SCORES: [batch, rows],
        CLASSES: [batch, rows],
    }
    rewriting.outputs(
        *(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    )


def read_tf_ssd(outputs: Mapping[str, NDArray[Any]]) -> Detections:
    """Read them as the decoders do: of the first frame the first `num_detections` rows."""
    count = int(outputs[COUNT].reshape(-1)[0])
    return Detections(
        boxes_xyxy=outputs[BOXES][0, :count][:, [1, 0, 3, 2]],
        scores=outputs[SCORES][0, :count],
        class_ids=outputs[CLASSES][0, :count].astype(np.int32),
    )

"""A detector for Frigate's OpenVINO detector, as a model of the type `ssd`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ...runtime.detection.detections import Detections
from ...runtime.errors import InputError
from ...runtime.runners.contract import DET_BOXES, DET_CLASSES, DET_SCORES
from .folder import labels_text
from .program import PREFIX, Given, Place, Program, Rewriting, check_onnx_tail, one_at_a_time

ROWS = "detections"


def _check(given: Given) -> None:
    """Refuse what Frigate cannot use.

    Raises:
        InputError: the input is not square, or nobody would finish the suppression.
    """
    check_onnx_tail(given)
    spec = given.card.input
    if spec.height != spec.width:
        raise InputError(
            f"{given.path}: expected a square input, as Frigate looks at squares alone, got {spec.width} x "
            f"{spec.height}. Train one whose height and width are equal."
        )


def _rewrite(given: Given) -> onnx.ModelProto:
    """Give a graph one output [1, 1, M, 7]: (image, class, score, x1, y1, x2, y2), rows past the last are 0."""
    rewriting = Rewriting(model=one_at_a_time(given))
    classes = rewriting.node("Cast", f"{PREFIX}classes", [DET_CLASSES], to=TensorProto.FLOAT)
    rows = given.card.postprocess.max_detections
    images = rewriting.constant("images", np.zeros((1, rows, 1)), np.float32)
    columns = [images, rewriting.column(classes, 2), rewriting.column(DET_SCORES, 2), DET_BOXES]
    joined = rewriting.node("Concat", f"{PREFIX}rows", columns, axis=2)
    rewriting.node("Unsqueeze", ROWS, [joined, rewriting.constant("rows_axis", [1], np.int64)])
    rewriting.outputs(helper.make_tensor_value_info(ROWS, TensorProto.FLOAT, [1, 1, rows, 7]))
    return rewriting.model


def _read(outputs: Mapping[str, NDArray[Any]]) -> Detections:
    """Read as Frigate does, but down to the score floor: rows in their order until one scores nothing."""
    rows = outputs[ROWS][0, 0]
    rows = rows[: int((rows[:, 2] > 0).sum())]
    return Detections(boxes_xyxy=rows[:, 3:], scores=rows[:, 2], class_ids=rows[:, 1].astype(np.int32))


def _files(place: Place) -> dict[str, str]:
    card = place.card
    folder = f"/config/{place.folder.name}"
    config = {
        "detectors": {"singleshot": {"type": "openvino", "device": "CPU"}},
        "model": {
            "path": f"{folder}/model.onnx",
            "labelmap_path": f"{folder}/labelmap.txt",
            "model_type": "ssd",
            "width": card.input.width,
            "height": card.input.height,
            "input_tensor": "nhwc",
            "input_pixel_format": "bgr",
        },
        "objects": {"track": list(card.class_names)},
    }
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    return {"config.yml": text, "labelmap.txt": labels_text(card.class_names)}


def _next_step(place: Place) -> str:
    return f"copy {place.folder} to Frigate's /config, and what is in its config.yml into Frigate's own"


FRIGATE = Program(
    name="Frigate",
    check=_check,
    rewrite=_rewrite,
    feed=lambda frames: frames,
    read=_read,
    files=_files,
    next_step=_next_step,
)

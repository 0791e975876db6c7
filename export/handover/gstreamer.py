"""A detector for GStreamer's `onnxinference` and `ssdtensordec`: a graph and its `.modelinfo`."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ...runtime.detection.thresholds import DEFAULT_SCORE
from ...runtime.runners.contract import FRAMES
from .folder import key_file_text, labels_text
from .program import Given, Place, Program, Rewriting, check_onnx_tail, one_at_a_time
from .tf_ssd import BOXES, CLASSES, COUNT, SCORES, give_tf_ssd_outputs, read_tf_ssd

MODELINFO = "model.onnx.modelinfo"
_GROUP = "ssd-mobilenet-v1-variant-1-out"
"""By this group, and the ids of its tensors, the decoder knows the outputs, whatever network made them."""
_IDS = {
    COUNT: "generic-variant-1-out-count",
    BOXES: f"{_GROUP}-boxes",
    SCORES: f"{_GROUP}-scores",
    CLASSES: f"{_GROUP}-classes",
}


def _rewrite(given: Given) -> onnx.ModelProto:
    """Give a graph one RGB frame at a time, as `onnxinference` feeds no BGR."""
    card = given.card
    rewriting = Rewriting(model=one_at_a_time(given))
    frames = helper.make_tensor_value_info(FRAMES, TensorProto.UINT8, [1, card.input.height, card.input.width, 3])
    rewriting.feed("Gather", frames, rewriting.constant("bgr", [2, 1, 0], np.int64), axis=3)
    give_tf_ssd_outputs(rewriting, card, 1, has_flat_count=True)
    return rewriting.model


def _feed(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(frames[..., ::-1])


def _files(place: Place) -> dict[str, str]:
    card = place.card
    rows = card.postprocess.max_detections
    shapes = {COUNT: "1", BOXES: f"1,{rows},4", SCORES: f"1,{rows}", CLASSES: f"1,{rows}"}
    sections: dict[str, dict[str, object]] = {
        "modelinfo": {"version": "1.0", "group-id": _GROUP},
        FRAMES: {
            "id": FRAMES,
            "type": "uint8",
            "dims": f"1,{card.input.height},{card.input.width},3",
            "dir": "input",
            "ranges": ";".join(["0.0,255.0"] * 3),
            "caps": "video/x-raw,format=RGB",
        },
    }
    for name, dims in shapes.items():
        sections[name] = {
            "id": _IDS[name],
            "type": "float32",
            "dims": dims,
            "dims-order": "row-major",
            "dir": "output",
        }
    return {MODELINFO: key_file_text(sections), "labels.txt": labels_text(card.class_names)}


def _next_step(place: Place) -> str:
    """Give the middle of a pipeline; `size-threshold` is 0.9 else, and drops what reaches the lower right corner."""
    has_bars = str(place.card.input.resize != "stretch").lower()
    folder = place.folder.resolve()
    return (
        f"gst-launch-1.0 ... ! videoconvertscale add-borders={has_bars} ! onnxinference "
        f"model-file={folder / 'model.onnx'} ! ssdtensordec label-file={folder / 'labels.txt'} "
        f"score-threshold={DEFAULT_SCORE} size-threshold=1.0 ! ..."
    )


GSTREAMER = Program(
    name="GStreamer",
    check=check_onnx_tail,
    rewrite=_rewrite,
    feed=_feed,
    read=read_tf_ssd,
    files=_files,
    next_step=_next_step,
)

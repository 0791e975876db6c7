"""A detector for `nvinfer` of NVIDIA's DeepStream, read by the parser for TensorFlow's SSDs that comes with the SDK."""

from __future__ import annotations

import copy

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ...runtime.detection.thresholds import DEFAULT_SCORE
from ...runtime.errors import InputError
from ...runtime.runners.contract import FRAMES
from ..graphs.cluster_tail import with_cluster_tail
from .folder import key_file_text, labels_text
from .program import Given, Place, Program, Rewriting, check_fp32
from .tf_ssd import BOXES, CLASSES, COUNT, SCORES, give_tf_ssd_outputs, read_tf_ssd

CONFIG = "config_infer_primary.txt"
_LIBRARY = "/opt/nvidia/deepstream/deepstream/lib/libnvds_infercustomparser.so"
_FIT = {
    "stretch": {"maintain-aspect-ratio": 0, "symmetric-padding": 0},
    "letterbox": {"maintain-aspect-ratio": 1, "symmetric-padding": 1},
    "letterbox-top-left": {"maintain-aspect-ratio": 1, "symmetric-padding": 0},
}


def _rewrite(given: Given) -> onnx.ModelProto:
    """Give a graph float32 [N, 3, H, W] frames, as nvinfer feeds nothing else, and the `cluster` tail.

    Raises:
        InputError: it cannot be given that tail.
    """
    card = given.card
    try:
        is_cluster = card.postprocess.tail == "cluster"
        model = given.model if is_cluster else with_cluster_tail(given.model, card.postprocess)
    except ValueError as error:
        raise InputError(
            f"{given.path}: expected a graph that can be given the `cluster` tail for DeepStream, got none ({error}). "
            "Export or adapt it again."
        ) from error
    rewriting = Rewriting(model=copy.deepcopy(model))
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    batch = dim.dim_value or dim.dim_param
    sizes = [batch, 3, card.input.height, card.input.width]
    frames = helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, sizes)
    rewriting.feed("Transpose", frames, perm=[0, 2, 3, 1])
    give_tf_ssd_outputs(rewriting, card, batch, has_flat_count=False)
    return rewriting.model


def _feed(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2), np.float32)


def _files(place: Place) -> dict[str, str]:
    card = place.card
    main: dict[str, object] = {
        "gpu-id": 0,
        "onnx-file": "model.onnx",
        "labelfile-path": "labels.txt",
        "batch-size": place.batch,
        "process-mode": 1,
        "network-type": 0,
        "network-mode": 0,
        "num-detected-classes": len(card.class_names),
        "gie-unique-id": 1,
        "net-scale-factor": 1,
        "model-color-format": 1,
        "infer-dims": f"3;{card.input.height};{card.input.width}",
        **_FIT[card.input.resize],
        "scaling-filter": 1,
        "output-blob-names": ";".join((COUNT, BOXES, SCORES, CLASSES)),
        "parse-bbox-func-name": "NvDsInferParseCustomTfSSD",
        "custom-lib-path": _LIBRARY,
        "cluster-mode": 2,
    }
    classes: dict[str, object] = {
        "pre-cluster-threshold": DEFAULT_SCORE,
        "nms-iou-threshold": card.postprocess.iou_threshold,
        "topk": card.postprocess.max_detections,
    }
    sections = {"property": main, "class-attrs-all": classes}
    return {CONFIG: key_file_text(sections), "labels.txt": labels_text(card.class_names)}


def _next_step(place: Place) -> str:
    return f"nvinfer config-file-path={place.folder.resolve() / CONFIG} takes it; the first start builds its engine"


DEEPSTREAM = Program(
    name="DeepStream",
    check=check_fp32,
    rewrite=_rewrite,
    feed=_feed,
    read=read_tf_ssd,
    files=_files,
    next_step=_next_step,
    suppresses=True,  # cluster-mode 2 finishes what the `cluster` tail leaves undone
    takes_batch=True,
)

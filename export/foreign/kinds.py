"""What is usual of detectors of one kind, which their files show."""

from __future__ import annotations

import re

from ...runtime.generated_frames import generated_frames
from .graph import ForeignGraph, Outputs
from .inputs import ForeignInput, input_spec, run_frames
from .schemes import SCHEMES, cells_of, decoding_of
from .undecoded import FOLLOWS_GRID, are_pixels, follows_places

_IMAGENET = ForeignInput(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
_NANODET = ForeignInput(colour="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
_YOLOX = ForeignInput(colour="bgr", std=(1, 1, 1), resize="letterbox-top-left")
_YUNET = ForeignInput(colour="bgr", std=(1, 1, 1))
_RETINAFACE = ForeignInput(colour="bgr", mean=(104, 117, 123), std=(1, 1, 1))
_LETTERBOX = ForeignInput(resize="letterbox")
_NANODET_COLUMNS = 112
"""Eighty classes and four distributions of eight bins."""

_BY_NAMES: tuple[tuple[str, tuple[str, ...], ForeignInput], ...] = (
    ("RF-DETR", (r"dets", r"labels"), _IMAGENET),
    ("NanoDet", (r"cls_pred_stride_\d+", r"dis_pred_stride_\d+"), _NANODET),
    ("YuNet", (r"cls_\d+", r"obj_\d+", r"bbox_\d+"), _YUNET),
    ("RetinaFace", (r"loc.*|bbox", r"conf.*", r"land.*"), _RETINAFACE),
    ("EfficientDet", (r"regression", r"classification"), _IMAGENET),
)
"""Kind, patterns that each are the name of an output, and what is usual."""


def usual_input(foreign: ForeignGraph) -> tuple[ForeignInput, str]:
    """Say what detectors of this kind expect of frames, and what shows the kind.

    Raises:
        InputError: ONNX Runtime cannot load or run the graph.
    """
    if foreign.declared.is_ultralytics:
        return _LETTERBOX, "the metadata are Ultralytics', whose way it is"
    if foreign.declared.is_paddle:
        return _IMAGENET, "as Paddle's are trained, whose names the file has"
    spec = input_spec(foreign, ForeignInput(), [])
    outputs, _ = run_frames(foreign, spec, generated_frames(spec)[:2])
    names = list(outputs)
    for kind, patterns, usual in _BY_NAMES:
        if all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns):
            if kind == "RF-DETR" and outputs["dets"].shape[-1] == 5:  # MMDeploy's
                continue
            return usual, f"{', '.join(names[:3])} are {kind}'s names"
    return _by_rows(foreign, outputs, names[0]) if len(names) == 1 else (ForeignInput(), "")


def _by_rows(foreign: ForeignGraph, outputs: Outputs, name: str) -> tuple[ForeignInput, str]:
    """Tell kinds whose one output has a row for each cell."""
    values = outputs[name]
    if values.ndim != 3:
        return ForeignInput(), ""
    rows, columns = max(values.shape[1:]), min(values.shape[1:])
    values = values.transpose(0, 2, 1) if values.shape[1] < values.shape[2] else values
    if columns == _NANODET_COLUMNS:
        return _NANODET, f"{columns} columns are NanoDet-Plus's"
    cells = cells_of((8, 16, 32), height=foreign.height, width=foreign.width)
    if rows not in (sum(cells.counts), 3 * sum(cells.counts)) or columns < 5:
        return ForeignInput(), ""
    if rows == sum(cells.counts):
        origins = decoding_of("yolox", SCHEMES["yolox"], cells).origins
        if follows_places(values, origins) <= FOLLOWS_GRID and not are_pixels(values[..., :4]):
            return _YOLOX, f"{name} is in cells of its grids, as YOLOX's is"
    return _LETTERBOX, f"{rows} rows of {columns} columns are YOLO's, whose way it is"

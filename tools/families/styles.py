"""What detectors of public families put out, behind a stand-in's network: as their exporters write it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from .net import Net, Target

CLASSES = 4
NAMES = ("cat", "cow", "dog", "horse")
THREE = (8, 16, 32)
FOUR = (8, 16, 32, 64)
PYRAMID = (8, 16, 32, 64, 128)
RARE: Target = (-8.5, 2.5)
"""Of a class's logit: a few rows of a picture are certain, and few are above the score floor."""
RARER: Target = (-11.0, 2.5)
"""The same of nine boxes a cell."""
SMALL: Target = (0.0, 0.3)
BINS: Target = (0.0, 1.5)
POSITIVE: Target = (4.0, 1.0)
SURE: Target = (3.0, 1.0)
BINS_AND_CLASSES: Target = ((0.0,) * 64 + (-8.5,) * CLASSES, (1.5,) * 64 + (2.5,) * CLASSES)
YOLO: Target = ((0.0,) * 4 + (-7.0,) + (0.0,) * CLASSES, (0.5,) * 4 + (2.5,) + (2.0,) * CLASSES)
"""Box, objectness and classes."""
ULTRALYTICS = {"names": str(dict(enumerate(NAMES))), "task": "detect", "author": "Ultralytics", "stride": "32"}


def cells(side: int, strides: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Centre and size of a box on each cell: [D, 4] pixels."""
    rows = [
        [(column + 0.5) * stride, (row + 0.5) * stride, 4.0 * stride, 4.0 * stride]
        for stride in strides
        for row in range(math.ceil(side / stride))
        for column in range(math.ceil(side / stride))
    ]
    return np.array(rows, np.float32)


def by_level(
    columns: dict[str, tuple[int, Target]],
    *,
    strides: Sequence[int] = THREE,
    side: int = 320,
    form: str = "NCHW",
    anchors: Sequence[int] | int = 1,
    active: Sequence[str] = (),
    grows: str = "",
    brightest: float = 1.0,
) -> onnx.ModelProto:
    """Give an output NAME_STRIDE per level for each of some columns per anchor.

    Args:
        columns: how many of each, and the values' mean and spread.
        strides: of the levels.
        side: of the picture.
        form: NCHW, NHWC, NAHWC or rows.
        anchors: per cell, by level where they differ.
        active: which of the columns have been through a sigmoid.
        grows: which of them is in pixels.
        brightest: value of white.
    """
    net = Net(side, brightest=brightest)
    outputs = {}
    for place, (stride, value) in enumerate(net.pyramid(strides).items()):
        each = anchors if isinstance(anchors, int) else anchors[place]
        for name, (count, target) in columns.items():
            made = net.head(value, count * each, target=target)
            if form == "rows":
                made = net.rows(made, each)
            elif form == "NHWC":
                made = net.add("Transpose", [made], perm=[0, 2, 3, 1])
            elif form == "NAHWC":
                cell = math.ceil(side / stride)
                made = net.add("Transpose", [net.reshape(made, [1, each, count, cell, cell])], perm=[0, 1, 3, 4, 2])
            if name in active:
                made = net.add("Sigmoid", [made])
            if name == grows:
                made = net.add("Mul", [made, net.constant(np.float32(stride))])
            outputs[f"{name}_{stride}"] = made
    return net.model(outputs)


def cells_in_one(
    parts: Sequence[tuple[int, Target, bool]],
    *,
    strides: Sequence[int] = THREE,
    side: int = 320,
    brightest: float = 1.0,
) -> onnx.ModelProto:
    """Give one output of all levels: columns, values' mean and spread, and whether they have been through a sigmoid."""
    net = Net(side, brightest=brightest)
    maps = net.pyramid(strides)
    columns = []
    for count, target, is_active in parts:
        heads = [net.head(value, count, target=target) for value in maps.values()]
        made = net.add("Concat", [net.rows(head) for head in heads], axis=1)
        columns.append(net.add("Sigmoid", [made]) if is_active else made)
    return net.model({"output": net.add("Concat", columns, axis=2)})


def decoded(
    net: Net, *, strides: Sequence[int] = THREE, layout: str = "cxcywh", normalised: bool = False
) -> tuple[str, str]:
    """Give boxes [1, D, 4] and logits [1, D, CLASSES], D a cell of each level."""
    maps = net.pyramid(strides)
    boxes, logits = [], []
    for stride, value in maps.items():
        moved = net.head(value, 4, target=(0.0, 0.3 * stride))
        boxes.append(net.rows(moved))
        logits.append(net.rows(net.head(value, CLASSES, target=RARE)))
    places = cells(net.side, strides)
    if layout != "cxcywh":
        places = np.concatenate([places[:, :2] - places[:, 2:] / 2, places[:, :2] + places[:, 2:] / 2], axis=1)
        places = places[:, [1, 0, 3, 2]] if layout == "yxyx" else places
    made = net.add("Add", [net.add("Concat", boxes, axis=1), net.constant(places[None])])
    if normalised:
        made = net.add("Div", [made, net.constant(np.float32(net.side))])
    return made, net.add("Concat", logits, axis=1)


def in_one(
    *, objectness: str = "", columns_first: bool = False, metadata: dict[str, str] | None = None, side: int = 320
) -> onnx.ModelProto:
    """Give one output: box, objectness (`learnt`, `ones` or none) and scores."""
    net = Net(side)
    boxes, logits = decoded(net)
    parts = [boxes, net.add("Sigmoid", [logits])]
    if objectness:
        highest = net.add("ReduceMax", [parts[1]], axes=[2], keepdims=1)
        ones = net.add("Div", [highest, highest])
        parts.insert(1, ones if objectness == "ones" else net.add("Sqrt", [highest]))
    whole = net.add("Concat", parts, axis=2)
    if columns_first:
        whole = net.add("Transpose", [whole], perm=[0, 2, 1])
    return net.model({"output0": whole}, metadata=metadata)


def apart(
    names: tuple[str, str],
    *,
    layout: str = "xyxy",
    normalised: bool = False,
    activation: str = "Sigmoid",
    background: str = "",
    scores_first: bool = False,
    strides: Sequence[int] = THREE,
    size_input: str = "",
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """Give boxes and scores for themselves, by these names."""
    net = Net(320)
    boxes, scores = decoded(net, strides=strides, layout=layout, normalised=normalised)
    nothing = net.constant(np.zeros((1, len(cells(320, strides)), 1), np.float32))
    if background:
        scores = net.add("Concat", [nothing, scores] if background == "first" else [scores, nothing], axis=2)
    if activation == "Softmax":
        scores = net.add(activation, [scores], axis=2)
    elif activation:
        scores = net.add(activation, [scores])
    if scores_first:
        scores = net.add("Transpose", [scores], perm=[0, 2, 1])
    if size_input:
        net.take_size(size_input, TensorProto.FLOAT)
    return net.model({names[0]: boxes, names[1]: scores}, metadata=metadata)


def detr_in_one(*, metadata: dict[str, str]) -> onnx.ModelProto:
    """Give centres and sizes in fractions, and scores, in one output that nothing need suppress."""
    net = Net(320)
    boxes, logits = decoded(net, normalised=True, strides=(16,))
    return net.model({"output0": net.add("Concat", [boxes, net.add("Sigmoid", [logits])], axis=2)}, metadata=metadata)


def final(form: str, *, metadata: dict[str, str] | None = None) -> onnx.ModelProto:
    """Give detections with one class each, the best first.

    Args:
        form: `rows of 6`, `rows of 7`, `class first`, `dets and labels`, `three`, or `deepstream`, which is not sorted.
        metadata: of the file.
    """
    net = Net(320)
    boxes, logits = decoded(net, layout="xyxy")
    scores = net.add("Sigmoid", [logits])
    best = net.add("ReduceMax", [scores], axes=[2], keepdims=0)  # [1, D]
    ids = net.add("Cast", [net.add("ArgMax", [scores], axis=2, keepdims=0)], to=TensorProto.FLOAT)
    axis, row = net.constant(np.array([2], np.int64)), net.constant(np.array([0], np.int64))
    if form == "deepstream":
        columns = [net.add("Unsqueeze", [value, axis]) for value in (best, ids)]
        return net.model({"boxes": boxes, "scores": columns[0], "classes": columns[1]}, metadata=metadata)
    top = net.add("TopK", [best, net.constant(np.array([100], np.int64))], results=2, axis=1)
    places = net.add("Squeeze", [f"{top}_1", row])
    ids = net.add("Gather", [ids, places], axis=1)
    kept = net.add("Gather", [boxes, places], axis=1)
    if form == "three":
        labels = net.add("Cast", [ids], to=TensorProto.INT64)
        net.take_size("orig_target_sizes", TensorProto.INT64)
        return net.model({"labels": labels, "boxes": kept, "scores": top}, metadata=metadata)
    score_column, id_column = (net.add("Unsqueeze", [value, axis]) for value in (top, ids))
    if form == "dets and labels":
        labels = net.add("Cast", [ids], to=TensorProto.INT64)
        dets = net.add("Concat", [kept, score_column], axis=2)
        return net.model({"dets": dets, "labels": labels}, metadata=metadata)
    parts = [kept, score_column, id_column]
    if form == "class first":
        parts = [id_column, score_column, kept]
    elif form == "rows of 7":
        image = net.add("Mul", [score_column, net.constant(np.float32(0))])
        parts = [image, kept, id_column, score_column]
    rows = net.add("Concat", parts, axis=2)
    if form in ("class first", "rows of 7"):
        rows = net.add("Squeeze", [rows, row])
    return net.model({"output0": rows}, metadata=metadata)


def plugin(name: str, domain: str) -> onnx.ModelProto:
    """Give what a suppression of others makes of boxes and scores."""
    net = Net(320)
    boxes, logits = decoded(net, layout="xyxy")
    scores = net.add("Sigmoid", [logits])
    made = net.add(name, [boxes, scores], results=4, domain=domain)
    outputs = {"num_dets": made, "det_boxes": f"{made}_1", "det_scores": f"{made}_2", "det_classes": f"{made}_3"}
    return net.model(outputs, inner={"boxes": boxes, "scores": scores}, domain=domain)


def tensorflow() -> onnx.ModelProto:
    """Give TensorFlow's detection API: a uint8 picture, boxes with y first, a background, and detections of its own."""
    net = Net(320, channels_last=True, uint8=True)
    boxes, logits = decoded(net, layout="yxyx", normalised=True)
    nothing = net.constant(np.full((1, len(cells(320, THREE)), 1), 0.3, np.float32))
    scores = net.add("Concat", [nothing, net.add("Sigmoid", [logits])], axis=2)
    by_class = net.add("Transpose", [scores], perm=[0, 2, 1])
    limits = [net.constant(np.array([100], np.int64)), net.constant(np.float32(0.6)), net.constant(np.float32(0.3))]
    chosen = net.add("NonMaxSuppression", [boxes, by_class, *limits])
    places = net.add("Gather", [chosen, net.constant(np.int64(2))], axis=1)
    found = net.add("Gather", [boxes, places], axis=1)
    return net.model({"raw_detection_boxes": boxes, "raw_detection_scores": scores, "detection_boxes": found})


def undecoded(
    names: tuple[str, str],
    *,
    strides: Sequence[int],
    anchors: int,
    boxes: Target = SMALL,
    active: bool = False,
    extra: tuple[str, int, Target] | None = None,
    brightest: float = 1.0,
) -> onnx.ModelProto:
    """Give offsets and scores of all levels joined, by these names; `extra` names one more, its columns and values."""
    net = Net(320, brightest=brightest)
    maps = net.pyramid(strides)

    def rows(columns: int, aim: Target) -> str:
        heads = [net.head(value, columns * anchors, target=aim) for value in maps.values()]
        return net.add("Concat", [net.rows(head, anchors) for head in heads], axis=1)

    scores = rows(CLASSES, RARER if anchors > 2 else RARE)
    outputs = {names[0]: rows(4, boxes), names[1]: net.add("Sigmoid", [scores]) if active else scores}
    if extra is not None:
        name, columns, values = extra
        outputs[name] = rows(columns, values)
    return net.model(outputs)


def ssd(side: int, strides: Sequence[int], anchors: Sequence[int], names: tuple[str, str]) -> onnx.ModelProto:
    """Give default boxes' offsets and logits with a background, by level."""
    columns = {names[0]: (4, SMALL), names[1]: (CLASSES + 1, ((6.0,) + (0.0,) * CLASSES, 2.5))}
    return by_level(columns, strides=strides, side=side, anchors=anchors)

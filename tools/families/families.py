"""Public detector families by output style, each with a stand-in and the options that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import onnx

from .net import Target
from .styles import (
    BINS,
    BINS_AND_CLASSES,
    CLASSES,
    FOUR,
    POSITIVE,
    PYRAMID,
    RARE,
    RARER,
    SMALL,
    SURE,
    THREE,
    ULTRALYTICS,
    YOLO,
    apart,
    by_level,
    cells_in_one,
    detr_in_one,
    final,
    in_one,
    plugin,
    ssd,
    tensorflow,
    undecoded,
)

NAMES = "--names"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A row of the table.

    Args:
        name: of the families.
        style: of the outputs.
        make: the stand-in.
        options: of `adapt`, beside `--names` with the stand-in's classes, where `--names` is among them.
    """

    name: str
    style: str
    make: Callable[[], onnx.ModelProto]
    options: tuple[str, ...] = (NAMES,)


def _levels(**columns: tuple[int, Target]) -> Callable[..., onnx.ModelProto]:
    return partial(by_level, columns)


FAMILIES = (
    Family(
        name="YOLOv8, YOLOv9, YOLO11, YOLO12 (Ultralytics)",
        style="`[1, 4 + C, D]`",
        make=partial(in_one, columns_first=True, metadata=ULTRALYTICS),
        options=(),
    ),
    Family(name="YOLOv5", style="`[1, D, 5 + C]`", make=partial(in_one, objectness="learnt")),
    Family(name="YOLOv6", style="`[1, D, 5 + C]`, objectness 1", make=partial(in_one, objectness="ones")),
    Family(
        name="YOLOv7 `--end2end`",
        style="ends in `EfficientNMS_TRT`",
        make=partial(plugin, "EfficientNMS_TRT", "TRT"),
    ),
    Family(
        name="YOLOv7 `--end2end --max-wh`",
        style="`[rows, 7]`, final",
        make=partial(final, "rows of 7"),
    ),
    Family(
        name="YOLOv8 with `BatchedNMS_TRT`",
        style="ends in a plugin",
        make=partial(plugin, "BatchedNMSDynamic_TRT", "TRT"),
    ),
    Family(
        name="YOLOv10, YOLO26, Ultralytics' `nms=True`",
        style="`[1, 300, 6]`, final",
        make=partial(final, "rows of 6", metadata={**ULTRALYTICS, "end2end": "True"}),
        options=(),
    ),
    Family(
        name="YOLOv8 to YOLO12 by level",
        style="`[1, 64 + C, h, w]`",
        make=_levels(out=(64 + CLASSES, BINS_AND_CLASSES)),
    ),
    Family(
        name="YOLOv8, YOLO11 for RKNN",
        style="`[1, 64, h, w]`, `[1, C, h, w]` by level",
        make=partial(_levels(box=(64, BINS), cls=(CLASSES, RARE)), active=("cls",)),
    ),
    Family(
        name="YOLOv5 by level",
        style="`[1, 3 (5 + C), h, w]`",
        make=partial(_levels(out=(5 + CLASSES, YOLO)), anchors=3),
    ),
    Family(
        name="YOLOv7 by level",
        style="`[1, 3, h, w, 5 + C]`",
        make=partial(_levels(out=(5 + CLASSES, YOLO)), anchors=3, form="NAHWC"),
        options=("--decode", "yolov7", NAMES),
    ),
    Family(
        name="YOLOv3 (Darknet, Keras)",
        style="`[1, h, w, 3 (5 + C)]`",
        make=partial(_levels(out=(5 + CLASSES, YOLO)), anchors=3, form="NHWC"),
        options=("--decode", "yolov3", NAMES),
    ),
    Family(
        name="YOLOv3-tiny, YOLOv4-tiny",
        style="`[1, 3 (5 + C), h, w]`, two levels",
        make=partial(_levels(out=(5 + CLASSES, YOLO)), anchors=3, strides=(16, 32)),
    ),
    Family(
        name="YOLOX",
        style="`[1, D, 5 + C]`, in cells",
        make=partial(cells_in_one, ((4, SMALL, False), (1, SURE, True), (CLASSES, RARE, True)), brightest=255),
    ),
    Family(
        name="YOLOX of MMDetection",
        style="`[1, C, h, w]`, `[1, 4, h, w]`, `[1, 1, h, w]` by level",
        make=partial(_levels(cls=(CLASSES, RARE), bbox=(4, SMALL), obj=(1, SURE)), brightest=255),
    ),
    Family(
        name="YOLO-NAS, DAMO-YOLO",
        style="`[1, D, 4]` pixels, `[1, D, C]`",
        make=partial(apart, ("boxes", "scores")),
    ),
    Family(
        name="YOLOv4 (PyTorch)",
        style="`[1, D, 4]` fractions, `[1, D, C]`",
        make=partial(apart, ("boxes", "confs"), normalised=True),
    ),
    Family(
        name="PP-YOLOE (Paddle)",
        style="`[1, D, 4]`, `[1, C, D]`, `scale_factor`",
        make=partial(apart, ("tmp_16", "concat_14.tmp_0"), scores_first=True, size_input="scale_factor"),
    ),
    Family(
        name="PP-YOLOE with suppression",
        style="`[rows, 6]`, class first, final",
        make=partial(final, "class first"),
    ),
    Family(
        name="PicoDet",
        style="`[1, cells, C]`, `[1, cells, 32]` by level",
        make=partial(_levels(cls=(CLASSES, RARE), reg=(32, BINS)), strides=FOUR, form="rows", active=("cls",)),
    ),
    Family(
        name="NanoDet-Plus",
        style="`[1, D, C + 32]`, in cells",
        make=partial(cells_in_one, ((CLASSES, RARE, True), (32, BINS, False)), strides=FOUR),
    ),
    Family(
        name="NanoDet-m",
        style="`[1, cells, C]`, `[1, cells, 32]` by level",
        make=partial(
            _levels(cls_pred_stride=(CLASSES, RARE), dis_pred_stride=(32, BINS)),
            form="rows",
            active=("cls_pred_stride",),
        ),
    ),
    Family(
        name="RTMDet",
        style="`[1, C, h, w]`, `[1, 4, h, w]` pixels by level",
        make=partial(_levels(cls=(CLASSES, RARE), reg=(4, POSITIVE)), grows="reg"),
    ),
    Family(
        name="FCOS (MMDetection)",
        style="the same and `[1, 1, h, w]`",
        make=partial(
            _levels(cls=(CLASSES, RARE), bbox=(4, POSITIVE), centerness=(1, SURE)), strides=PYRAMID, grows="bbox"
        ),
    ),
    Family(
        name="FCOS (torchvision), cut",
        style="`[1, D, 4]` cells, `[1, D, C]`, `[1, D, 1]`",
        make=partial(
            undecoded,
            ("bbox_regression", "cls_logits"),
            strides=PYRAMID,
            anchors=1,
            boxes=POSITIVE,
            extra=("bbox_ctrness", 1, SURE),
        ),
    ),
    Family(
        name="RetinaNet (torchvision), cut",
        style="`[1, D, 4]` offsets, `[1, D, C]`",
        make=partial(undecoded, ("bbox_regression", "cls_logits"), strides=PYRAMID, anchors=9),
    ),
    Family(
        name="RetinaNet (Detectron2)",
        style="`[1, 9 C, h, w]`, `[1, 36, h, w]` by level",
        make=partial(_levels(cls=(CLASSES, RARER), box=(4, SMALL)), strides=PYRAMID, anchors=9),
        options=("--decode", "retinanet-detectron2", NAMES),
    ),
    Family(
        name="EfficientDet (PyTorch)",
        style="`[1, D, 4]` offsets with y first, `[1, D, C]`",
        make=partial(undecoded, ("regression", "classification"), strides=PYRAMID, anchors=9, active=True),
    ),
    Family(
        name="EfficientDet (TensorFlow)",
        style="`[1, h, w, 9 C]`, `[1, h, w, 36]` by level",
        make=partial(_levels(class_net=(CLASSES, RARER), box_net=(4, SMALL)), strides=PYRAMID, anchors=9, form="NHWC"),
    ),
    Family(
        name="SSDLite320 (torchvision)",
        style="`[1, 24, h, w]`, `[1, 6 (C + 1), h, w]` by level",
        make=partial(ssd, 320, (16, 32, 64, 128, 256, 512), (6,) * 6, ("box", "cls")),
    ),
    Family(
        name="SSD-MobileNet, SSD-Inception (TensorFlow)",
        style="`raw_detection_boxes` and its kin, uint8",
        make=tensorflow,
    ),
    Family(
        name="DETR, Conditional DETR",
        style="`pred_boxes`, `pred_logits`, softmax",
        make=partial(
            apart, ("pred_boxes", "pred_logits"), layout="cxcywh", normalised=True, activation="", background="last"
        ),
    ),
    Family(
        name="RT-DETR (Ultralytics)",
        style="`[1, 300, 4 + C]`, fractions",
        make=partial(detr_in_one, metadata=ULTRALYTICS),
        options=(),
    ),
    Family(
        name="RT-DETR, D-FINE, DEIM, deployed",
        style="labels, boxes, scores, `orig_target_sizes`",
        make=partial(final, "three"),
    ),
    Family(
        name="RF-DETR",
        style="`dets`, `labels`",
        make=partial(apart, ("dets", "labels"), layout="cxcywh", normalised=True, activation=""),
    ),
    Family(
        name="DeepStream-Yolo",
        style="boxes, scores, class ids, not suppressed",
        make=partial(final, "deepstream"),
    ),
    Family(
        name="MMDeploy's end-to-end detectors",
        style="`dets` `[1, 100, 5]`, `labels`, final",
        make=partial(final, "dets and labels"),
    ),
    Family(
        name="SCRFD",
        style="`[cells, C]`, `[cells, 4]`, key points by level",
        make=partial(
            _levels(score=(CLASSES, RARE), bbox=(4, POSITIVE), kps=(10, SMALL)),
            anchors=2,
            form="rows",
            active=("score",),
        ),
    ),
    Family(
        name="RetinaFace",
        style="`loc`, `conf`, `landms`",
        make=partial(
            undecoded,
            ("loc", "conf"),
            strides=THREE,
            anchors=2,
            active=True,
            extra=("landms", 10, SMALL),
            brightest=255,
        ),
    ),
    Family(
        name="YuNet",
        style="`cls_8`, `obj_8`, `bbox_8`, `kps_8`, …",
        make=partial(
            _levels(cls=(CLASSES, RARE), obj=(1, SURE), bbox=(4, SMALL), kps=(10, SMALL)),
            form="rows",
            active=("cls", "obj"),
            brightest=255,
        ),
    ),
    Family(
        name="UltraFace",
        style="`boxes` fractions, `scores` with a background",
        make=partial(apart, ("boxes", "scores"), normalised=True, activation="Softmax", background="first"),
    ),
)

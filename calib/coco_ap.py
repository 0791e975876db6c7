"""Average precision by COCO's rule, computed by faster-coco-eval, with VOC's rule for difficult objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.detection.boxes import iou_matrix
from ..runtime.require import require
from .accuracy.class_boxes import ClassBoxes

MAX_DETECTIONS = 100
"""COCO looks at this many detections of a class in an image, the best ones."""

_CATEGORY = 1
_ALL_AREAS = [[0.0, 1e10]]


@dataclass(frozen=True, kw_only=True)
class CocoAveragePrecision:
    """COCO's 101-point average precision of one class, each in [0, 1]."""

    ap50: float
    """At IoU 0.5."""
    ap50_95: float
    """Mean over the IoU thresholds 0.5, 0.55, … 0.95."""


def coco_average_precision(boxes: ClassBoxes) -> CocoAveragePrecision | None:
    """Evaluate one class; objects of every size count alike.

    Returns:
        The two figures; None if no object counts.

    Raises:
        MissingDependencyError: faster-coco-eval is not installed.
    """
    if not boxes.counted_objects:
        return None
    package = require("faster_coco_eval", extra="evaluate", why="Average precision")
    truth = package.COCO(_truth(boxes))
    found = truth.loadRes(_found(boxes))
    evaluator = package.COCOeval_faster(truth, found, iouType="bbox")
    evaluator.params.maxDets = [MAX_DETECTIONS]
    evaluator.params.areaRng, evaluator.params.areaRngLbl = _ALL_AREAS, ["all"]
    _ignore_difficult(evaluator, truth)
    evaluator.evaluate()
    evaluator.accumulate()
    precision: NDArray[np.float64] = evaluator.eval["precision"][:, :, 0, 0, 0]  # [IoU thresholds, 101 recalls]
    return CocoAveragePrecision(ap50=float(precision[0].mean()), ap50_95=float(precision.mean()))


def _ignore_difficult(evaluator: Any, truth: Any) -> None:
    """Make difficult objects count neither way.

    COCO's own means for that is `iscrowd`: it forgives every detection of an ignored object, as VOC does. But it
    also measures the overlap with a crowd as a share of the detection, so that any small box within a difficult
    object would be forgiven; VOC wants IoU there too. The flag `ignore` alone would not do either: the evaluator
    overwrites it with `iscrowd`, and without `iscrowd` a second detection of the same difficult object is wrong.
    So: flags set once the evaluator has prepared itself, and the plain IoU throughout.
    """
    prepare = evaluator._prepare

    def prepare_then_flag() -> None:
        prepare()
        for item in truth.anns.values():
            item["ignore"] = item["iscrowd"] = item["difficult"]

    def plain_iou(image_id: int, class_id: int) -> list[float] | NDArray[np.float64]:
        objects = evaluator.gt_dataset.get_instances([image_id], [class_id], True)[0][0]
        detections = evaluator.dt_dataset.get_instances([image_id], [class_id], True)[0][0]
        if not len(objects) or not len(detections):
            return []
        order = np.argsort([-item["score"] for item in detections], kind="stable")[:MAX_DETECTIONS]
        return iou_matrix(_xyxy([detections[row] for row in order]), _xyxy(objects))

    evaluator._prepare = prepare_then_flag
    evaluator.computeIoU = plain_iou


def _truth(boxes: ClassBoxes) -> dict[str, Any]:
    # Only images with an object or a detection matter; the first with no object has only wrong detections.
    images = np.union1d(boxes.object_images, boxes.detection_images)
    xywh = _xywh(boxes.object_boxes_xyxy_px)
    rows = zip(boxes.object_images, xywh, boxes.object_difficult, strict=True)
    return {
        "images": [{"id": int(image)} for image in images],
        "categories": [{"id": _CATEGORY, "name": "the class"}],
        "annotations": [
            {
                "id": number,
                "image_id": int(image),
                "category_id": _CATEGORY,
                "bbox": box.tolist(),
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
                "difficult": int(difficult),
            }
            for number, (image, box, difficult) in enumerate(rows, start=1)
        ],
    }


def _found(boxes: ClassBoxes) -> list[dict[str, Any]]:
    rows = zip(boxes.detection_images, _xywh(boxes.detection_boxes_xyxy_px), boxes.detection_scores, strict=True)
    return [
        # An empty outline keeps the package from writing one for each box.
        {
            "image_id": int(image),
            "category_id": _CATEGORY,
            "bbox": box.tolist(),
            "score": float(score),
            "segmentation": [],
        }
        for image, box, score in rows
    ]


def _xywh(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)


def _xyxy(items: list[dict[str, Any]]) -> NDArray[np.float64]:
    xywh = np.asarray([item["bbox"] for item in items], np.float64)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)

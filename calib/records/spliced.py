"""Answers to the same images, some of one artefact and some of another, as if one had given them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..accuracy.class_boxes import ClassBoxes
from .classification_records import ClassificationRecords
from .detection_records import DetectionRecords
from .records import Records


def spliced(parts: Sequence[Records], part_of: NDArray[np.int64]) -> Records:
    """Take each image's answers from one of several records.

    Args:
        parts: of the same images and one kind.
        part_of: [images] int64, which of the parts answers for each image.
    """
    detections = [item for item in parts if isinstance(item, DetectionRecords)]
    if detections:
        boxes = tuple(
            _spliced_boxes(of_class, part_of) for of_class in zip(*(i.boxes for i in detections), strict=True)
        )
        return replace(detections[0], boxes=boxes)
    classified = [item for item in parts if isinstance(item, ClassificationRecords)]
    return replace(
        classified[0],
        answers_given=np.choose(part_of, [item.answers_given for item in classified]),
        answer_scores=np.choose(part_of, [item.answer_scores for item in classified]),
        right_scores=np.choose(part_of, [item.right_scores for item in classified]),
    )


def _spliced_boxes(parts: Sequence[ClassBoxes], part_of: NDArray[np.int64]) -> ClassBoxes:
    kept = [part_of[item.detection_images] == at for at, item in enumerate(parts)]
    return replace(
        parts[0],
        detection_boxes_xyxy_px=np.concatenate(
            [item.detection_boxes_xyxy_px[rows] for item, rows in zip(parts, kept, strict=True)]
        ),
        detection_scores=np.concatenate([item.detection_scores[rows] for item, rows in zip(parts, kept, strict=True)]),
        detection_images=np.concatenate([item.detection_images[rows] for item, rows in zip(parts, kept, strict=True)]),
    )

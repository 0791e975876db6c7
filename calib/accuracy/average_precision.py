"""Average precision of a detector on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.sample import Sample
from ...runtime.detection.detections import Detections
from ..coco_ap import coco_average_precision
from .class_boxes import ClassBoxes
from .localization_error import LocalizationError, LocalizationErrorEvaluator, guesses_from_detections
from .voc_ap import voc_average_precision

MIN_OBJECTS = 10
"""With fewer objects that count, a class's average precision is noise: it is shown, and left out of the means."""


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """One class's figures, each in [0, 1]; None where no object counts."""

    name: str
    objects: int
    """Objects that count: the difficult ones do not."""
    difficult_objects: int
    images: int
    """Images with an object that counts."""
    ap50_voc: float | None
    """At IoU 0.5 by VOC's rule, over all points of the curve."""
    ap50: float | None
    """At IoU 0.5 by COCO's rule, 101 points."""
    ap50_95: float | None
    """Mean over IoU 0.5 to 0.95 by COCO's rule."""

    @property
    def supported(self) -> bool:
        """Whether the data hold enough objects for the figures to mean something."""
        return self.objects >= MIN_OBJECTS


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """Figures per class, and their means over the classes that the data support."""

    images: int
    classes: tuple[ClassResult, ...]
    localization: LocalizationError | None
    """ILSVRC's, each class's best box being a guess; None where not every image shows one class, as ILSVRC's do."""

    @property
    def supported(self) -> tuple[ClassResult, ...]:
        """The classes that are averaged over."""
        return tuple(item for item in self.classes if item.supported)

    @property
    def mean_ap50_voc(self) -> float | None:
        """None if the data support no class."""
        return _mean([item.ap50_voc for item in self.supported])

    @property
    def mean_ap50(self) -> float | None:
        """None if the data support no class."""
        return _mean([item.ap50 for item in self.supported])

    @property
    def mean_ap50_95(self) -> float | None:
        """None if the data support no class."""
        return _mean([item.ap50_95 for item in self.supported])

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "images": self.images,
            "min_objects": MIN_OBJECTS,
            "classes": [
                {
                    "name": item.name,
                    "supported": item.supported,
                    "objects": item.objects,
                    "difficult_objects": item.difficult_objects,
                    "images": item.images,
                    "ap50_voc": item.ap50_voc,
                    "ap50": item.ap50,
                    "ap50_95": item.ap50_95,
                }
                for item in self.classes
            ],
            "mean": {
                "over": [item.name for item in self.supported],
                "ap50_voc": self.mean_ap50_voc,
                "ap50": self.mean_ap50,
                "ap50_95": self.mean_ap50_95,
            },
            "localization_error": None if self.localization is None else asdict(self.localization),
        }


class DetectionEvaluator:
    """Collects detections image by image; keeps boxes, never pixels."""

    def __init__(self, class_names: Sequence[str]) -> None:
        """Start with no images.

        Args:
            class_names: in the order of class ids, of samples and detections alike.
        """
        self._class_names = tuple(class_names)
        self._images = 0
        self._objects: list[_Rows] = []
        self._detections: list[_Rows] = []
        self._localization = LocalizationErrorEvaluator()

    def add(self, sample: Sample, detections: Detections) -> None:
        """Add an image.

        Args:
            sample: what is in it.
            detections: what was found in it, normalised to the image.
        """
        self._objects.append(
            _Rows(
                boxes_xyxy_px=sample.boxes_xyxy_px.astype(np.float64),
                class_ids=sample.class_ids,
                images=np.full(len(sample), self._images, np.int64),
                values=sample.difficult.astype(np.float64),
            )
        )
        boxes_px = detections.boxes_xyxy_px(height=sample.height_px, width=sample.width_px)
        self._detections.append(
            _Rows(
                boxes_xyxy_px=boxes_px.astype(np.float64),
                class_ids=detections.class_ids.astype(np.int64),
                images=np.full(len(detections), self._images, np.int64),
                values=detections.scores.astype(np.float64),
            )
        )
        self._localization.add(sample, *guesses_from_detections(detections))
        self._images += 1

    def result(self) -> EvaluationResult:
        """Compute the figures over all images added so far.

        Raises:
            MissingDependencyError: faster-coco-eval is not installed.
        """
        named = zip(self._class_names, self.boxes_by_class(), strict=True)
        localization = self._localization.result()
        is_of_all = localization is not None and localization.images == self._images
        return EvaluationResult(
            images=self._images,
            classes=tuple(_class_result(name, boxes) for name, boxes in named),
            localization=localization if is_of_all else None,
        )

    def boxes_by_class(self) -> tuple[ClassBoxes, ...]:
        """Return all objects and detections, class by class in the order of class ids; images count from 0."""
        objects, detections = _joined(self._objects), _joined(self._detections)
        return tuple(
            _class_boxes(objects.of_class(class_id), detections.of_class(class_id))
            for class_id in range(len(self._class_names))
        )


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Boxes with their class, image and one value: a score, or 1 for difficult."""

    boxes_xyxy_px: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    images: NDArray[np.int64]
    values: NDArray[np.float64]

    def of_class(self, class_id: int) -> _Rows:
        keep = self.class_ids == class_id
        return _Rows(
            boxes_xyxy_px=self.boxes_xyxy_px[keep],
            class_ids=self.class_ids[keep],
            images=self.images[keep],
            values=self.values[keep],
        )


def _joined(parts: list[_Rows]) -> _Rows:
    return _Rows(
        boxes_xyxy_px=np.concatenate([np.zeros((0, 4)), *(part.boxes_xyxy_px for part in parts)]),
        class_ids=np.concatenate([np.zeros(0, np.int64), *(part.class_ids for part in parts)]),
        images=np.concatenate([np.zeros(0, np.int64), *(part.images for part in parts)]),
        values=np.concatenate([np.zeros(0), *(part.values for part in parts)]),
    )


def _class_boxes(objects: _Rows, detections: _Rows) -> ClassBoxes:
    return ClassBoxes(
        object_boxes_xyxy_px=objects.boxes_xyxy_px,
        object_images=objects.images,
        object_difficult=objects.values > 0,
        detection_boxes_xyxy_px=detections.boxes_xyxy_px,
        detection_scores=detections.values,
        detection_images=detections.images,
    )


def _class_result(name: str, boxes: ClassBoxes) -> ClassResult:
    coco = coco_average_precision(boxes)
    return ClassResult(
        name=name,
        objects=boxes.counted_objects,
        difficult_objects=int(boxes.object_difficult.sum()),
        images=boxes.counted_images,
        ap50_voc=voc_average_precision(boxes),
        ap50=None if coco is None else coco.ap50,
        ap50_95=None if coco is None else coco.ap50_95,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

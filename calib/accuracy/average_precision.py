"""Average precision of a detector on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.sample import Sample
from ...runtime.detection.detections import Detections
from .class_boxes import ClassBoxes, areas_of
from .class_matches import area_under_curve, average_precision, match_class
from .coco_figures import CocoFigures, coco_figures
from .localization_error import LocalizationError, LocalizationErrorEvaluator, guesses_from_detections

MIN_OBJECTS = 10
"""With fewer objects that count, a class's average precision is noise: it is shown, and left out of the means."""


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """One class's figures, each in [0, 1]; None where no object counts."""

    name: str
    objects: int
    """Objects that count: the difficult ones do not."""
    difficult_objects: int
    """Crowds among them."""
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
    coco: CocoFigures | None = None
    """COCO's own twelve, over all classes that have objects; None where they were not asked for."""
    without_tiles: EvaluationResult | None = None
    """What the same images give as a whole, where their parts were looked at too."""

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
            "coco": None if self.coco is None else asdict(self.coco),
            "without_tiles": None if self.without_tiles is None else self.without_tiles.to_dict(),
            "localization_error": None if self.localization is None else asdict(self.localization),
        }


_OBJECT = np.dtype(
    [("box", "f8", 4), ("class_id", "i8"), ("image", "i8"), ("difficult", "?"), ("crowd", "?"), ("area", "f8")]
)
_DETECTION = np.dtype([("box", "f8", 4), ("class_id", "i8"), ("image", "i8"), ("score", "f8")])


class DetectionEvaluator:
    """Collects detections image by image; keeps boxes, never pixels."""

    def __init__(self, class_names: Sequence[str]) -> None:
        """Start with no images.

        Args:
            class_names: in the order of class ids, of samples and detections alike.
        """
        self._class_names = tuple(class_names)
        self._images = 0
        self._objects = [np.zeros(0, _OBJECT)]
        self._written = [np.zeros(0, _OBJECT)]
        self._detections = [np.zeros(0, _DETECTION)]
        self._localization = LocalizationErrorEvaluator()

    def add(self, sample: Sample, detections: Detections, *, written: Sample | None = None) -> None:
        """Add an image; detections of a class that its labels do not speak of count neither way.

        Args:
            sample: what is in it.
            detections: what was found in it, normalised to the image.
            written: what COCO's own figures are to be measured on where that differs, see `Dataset.as_written`.
        """
        detections = judged(sample, detections)
        self._objects.append(_objects_of(sample, self._images))
        self._written.append(self._objects[-1] if written is None else _objects_of(written, self._images))
        found = np.zeros(len(detections), _DETECTION)
        found["box"] = detections.boxes_xyxy_px(height=sample.height_px, width=sample.width_px)
        found["class_id"], found["image"], found["score"] = detections.class_ids, self._images, detections.scores
        self._detections.append(found)
        self._localization.add(sample, *guesses_from_detections(detections))
        self._images += 1

    def result(self, *, with_coco: bool = False) -> EvaluationResult:
        """Compute the figures over all images added so far.

        Args:
            with_coco: compute COCO's twelve too, which takes several times as long.
        """
        boxes = self.boxes_by_class()
        localization = self._localization.result()
        is_of_all = localization is not None and localization.images == self._images
        return EvaluationResult(
            images=self._images,
            classes=tuple(
                _class_result(name, item, images=self._images)
                for name, item in zip(self._class_names, boxes, strict=True)
            ),
            localization=localization if is_of_all else None,
            coco=coco_figures(self._by_class(self._written), images=self._images) if with_coco else None,
        )

    def boxes_by_class(self) -> tuple[ClassBoxes, ...]:
        """Return all objects and detections, class by class in the order of class ids; images count from 0."""
        return self._by_class(self._objects)

    def _by_class(self, of_images: Sequence[NDArray[np.void]]) -> tuple[ClassBoxes, ...]:
        objects, detections = np.concatenate(of_images), np.concatenate(self._detections)
        return tuple(
            _class_boxes(objects[objects["class_id"] == class_id], detections[detections["class_id"] == class_id])
            for class_id in range(len(self._class_names))
        )


def judged(sample: Sample, found: Detections) -> Detections:
    """Leave out what was found of classes that an image's labels do not speak of: it may be there."""
    return found if sample.labelled is None else found.where(sample.labelled[found.class_ids])


def _objects_of(sample: Sample, image: int) -> NDArray[np.void]:
    objects = np.zeros(len(sample), _OBJECT)
    objects["box"], objects["class_id"], objects["image"] = sample.boxes_xyxy_px, sample.class_ids, image
    objects["difficult"], objects["crowd"] = sample.difficult, False if sample.crowd is None else sample.crowd
    objects["area"] = areas_of(objects["box"]) if sample.areas_px is None else sample.areas_px
    return objects


def _class_boxes(objects: NDArray[np.void], detections: NDArray[np.void]) -> ClassBoxes:
    return ClassBoxes(
        object_boxes_xyxy_px=objects["box"],
        object_images=objects["image"],
        object_difficult=objects["difficult"],
        object_crowd=objects["crowd"],
        object_areas_px=objects["area"],
        detection_boxes_xyxy_px=detections["box"],
        detection_scores=detections["score"],
        detection_images=detections["image"],
    )


def _class_result(name: str, boxes: ClassBoxes, *, images: int) -> ClassResult:
    is_measurable = boxes.counted_objects > 0
    by_overlap = average_precision(match_class(boxes, images=images)) if is_measurable else None
    return ClassResult(
        name=name,
        objects=boxes.counted_objects,
        difficult_objects=int(boxes.object_difficult.sum()),
        images=boxes.counted_images,
        ap50_voc=area_under_curve(match_class(boxes, images=images, rule="voc")) if is_measurable else None,
        ap50=None if by_overlap is None else float(by_overlap[0]),
        ap50_95=None if by_overlap is None else float(by_overlap.mean()),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

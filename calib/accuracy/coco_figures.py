"""The twelve figures that COCO's own evaluation prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .class_boxes import ClassBoxes
from .class_matches import Areas, ClassMatches, average_precision, average_recall, match_class

SIZES = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
"""COCO's sizes: least and greatest area in pixels, of images of about 640 x 480; what lies between belongs to both."""


@dataclass(frozen=True, kw_only=True)
class CocoFigures:
    """Means over the classes that have objects, in [0, 1]; None where none has.

    Precision and recall over IoU 0.5 to 0.95, with the best 100 detections of a class in an image, unless the name says
    otherwise.
    """

    classes: int
    """That have objects."""
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar_1: float | None
    """Recall with one detection of a class in an image."""
    ar_10: float | None
    ar_100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


def coco_figures(boxes: Sequence[ClassBoxes], *, images: int) -> CocoFigures:
    """Measure all classes as COCO does, with no class left out for its few objects."""
    every = [match_class(item, images=images) for item in boxes]
    of_size = {
        name: [match_class(item, images=images, areas=Areas(least=least, most=most)) for item in boxes]
        for name, (least, most) in SIZES.items()
    }
    return CocoFigures(
        classes=sum(item.objects > 0 for item in every),
        ap=_mean(every, _precision),
        ap50=_mean(every, lambda item: float(average_precision(item)[0])),
        ap75=_mean(every, lambda item: float(average_precision(item)[5])),
        ap_small=_mean(of_size["small"], _precision),
        ap_medium=_mean(of_size["medium"], _precision),
        ap_large=_mean(of_size["large"], _precision),
        ar_1=_mean(every, lambda item: average_recall(item, 1)),
        ar_10=_mean(every, lambda item: average_recall(item, 10)),
        ar_100=_mean(every, average_recall),
        ar_small=_mean(of_size["small"], average_recall),
        ar_medium=_mean(of_size["medium"], average_recall),
        ar_large=_mean(of_size["large"], average_recall),
    )


def _precision(matches: ClassMatches) -> float:
    return float(average_precision(matches).mean())


def _mean(matches: Sequence[ClassMatches], figure: Callable[[ClassMatches], float]) -> float | None:
    values = [figure(item) for item in matches if item.objects]
    return float(np.mean(values)) if values else None

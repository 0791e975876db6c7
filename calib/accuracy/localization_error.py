"""ILSVRC's localization error: is the one object of an image named and found?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...data.sample import Sample
from ...runtime.detection.boxes import iou_matrix
from ...runtime.detection.classifications import TOP
from ...runtime.detection.detections import Detections
from .top_k import label_of

FOUND_IOU = 0.5
"""The overlap from which on a box counts as found."""


@dataclass(frozen=True, kw_only=True)
class LocalizationError:
    """Shares of images in [0, 1].

    Args:
        images: that counted: those whose objects are all of one class.
        top1: of them, those whose first guess has another class, or a box that no object of the class overlaps by
            IoU 0.5.
        top5: those where that is so of each of the first five.
    """

    images: int
    top1: float
    top5: float


class LocalizationErrorEvaluator:
    """Collects guesses image by image.

    Source: Russakovsky et al. 2015, section 4.2: an image may be guessed at five times, with a class and a box each.
    """

    def __init__(self) -> None:
        """Start with no images."""
        self._ranks: list[int] = []

    def add(self, sample: Sample, class_ids: NDArray[np.int64], boxes_xyxy: NDArray[np.float32]) -> None:
        """Count one image; one with objects of several classes, or of none, is left out.

        Args:
            sample: the image.
            class_ids: [n] int64, guesses, the best first; those past the fifth do not count.
            boxes_xyxy: [n, 4] float32, normalised to the image, one per guess.
        """
        label = label_of(sample)
        if label is None:
            return
        sides = np.array([sample.width_px, sample.height_px] * 2, np.float32)
        overlaps = iou_matrix(boxes_xyxy[:TOP], sample.boxes_xyxy_px / sides)  # [n, objects]
        right = (class_ids[:TOP] == label) & (overlaps.max(axis=1) >= FOUND_IOU)
        self._ranks.append(int(right.argmax()) if right.any() else TOP)

    def result(self) -> LocalizationError | None:
        """Return the figures; None where no image counted."""
        if not self._ranks:
            return None
        ranks = np.array(self._ranks)
        return LocalizationError(images=len(ranks), top1=float((ranks >= 1).mean()), top5=float((ranks >= TOP).mean()))


def localization_figures(errors: LocalizationError) -> dict[str, float]:
    """Name the figures as cards do."""
    return {
        "ILSVRC localization error, top-1": errors.top1,
        f"ILSVRC localization error, top-{TOP}": errors.top5,
    }


def guesses_from_detections(found: Detections) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Take each class's best detection, the best class first: what a detector says of an image with one object.

    Args:
        found: in descending order of score.

    Returns:
        class_ids [n] int64, each class once, and boxes_xyxy [n, 4] float32.
    """
    _, first = np.unique(found.class_ids, return_index=True)
    places = np.sort(first)
    return found.class_ids[places].astype(np.int64), found.boxes_xyxy[places]

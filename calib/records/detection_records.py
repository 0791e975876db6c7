"""A detector's answers on labelled images, kept so that resamples of them are measured fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..accuracy.average_precision import MIN_OBJECTS
from ..accuracy.class_boxes import ClassBoxes
from ..accuracy.class_matches import Areas, ClassMatches, average_precision, match_class
from ..accuracy.coco_figures import SIZES
from .records import Answers, Group, Targets

_COCO_IMAGE_PX = 640.0 * 480.0


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionRecords:
    """Boxes and matches of every image; a class with too few objects is in no mean.

    Where the classes with enough objects hold fewer than half of all, the figures are of all classes together: one
    precision and one recall over every detection, each right or wrong in its own class.

    Args:
        class_names: in the order of class ids.
        image_ids: in the order of the images.
        image_areas_px: [images] float64.
        boxes: one per class.
    """

    class_names: Sequence[str]
    image_ids: Sequence[str]
    image_areas_px: NDArray[np.float64]
    boxes: tuple[ClassBoxes, ...]

    @property
    def metric(self) -> str:
        """COCO's, and whether it is of all classes together."""
        return "AP50:95 of all classes pooled" if self.is_pooled else "AP50:95"

    @cached_property
    def matches(self) -> tuple[ClassMatches, ...]:
        """One per class, objects of every size."""
        return tuple(match_class(item, images=len(self.image_ids)) for item in self.boxes)

    @cached_property
    def supported(self) -> tuple[int, ...]:
        """Classes with enough objects to be averaged over."""
        return tuple(at for at, item in enumerate(self.boxes) if item.counted_objects >= MIN_OBJECTS)

    @cached_property
    def is_pooled(self) -> bool:
        """Whether the supported classes hold fewer than half of the objects that count."""
        supported = sum(self.matches[at].objects for at in self.supported)
        return 2 * supported < sum(item.objects for item in self.matches)

    @property
    def averaged(self) -> tuple[str, ...]:
        """Names of the supported classes; none where all are pooled."""
        return () if self.is_pooled else tuple(self.class_names[at] for at in self.supported)

    @property
    def is_measurable(self) -> bool:
        """Whether enough objects count: in a class, or in all together where these are pooled."""
        return any(item.objects >= MIN_OBJECTS for item in self._measured)

    @cached_property
    def _measured(self) -> tuple[ClassMatches, ...]:
        """What the headline is the mean over."""
        return (_pooled(self.matches),) if self.is_pooled else tuple(self.matches[at] for at in self.supported)

    @cached_property
    def sizes_are_relative(self) -> bool:
        """Whether sizes are shares of the image: where the images are much smaller than COCO's."""
        return bool(np.median(self.image_areas_px) < _COCO_IMAGE_PX / 2)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All, then the supported classes unless they are pooled, then the sizes with enough objects."""
        names = [
            Group(kind="class", name=name, objects=item.objects)
            for name, item in zip(self.averaged, self._measured, strict=not self.is_pooled)
        ]
        return (
            Group(kind="all", name="all", objects=sum(item.objects for item in self._measured)),
            *names,
            *(
                Group(kind="size", name=name, objects=sum(item.objects for item in matches))
                for name, matches in self._by_size.items()
            ),
        )

    def headline(self, weights: NDArray[np.int64]) -> float:
        """Measure the mean over the supported classes, or all classes pooled; see `Records`."""
        return _mean_points(self._measured, weights)

    def figures(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Measure every group; see `Records`."""
        each = [_mean_points([item], weights) for item in self._measured]
        known = [value for value in each if not np.isnan(value)]
        mean = sum(known) / len(known) if known else float("nan")
        per_class = [] if self.is_pooled else each
        return np.array([mean, *per_class, *(_mean_points(items, weights) for items in self._by_size.values())])

    def answers(self) -> Answers:
        """All detections that the headline is of, judged at IoU 0.5."""
        return _answers(_pooled(self._measured))

    def answers_of(self, class_name: str) -> Answers:
        """All detections of one class, judged at IoU 0.5."""
        return _answers(self.matches[self.class_names.index(class_name)])

    def targets(self) -> Targets:
        """All objects that count, class by class."""
        counted = [~item.object_difficult for item in self.boxes]
        return Targets(
            images=np.concatenate([item.object_images[keep] for item, keep in zip(self.boxes, counted, strict=True)]),
            class_ids=np.repeat(np.arange(len(self.boxes)), [int(keep.sum()) for keep in counted]),
            boxes_xyxy_px=np.concatenate(
                [item.object_boxes_xyxy_px[keep] for item, keep in zip(self.boxes, counted, strict=True)]
            ),
            scores=np.concatenate([item.object_scores[keep] for item, keep in zip(self.matches, counted, strict=True)]),
        )

    @cached_property
    def _by_size(self) -> dict[str, list[ClassMatches]]:
        """Matches of each size over the classes, or all of them pooled, that have enough objects of it."""
        classes = range(len(self.boxes)) if self.is_pooled else self.supported
        scale = _COCO_IMAGE_PX / self.image_areas_px if self.sizes_are_relative else None
        found: dict[str, list[ClassMatches]] = {}
        for name, (least, most) in SIZES.items():
            areas = Areas(least=least, most=most, unit_of_image=scale)
            matches = [match_class(self.boxes[at], images=len(self.image_ids), areas=areas) for at in classes]
            matches = [_pooled(matches)] if self.is_pooled else matches
            supported = [item for item in matches if item.objects >= MIN_OBJECTS]
            if supported:
                found[name] = supported
        return found


def _mean_points(matches: Sequence[ClassMatches], weights: NDArray[np.int64]) -> float:
    """Mean AP50:95 in points over the classes with an object in the resample."""
    values = [float(average_precision(item, weights).mean()) for item in matches]
    known = [value for value in values if not np.isnan(value)]
    return 100 * sum(known) / len(known) if known else float("nan")


def _pooled(matches: Sequence[ClassMatches]) -> ClassMatches:
    """Put the detections of several classes into one order; each stays right or wrong in its own class."""
    scores = np.concatenate([item.scores for item in matches])
    order = np.argsort(-scores, kind="stable")
    return ClassMatches(
        scores=scores[order],
        images=np.concatenate([item.images for item in matches])[order],
        is_right=np.concatenate([item.is_right for item in matches])[order],
        is_wrong=np.concatenate([item.is_wrong for item in matches])[order],
        objects_of_image=np.sum([item.objects_of_image for item in matches], axis=0),
        object_scores=np.concatenate([item.object_scores for item in matches]),
    )


def _answers(matches: ClassMatches) -> Answers:
    return Answers(
        scores=matches.scores,
        is_right=matches.is_right[:, 0],
        is_wrong=matches.is_wrong[:, 0],
        wanted=matches.objects,
    )

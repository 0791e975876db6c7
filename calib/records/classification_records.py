"""A classifier's answers on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..accuracy.average_precision import MIN_OBJECTS
from ..accuracy.class_matches import NOT_FOUND
from .records import Answers, Group, Targets


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationRecords:
    """The first answer to every image, and the score of the right one.

    Args:
        class_names: in the order of class ids.
        image_ids: in the order of the images.
        class_ids: [images] int64, as labelled.
        answers_given: [images] int64, the likeliest class.
        answer_scores: [images] float64, its score.
        right_scores: [images] float64, the labelled class's score; `NOT_FOUND` where it is not among the answers.
    """

    class_names: Sequence[str]
    image_ids: Sequence[str]
    class_ids: NDArray[np.int64]
    answers_given: NDArray[np.int64]
    answer_scores: NDArray[np.float64]
    right_scores: NDArray[np.float64]
    metric: str = "top-1 accuracy"

    @cached_property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the first answer is the label: [images]."""
        return np.equal(self.answers_given, self.class_ids)

    @property
    def averaged(self) -> tuple[str, ...]:
        """None: all images count alike."""
        return ()

    @property
    def is_measurable(self) -> bool:
        """Whether there are enough images."""
        return len(self.image_ids) >= MIN_OBJECTS

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All images, then the classes with enough of them."""
        counts = np.bincount(self.class_ids, minlength=len(self.class_names))
        return (
            Group(kind="all", name="all", objects=len(self.image_ids)),
            *(
                Group(kind="class", name=name, objects=int(count))
                for name, count in zip(self.class_names, counts, strict=True)
                if count >= MIN_OBJECTS
            ),
        )

    def headline(self, weights: NDArray[np.int64]) -> float:
        """Measure accuracy over all images; see `Records`."""
        return 100 * float(weights @ self.is_right) / int(weights.sum())

    def figures(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Measure every group; see `Records`."""
        classes = len(self.class_names)
        right = np.bincount(self.class_ids, weights * self.is_right, classes)
        seen = np.bincount(self.class_ids, weights, classes)
        accuracy = np.divide(right, seen, out=np.full(classes, np.nan), where=seen > 0)
        names = list(self.class_names)
        per_class = [100 * accuracy[names.index(item.name)] for item in self.groups[1:]]
        return np.array([self.headline(weights), *per_class])

    def answers(self) -> Answers:
        """The first answer to each image."""
        order = np.argsort(-self.answer_scores, kind="stable")
        return Answers(
            scores=self.answer_scores[order],
            is_right=self.is_right[order],
            is_wrong=~self.is_right[order],
            wanted=len(self.image_ids),
        )

    def answers_of(self, class_name: str) -> Answers:
        """The first answers that name one class."""
        class_id = self.class_names.index(class_name)
        order = np.argsort(-self.answer_scores, kind="stable")
        named = order[self.answers_given[order] == class_id]
        return Answers(
            scores=self.answer_scores[named],
            is_right=self.is_right[named],
            is_wrong=~self.is_right[named],
            wanted=int((self.class_ids == class_id).sum()),
        )

    def targets(self) -> Targets:
        """The images; one whose first answer is wrong was not found."""
        count = len(self.image_ids)
        return Targets(
            images=np.arange(count),
            class_ids=self.class_ids,
            boxes_xyxy_px=np.zeros((count, 4)),
            scores=np.where(self.is_right, self.right_scores, NOT_FOUND),
        )

"""What is kept of each image so that two artefacts can be compared on it; detectors and classifiers alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Group:
    """What one figure speaks of: all, one class, or one size of object."""

    kind: Literal["all", "class", "size"]
    name: str
    objects: int
    """That count in it; of a classifier: images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What was said, in descending order of score, and whether it was right.

    Args:
        scores: [m] float64, descending.
        is_right: [m] bool.
        is_wrong: [m] bool; what is neither counts neither way.
        wanted: how many right answers there could be.
    """

    scores: NDArray[np.float64]
    is_right: NDArray[np.bool_]
    is_wrong: NDArray[np.bool_]
    wanted: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What there was to find, in the order of the data, the same for every artefact that is compared.

    Args:
        images: [n] int64, index of the image that each is in.
        class_ids: [n] int64.
        boxes_xyxy_px: [n, 4] float64, in pixels of the image; a classifier's is the whole image, as zeros.
        scores: [n] float64, with which it was found; `class_matches.NOT_FOUND` where it was not.
    """

    images: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    boxes_xyxy_px: NDArray[np.float64]
    scores: NDArray[np.float64]


class Records(Protocol):
    """One artefact's answers on labelled images, image by image; pixels are not kept."""

    @property
    def metric(self) -> str:
        """What the figures are, in points of 100: `AP50:95`, `top-1 accuracy`."""

    @property
    def class_names(self) -> Sequence[str]:
        """In the order of class ids."""

    @property
    def image_ids(self) -> Sequence[str]:
        """In the order of the images."""

    @property
    def averaged(self) -> Sequence[str]:
        """Classes that the headline is the mean over; empty where it is none."""

    @property
    def is_measurable(self) -> bool:
        """Whether there is enough to find for the headline to mean something."""

    @property
    def groups(self) -> Sequence[Group]:
        """What `figures` gives, in its order, the headline first."""

    def headline(self, weights: NDArray[np.int64]) -> float:
        """Measure the one figure that the gate judges by, with each image counted so many times; in points."""

    def figures(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Measure every group likewise: [groups] in points, NaN where a group has nothing to find."""

    def answers(self) -> Answers:
        """All that was said; of a detector judged at IoU 0.5."""

    def answers_of(self, class_name: str) -> Answers:
        """All that was said to be of one class, likewise."""

    def targets(self) -> Targets:
        """All that there was to find, without what does not count."""

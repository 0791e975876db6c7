"""Default boxes fitted to the objects of a training split, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Dataset
from ...runtime.errors import InputError
from .box_coverage import MATCH_IOU, BoxCoverage, box_coverage
from .default_boxes import DefaultBoxSettings, default_boxes
from .options import NetworkOptions
from .registry import build_detector, network_named

MOST_OBJECTS = 10_000
"""Of more objects so many are taken, evenly over the split."""

_FACTORS = (0.5, 0.75, 0.9, 0.97, 1.03, 1.1, 1.33, 2.0)
"""What a scale or a ratio is multiplied by to see whether that is better."""
_MOST_SWEEPS = 40
_LEAST_SCALE, _GREATEST_SCALE = 0.01, 2.0
_LEAST_STEP = 1.05
"""A map's scale is at least so many times the finer map's."""
_LEAST_RATIO, _GREATEST_RATIO = 1.05, 8.0
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class FittedBoxes:
    """Default boxes fitted to one split, and what they can match in several.

    Args:
        split: what they were fitted to.
        settings: the boxes.
        coverages: split -> what they can match there.
    """

    split: str
    settings: DefaultBoxSettings
    coverages: dict[str, BoxCoverage]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "split": self.split,
            "scales": list(self.settings.scales),
            "aspect_ratios": [list(ratios) for ratios in self.settings.aspect_ratios],
            "splits": {name: coverage.to_dict() for name, coverage in self.coverages.items()},
        }


def fitted_boxes(dataset: Dataset, splits: Sequence[str], network: str, *, seed: int = 0) -> FittedBoxes:
    """Fit default boxes to the split `train`, or to the first where there is none, and hold them against all.

    Args:
        dataset: labelled images.
        splits: those to look at, at least one.
        network: name of a detector.
        seed: of seeded splits.

    Raises:
        InputError: as `fit_default_boxes`.
    """
    split = "train" if "train" in splits else splits[0]
    settings = fit_default_boxes(dataset, split, network, seed=seed)
    return FittedBoxes(
        split=split,
        settings=settings,
        coverages={name: box_coverage(dataset, name, network, boxes=settings, seed=seed) for name in splits},
    )


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """Settings, and how well they fit: first by the share of objects matched, then by the mean best overlap."""

    settings: DefaultBoxSettings
    share: float
    overlap: float

    def is_better_than(self, other: _Fit) -> bool:
        return (self.share, self.overlap) > (other.share, other.overlap)


def fit_default_boxes(
    dataset: Dataset, split: str, network: str, *, input_hw: tuple[int, int] | None = None, seed: int = 0
) -> DefaultBoxSettings:
    """Fit scales and aspect ratios to a split's objects; how many boxes there are stays.

    Greedy ascent: each scale and each ratio in turn is multiplied by a few factors, and kept where more objects find
    a default box that overlaps them by IoU 0.5, or as many do and the mean best overlap is greater; until a sweep
    changes nothing. It starts from the network's own boxes, so that no fewer objects are matched than by those, and
    from scales at the quantiles of the objects' sizes; the better end is taken. Nothing is random. An
    object's best overlap with a shape is at the cell whose centre is nearest, so the whole grid is accounted for.

    Args:
        dataset: labelled images; difficult objects are left out.
        split: one of its splits, the one to be trained on.
        network: name of a detector.
        input_hw: height and width of the input; the network's own where not given.
        seed: of a seeded split.

    Raises:
        InputError: there is no such network or split, the network is a classifier, or there is no object to fit to.
    """
    found = network_named(network)
    hw = input_hw or (found.input.height, found.input.width)
    built = build_detector(network, NetworkOptions(input_hw=hw, class_count=len(dataset.class_names)))
    objects = _objects(dataset, split, seed=seed)
    if not len(objects) or found.default_boxes is None:
        raise InputError(f"{dataset.name} {split}: expected objects to fit default boxes to, got none.")
    own = found.default_boxes
    fitting = _Fitting(objects, built.map_hws)
    starts = (own, _by_quantiles(own, objects))
    first, second = (fitting.climb(fitting.measured(start)) for start in starts)
    return (second if second.is_better_than(first) else first).settings


class _Fitting:
    """Measures default boxes on [n, 4] float64 cxcywh objects, normalised."""

    def __init__(self, objects: NDArray[np.float64], map_hws: list[tuple[int, int]]) -> None:
        self._sizes = objects[:, 2:]
        cells_wh = [np.array([width, height]) for height, width in map_hws]
        self._distances = [  # per map: [n, 2], from each object's centre to the nearest cell's
            np.abs(objects[:, :2] - (np.clip(np.floor(objects[:, :2] * cells), 0, cells - 1) + 0.5) / cells)
            for cells in cells_wh
        ]

    def measured(self, settings: DefaultBoxSettings) -> _Fit:
        """Hold settings against the objects."""
        shapes = default_boxes([(1, 1)] * len(self._distances), settings)[:, 2:].astype(np.float64)
        best = np.zeros(len(self._sizes))
        ends = np.cumsum(settings.boxes_per_cell)
        for distances, shapes_of_map in zip(self._distances, np.split(shapes, ends[:-1]), strict=True):
            for shape in shapes_of_map:
                best = np.maximum(best, _overlaps(self._sizes, shape, distances))
        return _Fit(settings=settings, share=float((best >= MATCH_IOU).mean()), overlap=float(best.mean()))

    def climb(self, fit: _Fit) -> _Fit:
        """Change one number after another for the better until none is left to change."""
        for _ in range(_MOST_SWEEPS):
            before = fit
            for place in _places(fit.settings):
                for factor in _FACTORS:
                    changed = _changed(fit.settings, place, factor)
                    if changed is not None and (other := self.measured(changed)).is_better_than(fit):
                        fit = other
            if fit is before:
                break
        return fit


def _overlaps(
    sizes: NDArray[np.float64], shape: NDArray[np.float64], distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """IoU of [n, 2] boxes with one shape, by the distance of their centres."""
    sides = np.minimum(np.minimum(sizes, shape), np.maximum((sizes + shape) / 2 - distances, 0))
    shared = sides.prod(axis=1)
    overlaps: NDArray[np.float64] = shared / (sizes.prod(axis=1) + shape.prod() - shared)
    return overlaps


def _places(settings: DefaultBoxSettings) -> list[tuple[int, int | None]]:
    """Name the numbers: (map, None) is a scale, (map, at) a ratio."""
    scales: list[tuple[int, int | None]] = [(at, None) for at in range(len(settings.scales))]
    return scales + [(row, at) for row, ratios in enumerate(settings.aspect_ratios) for at in range(len(ratios))]


def _changed(settings: DefaultBoxSettings, place: tuple[int, int | None], factor: float) -> DefaultBoxSettings | None:
    """Multiply one number; none where it would leave its limits."""
    row, at = place
    if at is None:
        value = round(settings.scales[row] * factor, _DIGITS)
        scales = (*settings.scales[:row], value, *settings.scales[row + 1 :])
        in_order = all(finer * _LEAST_STEP <= coarser for finer, coarser in pairwise(scales))
        return replace(settings, scales=scales) if in_order and _LEAST_SCALE <= value <= _GREATEST_SCALE else None
    ratios = settings.aspect_ratios[row]
    value = round(ratios[at] * factor, _DIGITS)
    if not _LEAST_RATIO <= value <= _GREATEST_RATIO:
        return None
    changed = (*ratios[:at], value, *ratios[at + 1 :])
    return replace(settings, aspect_ratios=(*settings.aspect_ratios[:row], changed, *settings.aspect_ratios[row + 1 :]))


def _by_quantiles(own: DefaultBoxSettings, objects: NDArray[np.float64]) -> DefaultBoxSettings:
    """Spread the scales over the objects' sizes, as many objects between two of them as between any other two."""
    count = len(own.scales)
    places = (np.arange(count) + 0.5) / count
    scales: list[float] = []
    for size in np.quantile(np.sqrt(objects[:, 2:].prod(axis=1)), places):
        least = scales[-1] * _LEAST_STEP if scales else _LEAST_SCALE
        scales.append(round(max(float(size), least), _DIGITS))
    return replace(own, scales=tuple(scales))


def _objects(dataset: Dataset, split: str, *, seed: int) -> NDArray[np.float64]:
    """The boxes of a split: [n, 4] cxcywh, normalised."""
    boxes = [np.zeros((0, 4))]
    for sample in dataset.samples(split, seed=seed):
        whwh = np.array([sample.width_px, sample.height_px] * 2, np.float64)
        boxes.append(sample.boxes_xyxy_px[~sample.difficult] / whwh)
    xyxy = np.concatenate(boxes)
    if len(xyxy) > MOST_OBJECTS:
        xyxy = xyxy[np.linspace(0, len(xyxy) - 1, MOST_OBJECTS).astype(int)]
    return np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)

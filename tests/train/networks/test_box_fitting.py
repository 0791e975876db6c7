"""Fitted default boxes: never worse than the network's own, the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.data.dataset import Dataset
from singleshot.data.sample import Sample
from singleshot.runtime.errors import InputError
from singleshot.train.networks.box_coverage import best_overlaps, box_coverage
from singleshot.train.networks.box_fitting import _Fitting, fit_default_boxes, fitted_boxes
from singleshot.train.networks.default_boxes import DefaultBoxSettings, default_boxes
from singleshot.train.networks.registry import network_named

OWN = DefaultBoxSettings(scales=(0.2, 0.5, 0.9), aspect_ratios=((2.0,), (2.0, 3.0)))
MAP_HWS = [(8, 6), (4, 3)]
SIDE = st.floats(0.02, 1.0)


class Boxes:
    """As much of a data set as fitting looks at: an image of 100 x 100 for each box, whatever the split."""

    name = "boxes"
    class_names = ("thing",)

    def __init__(self, boxes_xyxy: NDArray[np.float64]) -> None:
        self._boxes_px = (boxes_xyxy * 100).astype(np.float32)

    def samples(self, _split: str, **_seed: int) -> Iterator[Sample]:
        for number, box in enumerate(self._boxes_px):
            yield Sample(
                image_id=str(number),
                image_path=Path(f"{number}.jpg"),
                boxes_xyxy_px=box[None],
                class_ids=np.zeros(1, np.int64),
                difficult=np.zeros(1, np.bool_),
                height_px=100,
                width_px=100,
            )


def dataset_of(boxes_xyxy: NDArray[np.float64]) -> Dataset:
    return cast(Dataset, Boxes(boxes_xyxy))


def tall_and_thin(count: int) -> NDArray[np.float64]:
    """Boxes of 5 % by 40 %, anywhere."""
    random = np.random.default_rng(0)
    corner = random.uniform(0, 0.6, (count, 2))
    return np.concatenate([corner, corner + np.array([0.05, 0.4])], axis=1)


@settings(max_examples=25, deadline=None)
@given(boxes=st.lists(st.tuples(SIDE, SIDE, st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_fast_measure_is_that_of_the_whole_grid(boxes: list[tuple[float, float, float, float]]) -> None:
    wh = np.array([box[:2] for box in boxes])
    cxcywh = np.concatenate([wh / 2 + (1 - wh) * [box[2:] for box in boxes], wh], axis=1)
    fit = _Fitting(cxcywh, MAP_HWS).measured(OWN)
    grid = default_boxes(MAP_HWS, OWN).astype(np.float64)
    corners = [
        np.concatenate([each[:, :2] - each[:, 2:] / 2, each[:, :2] + each[:, 2:] / 2], 1) for each in (cxcywh, grid)
    ]
    best = best_overlaps(corners[0].astype(np.float32), corners[1].astype(np.float32))
    assert fit.overlap == pytest.approx(float(best.mean()), abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(sides=st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=20))
def test_a_climb_never_ends_lower_and_keeps_the_form(sides: list[tuple[float, float]]) -> None:
    wh = np.array(sides)
    fitting = _Fitting(np.concatenate([np.full_like(wh, 0.5), wh], axis=1), MAP_HWS)
    start = fitting.measured(OWN)
    end = fitting.climb(start)
    assert (end.share, end.overlap) >= (start.share, start.overlap)
    assert end.settings.boxes_per_cell == OWN.boxes_per_cell
    assert all(finer < coarser for finer, coarser in pairwise(end.settings.scales))


def test_boxes_that_the_network_cannot_match_are_matched_once_fitted() -> None:
    data = dataset_of(tall_and_thin(60))
    fitted = fitted_boxes(data, ["train", "val"], "ssd_lite0")
    assert fitted.split == "train"
    assert list(fitted.coverages) == ["train", "val"]
    assert fitted.coverages["train"].share > 0.95
    assert fitted.settings == fit_default_boxes(data, "train", "ssd_lite0")
    own = network_named("ssd_lite0").default_boxes
    assert own is not None
    assert fitted.settings.boxes_per_cell == own.boxes_per_cell
    assert box_coverage(data, "train", "ssd_lite0").share < 0.1


def test_without_objects_there_is_nothing_to_fit_to() -> None:
    with pytest.raises(InputError, match="boxes train: expected objects to fit default boxes to, got none"):
        fit_default_boxes(dataset_of(np.zeros((0, 4))), "train", "ssd_lite0")


def test_a_classifier_has_no_default_boxes() -> None:
    with pytest.raises(InputError, match="resnet50: expected a detector, got a classifier"):
        fit_default_boxes(dataset_of(tall_and_thin(1)), "train", "resnet50")

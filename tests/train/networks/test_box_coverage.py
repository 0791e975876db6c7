"""The share of objects that default boxes can match, against overlaps worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import InputError
from singleshot.tests.places import VOC_ROOT
from singleshot.train.networks.box_coverage import best_overlaps, box_coverage


def test_overlaps_by_hand() -> None:
    defaults = np.asarray([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]], np.float32)
    boxes = np.asarray([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 0.75], [0.25, 0, 0.75, 0.5]], np.float32)
    np.testing.assert_allclose(best_overlaps(boxes, defaults), [1, 0.5, 1 / 3], rtol=1e-6)


def test_real_objects() -> None:
    dataset = open_dataset(VOC_ROOT, class_names=("dog", "person", "sheep"))
    coverage = box_coverage(dataset, "trainval", "ssd_lite0")
    assert {name: int(counts.sum()) for name, counts in coverage.objects.items()} == {"dog": 2, "person": 4, "sheep": 0}
    assert all((coverage.matched[name] <= coverage.objects[name]).all() for name in dataset.class_names)
    assert coverage.matched["dog"].sum() == 2, "dogs are large"
    assert coverage.share == pytest.approx(coverage.matched_by_size.sum() / 6)
    written = coverage.to_dict()
    assert written["default_boxes"] == coverage.default_boxes > 1000
    assert sum(written["objects"]["person"]) == 4


def test_no_objects_are_no_division_by_zero() -> None:
    assert box_coverage(open_dataset(VOC_ROOT, class_names=("sheep",)), "train", "ssd_lite0").share == 0


def test_a_network_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"expected a network, one of"):
        box_coverage(open_dataset(VOC_ROOT), "train", "yolo")

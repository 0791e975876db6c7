"""Ids stay with objects, by the time between frames."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import MissingDependencyError
from singleshot.runtime.tracking.tracker import Tracker
from singleshot.tests.fixtures.found import detections


@pytest.fixture
def _installed() -> None:
    pytest.importorskip("trackers")


needs_trackers = pytest.mark.usefixtures("_installed")


def at(x: float, *, score: float = 0.9, class_id: int = 0) -> Detections:
    return detections((score, class_id, [x, 0.4, x + 0.1, 0.6]))


@needs_trackers
def test_an_object_keeps_its_id_and_its_class() -> None:
    tracker = Tracker()
    ids, classes = [], []
    for number in range(30):
        found, tracks = tracker.follow(at(0.01 * number, class_id=int(number % 5 == 4)), time_s=number / 30)
        ids.append(tracks.ids.tolist())
        classes.append(found.class_ids.tolist())
    assert ids == [[-1], *[[1]] * 29]
    assert classes == [[0]] * 30
    trail = tracks.trails[1]
    np.testing.assert_allclose(trail[-1], [0.34, 0.6], atol=1e-6)
    assert len(trail) == 29


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependencyError, match=r"^--track needs the package .*singleshot\[track\]"):
        Tracker()

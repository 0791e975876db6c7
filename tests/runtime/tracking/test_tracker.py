"""Ids stay with objects, by the time between frames."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import MissingDependencyError
from singleshot.runtime.tracking.tracker import Tracker
from singleshot.runtime.tracking.tracker_names import TrackerName
from singleshot.tests.fixtures.found import detections


@pytest.fixture
def _installed() -> None:
    pytest.importorskip("trackers")


needs_trackers = pytest.mark.usefixtures("_installed")
SIDE = 0.1


def at(*places: float, score: float = 0.9, class_id: int = 0) -> Detections:
    """Give boxes that are a tenth wide, by their left edges."""
    return detections(*((score, class_id, [x, 0.4, x + SIDE, 0.6]) for x in places))


def ids_of(times_s: Sequence[float], speed: float, *, tracker: Tracker | None = None) -> list[int]:
    """Follow an object that moves by `speed` widths of itself a second."""
    tracker = tracker or Tracker()
    return [tracker.follow(at(0.1 + SIDE * speed * time_s), time_s=time_s)[1].ids.tolist()[0] for time_s in times_s]


@needs_trackers
def test_an_object_keeps_its_id_its_class_and_its_trail() -> None:
    tracker = Tracker()
    ids, classes, lengths = [], [], []
    for number in range(90):
        wrong = number % 5 == 4
        found, tracks = tracker.follow(at(0.005 * number, class_id=int(wrong)), time_s=number / 30)
        ids.append(tracks.ids.tolist())
        classes.append(found.class_ids.tolist())
        lengths.append(len(tracks.trails.get(1, ())))
    assert ids == [[-1], *[[1]] * 89]
    assert classes == [[0]] * 90
    assert lengths[:3] == [0, 1, 2]
    assert lengths[-1] == 60  # of two seconds
    np.testing.assert_allclose(tracks.trails[1][[0, -1]], [[0.2, 0.6], [0.495, 0.6]], atol=1e-3)


@needs_trackers
@pytest.mark.parametrize(
    ("times_s", "speed"),
    [
        pytest.param([n / 30 for n in range(60)], 3.0, id="30 frames a second"),
        pytest.param([n / 3 for n in range(12)], 1.5, id="3 frames a second"),
        pytest.param([2.0 * n for n in range(8)], 0.2, id="a frame every two seconds"),
        pytest.param([n / 30 for n in range(60) if n % 7 in (0, 1, 5)], 3.0, id="most frames dropped"),
        pytest.param([*(n / 30 for n in range(30)), *(2.5 + n / 30 for n in range(30))], 2.0, id="away for 1.5 s"),
        pytest.param([0.0, 0.0, 0.0, 0.1, 0.1, 0.2], 1.0, id="a clock that stands still"),
        pytest.param([5.0, 5.1, 5.2, 1.0, 1.1], 0.0, id="a clock that is set back"),
    ],
)
def test_one_object_is_one_whatever_the_frame_rate(times_s: list[float], speed: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids = ids_of(times_s, speed)
    assert ids == [-1, *[1] * (len(times_s) - 1)]


@needs_trackers
def test_lost_for_seconds_is_another_one() -> None:
    """Three seconds are as long at 3 frames a second as at 30."""
    for rate in (3, 30):
        tracker = Tracker()
        before = ids_of([n / rate for n in range(2 * rate)], 0.0, tracker=tracker)
        for number in range(3 * rate):
            assert tracker.follow(Detections.none(), time_s=2 + number / rate)[1].ids.tolist() == []
        after = ids_of([5 + n / rate for n in range(rate)], 0.0, tracker=tracker)
        assert set(before) == {-1, 1}
        assert set(after) == {-1, 2}


@needs_trackers
def test_what_is_unsure_keeps_a_track_and_begins_none() -> None:
    tracker = Tracker()
    ids_of([n / 10 for n in range(10)], 0.0, tracker=tracker)
    for number in range(50):
        _, tracks = tracker.follow(Detections.none(), unsure=at(0.1, 0.7, score=0.3), time_s=1 + number / 10)
        assert tracks.ids.shape == (0,)
        assert set(tracks.trails) == {1}
    assert tracker.follow(at(0.1, 0.7), time_s=6.0)[1].ids.tolist() == [1, -1]


@needs_trackers
@pytest.mark.parametrize("name", ["bytetrack", "ocsort"])
def test_each_keeps_its_own_where_they_pass(name: TrackerName) -> None:
    tracker = Tracker(name)
    seen = []
    for number in range(30):
        left, right = 0.1 + 0.02 * number, 0.75 - 0.02 * number
        found = detections((0.9, 0, [left, 0.4, left + SIDE, 0.6]), (0.8, 0, [right, 0.5, right + SIDE, 0.7]))
        seen.append(tracker.follow(found, time_s=number / 15)[1].ids.tolist())
    assert sorted(seen[-1]) == [1, 2]
    assert [ids for ids in seen if -1 not in ids] == [seen[-1]] * sum(-1 not in ids for ids in seen)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependencyError, match=r"^--track needs the package .*singleshot\[track\]"):
        Tracker()

"""Detections as other programs write them: there and back again."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.tests.fixtures.found import detections

NAMES = ("cat", "dog")
TWO = detections((0.9, 1, (0.25, 0.5, 0.75, 1)), (0.5, 0, (0, 0, 0.1, 0.1)))
SIDES = st.integers(1, 4000)


def rows(count: int, values: NDArray[np.float32]) -> Detections:
    boxes = values[: 4 * count].reshape(count, 4)
    scores = np.sort(values[4 * count : 5 * count])[::-1]
    return Detections(
        boxes_xyxy=np.sort(boxes.reshape(count, 2, 2), axis=1).reshape(count, 4),
        scores=scores.copy(),
        class_ids=(values[5 * count : 6 * count] > 0.5).astype(np.int32),
    )


def assert_same(first: Detections, second: Detections) -> None:
    np.testing.assert_allclose(first.boxes_xyxy, second.boxes_xyxy, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(first.class_ids, second.class_ids)


def test_dicts_by_hand() -> None:
    objects = TWO.to_dicts(NAMES, height=100, width=200)
    assert [item["label"] for item in objects] == ["dog", "cat"]
    assert objects[0]["box_xyxy_px"] == [50.0, 50.0, 150.0, 100.0]
    assert_same(Detections.from_dicts(json.loads(json.dumps(objects)), height=100, width=200), TWO)
    assert Detections.none().to_dicts(NAMES, height=1, width=1) == []
    assert len(Detections.from_dicts([], height=1, width=1)) == 0


@given(st.integers(0, 5), st.integers(0, 2**32 - 1), SIDES, SIDES)
def test_dicts_there_and_back_are_the_identity(count: int, seed: int, height: int, width: int) -> None:
    found = rows(count, np.random.default_rng(seed).random(6 * count, np.float32))
    objects = found.to_dicts(NAMES, height=height, width=width)
    assert_same(Detections.from_dicts(objects, height=height, width=width), found)


def test_rows_come_in_descending_order_and_within_the_frame() -> None:
    objects = [
        {"class_id": 0, "score": 0.2, "box_xyxy_px": [-5, -5, 5, 5]},
        {"class_id": 1, "score": 0.8, "box_xyxy_px": [5, 5, 15, 12]},
    ]
    found = Detections.from_dicts(objects, height=10, width=10)
    assert found.class_ids.tolist() == [1, 0]
    np.testing.assert_allclose(found.boxes_xyxy, [[0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5]])


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"class_id": 0, "score": 0.2}, id="no box"),
        pytest.param({"class_id": 0, "score": 0.2, "box_xyxy_px": [1, 2, 3]}, id="three numbers"),
        pytest.param({"class_id": 0, "score": "high", "box_xyxy_px": [1, 2, 3, 4]}, id="no number"),
        pytest.param(None, id="no dict"),
    ],
)
def test_dicts_that_lack_something(item: Any) -> None:
    with pytest.raises(InputError, match="objects: expected dicts with class_id, score and box_xyxy_px of four num"):
        Detections.from_dicts([item], height=1, width=1)


@pytest.fixture
def sv() -> Any:
    return pytest.importorskip("supervision")


def test_supervision_by_hand(sv: Any) -> None:
    found = TWO.to_supervision(NAMES, height=100, width=200)
    assert isinstance(found, sv.Detections)
    assert found.xyxy[0].tolist() == [50, 50, 150, 100]
    assert found["class_name"].tolist() == ["dog", "cat"]
    assert found.confidence is not None
    assert found.confidence.tolist() == pytest.approx([0.9, 0.5])
    assert_same(Detections.from_supervision(found, height=100, width=200), TWO)
    assert len(found[found.confidence > 0.6]) == 1


def test_an_empty_frame_for_supervision(sv: Any) -> None:
    found = Detections.none().to_supervision(NAMES, height=10, width=10)
    assert len(found) == 0
    assert len(Detections.from_supervision(found, height=10, width=10)) == 0


def test_supervisions_annotators_take_it(sv: Any) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    drawn = sv.BoxAnnotator().annotate(picture.copy(), TWO.to_supervision(NAMES, height=100, width=200))
    assert (drawn[50, 60:140] != 0).any()


def test_supervision_without_scores(sv: Any) -> None:
    with pytest.raises(InputError, match=r"with scores and classes, got none of scores \(confidence\)"):
        Detections.from_supervision(sv.Detections(xyxy=np.zeros((1, 4))), height=1, width=1)
    found = sv.Detections(xyxy=np.zeros((1, 4)), confidence=np.ones(1))
    with pytest.raises(InputError, match=r"got none of classes \(class_id\)"):
        Detections.from_supervision(found, height=1, width=1)


def test_what_brings_supervision_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependencyError, match=r"Detections\.to_supervision needs .*singleshot\[supervision\]"):
        TWO.to_supervision(NAMES, height=1, width=1)

"""Trails are seen in the colours of their ids, and fade."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.sinks.overlay import class_colour, draw_detections
from singleshot.runtime.sinks.trails_overlay import draw_trails
from singleshot.runtime.tracking.tracks import Tracks
from singleshot.tests.fixtures.found import detections

GREY = np.full((360, 640, 3), 128, np.uint8)


def along(start: tuple[float, float], end: tuple[float, float], points: int = 30) -> NDArray[np.float32]:
    """Give a trail that goes straight from one place to the other."""
    return np.array(np.linspace(start, end, points), np.float32)


def tracks(**trails: NDArray[np.float32]) -> Tracks:
    return Tracks(ids=np.array([], np.int64), trails={int(key[1:]): trail for key, trail in trails.items()})


def test_newest_is_the_id_s_colour_and_oldest_nearly_the_picture_s() -> None:
    drawn = draw_trails(GREY, tracks(n3=along((0.1, 0.5), (0.9, 0.5))))
    colour = np.array(class_colour(3))
    newest, oldest = drawn[180, 560].astype(int), drawn[180, 100].astype(int)
    np.testing.assert_array_equal(newest, colour)
    distances = [np.abs(drawn[180, x].astype(int) - colour).sum() for x in (100, 200, 300, 400, 500, 560)]
    assert distances == sorted(distances, reverse=True)
    assert 0 < np.abs(oldest - 128).sum() < np.abs(newest - 128).sum() / 3
    assert (GREY == 128).all()


@pytest.mark.parametrize(
    ("trail", "is_seen"),
    [
        pytest.param(along((0.5, 0.5), (0.5, 0.5), points=1), False, id="one point is no way"),
        pytest.param(along((0.5, 0.5), (0.5, 0.5), points=40), True, id="an object that stays"),
        pytest.param(along((0.9, 0.9), (1.0, 1.0), points=2), True, id="into the corner"),
    ],
)
@pytest.mark.parametrize("height_width", [(1, 1), (20, 30), (2160, 3840)])
def test_any_trail_on_any_picture(trail: NDArray[np.float32], is_seen: bool, height_width: tuple[int, int]) -> None:
    image = np.zeros((*height_width, 3), np.uint8)
    assert bool((draw_trails(image, tracks(n1=trail)) != 0).any()) == is_seen


def test_ids_are_in_the_labels_and_in_the_colours() -> None:
    one = detections((0.9, 0, [0.3, 0.3, 0.7, 0.7]))
    choices: list[list[int | None] | None] = [None, [4], [None]]
    plain, followed, waiting = (draw_detections(GREY, one, ("cat",), ids) for ids in choices)
    np.testing.assert_array_equal(plain, waiting)
    assert (followed == class_colour(4)).all(axis=2).sum() > 500
    assert (followed == class_colour(0)).all(axis=2).sum() == 0
    other = draw_detections(GREY, one, ("cat",), [14])
    assert (followed != other).any()

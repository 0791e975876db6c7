"""Zones and lines in pictures of any size."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.rules.event import Move, PlaceCount
from singleshot.runtime.sinks.places_overlay import count_lines, draw_places, write_counts

ZONE = PlaceCount(
    name="yard",
    kind="zone",
    points=((0.2, 0.4), (0.8, 0.4), (0.8, 0.9), (0.2, 0.9)),
    inside={"person": 2, "dog": 1},
    came_in={"person": 5, "dog": 1},
    went_out={"person": 3},
    longest_s=42.4,
)
LINE = PlaceCount(name="gate", kind="line", points=((0.5, 0.8), (0.5, 0.2)), came_in={"person": 12})


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        pytest.param(ZONE, ["yard: 1 dog, 2 person", "6 in, 3 out, longest 42 s"], id="a zone"),
        pytest.param(PlaceCount(name="yard", kind="zone"), ["yard: 0", "0 in, 0 out"], id="an empty one"),
        pytest.param(LINE, ["gate", "12 in, 0 out"], id="a line"),
    ],
)
def test_what_is_written(place: PlaceCount, lines: list[str]) -> None:
    assert count_lines(place) == lines


def drawn(height: int, width: int, *places: PlaceCount) -> np.ndarray:
    image = np.full((height, width, 3), 200, np.uint8)
    picture = draw_places(image, places)
    write_counts(picture, places)
    assert (image == 200).all()  # it is left as it is
    return picture


@pytest.mark.parametrize(("height", "width"), [(24, 32), (64, 64), (360, 640), (1080, 1920), (2160, 3840), (1, 1)])
def test_outlines_and_numbers_stand_in_pictures_of_any_size(height: int, width: int) -> None:
    picture = drawn(height, width, ZONE, LINE)
    assert picture.shape == (height, width, 3)
    on_the_edge = picture[round(0.9 * (height - 1)), round(0.5 * (width - 1))]
    assert not np.array_equal(on_the_edge, [200, 200, 200])
    if height >= 64:
        is_dimmed = (picture == 70).all(axis=2)  # 0.35 of 200
        assert is_dimmed.sum() > 0.002 * height * width


def test_arrow_shows_the_side_that_is_in() -> None:
    picture = drawn(360, 640, LINE)  # upwards, so that in is to the right
    changed = (picture != 200).any(axis=2)[170:190]
    assert changed[:, 325:340].any()
    assert not changed[:, 300:315].any()


def test_zone_with_somebody_in_it_and_line_that_is_crossed_are_red() -> None:
    def colours(place: PlaceCount) -> set[tuple[int, ...]]:
        return {tuple(pixel) for pixel in drawn(360, 640, place)[300, 60:600].tolist()}

    red, free = (80, 100, 255), (255, 220, 120)
    empty = PlaceCount(name="yard", kind="zone", points=ZONE.points)
    assert (red in colours(ZONE), free in colours(ZONE)) == (True, False)
    assert (red in colours(empty), free in colours(empty)) == (False, True)
    upright = ((0.5, 1.0), (0.5, 0.0))
    crossed = PlaceCount(name="g", kind="line", points=upright, moves=[Move(track_id=1, label="dog", way="in")])
    assert red in colours(crossed)


def test_numbers_of_places_at_one_point_stand_beside_each_other() -> None:
    """Each panel dims what is beneath; two on one another would dim it twice."""
    other = PlaceCount(name="lawn", kind="zone", points=ZONE.points[:3])
    picture = drawn(720, 1280, ZONE, other)
    assert not (picture == 24).all(axis=2).any()  # 0.35 of 0.35 of 200

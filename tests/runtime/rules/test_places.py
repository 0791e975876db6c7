"""Zones and lines: what is one, and what is said of what is none."""

from __future__ import annotations

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.rules.places import line_of, zone_of

SQUARE = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
U_SHAPE = [[0.1, 0.1], [0.3, 0.1], [0.3, 0.7], [0.7, 0.7], [0.7, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param(SQUARE[:2], "zone z: expected 3 corners or more, got 2.", id="two corners"),
        pytest.param([[0, 0], [640, 0], [640, 360]], "got [640.0, 0.0] as number 2. Divide pixels by", id="pixels"),
        pytest.param([[0, 0], [1, 0], [0.5, -0.1]], "got [0.5, -0.1] as number 3", id="out of the picture"),
        pytest.param([[0, 0], [1, float("nan")], [0, 1]], "got [1.0, nan] as number 2", id="no number"),
        pytest.param([[0, 0], [1, 1], [1, 0], [0, 1]], "got edge 1 and edge 3 that do. Give the", id="a bow tie"),
        pytest.param([*SQUARE, [0.5, 0.2]], "edge 1 and edge 4 that do", id="a corner on another edge"),
        pytest.param([[0.1, 0.1], [0.9, 0.1], [0.5, 0.1]], "edge 1 and edge 2 that do", id="all in one line"),
        pytest.param([*SQUARE, SQUARE[0]], "got [0.2, 0.2] twice in a row, from corner 5 on", id="closed by hand"),
        pytest.param([SQUARE[0], *SQUARE], "got [0.2, 0.2] twice in a row, from corner 1 on", id="a double click"),
        pytest.param([[0.1, 0.1], [0.11, 0.1], [0.1, 0.11]], "a ten-thousandth of the picture or more", id="a dot"),
        pytest.param([[0.1, 0.1, 0.2]], "expected each point as [x, y], got [0.1, 0.1, 0.2] as number 1.", id="three"),
    ],
)
def test_what_is_no_zone_is_refused(points: list[list[float]], message: str) -> None:
    with pytest.raises(InputError) as caught:
        zone_of("z", points)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param([[0.5, 0.5], [0.5, 0.5]], "line l: expected two points a hundredth of the picture", id="a point"),
        pytest.param(SQUARE[:3], "line l: expected 2 points, got 3.", id="three points"),
        pytest.param([[0, 0], [1, 1.01]], "line l: expected points within the picture", id="out of the picture"),
    ],
)
def test_what_is_no_line_is_refused(points: list[list[float]], message: str) -> None:
    with pytest.raises(InputError) as caught:
        line_of("l", points)
    assert message in str(caught.value)


def test_names_are_fit_for_topics_and_files() -> None:
    with pytest.raises(InputError, match=r"zone: expected a name of letters, digits, -, _ and \., got 'a/b'"):
        zone_of("a/b", SQUARE)


@pytest.mark.parametrize(
    ("corners", "point", "is_inside"),
    [
        pytest.param(SQUARE, (0.5, 0.5), True, id="in the middle"),
        pytest.param(SQUARE, (0.1, 0.5), False, id="to the left"),
        pytest.param(SQUARE[::-1], (0.5, 0.5), True, id="corners the other way round"),
        pytest.param(U_SHAPE, (0.5, 0.3), False, id="between the arms of a U"),
        pytest.param(U_SHAPE, (0.2, 0.3), True, id="in an arm"),
        pytest.param(U_SHAPE, (0.5, 0.8), True, id="in its foot"),
        pytest.param([[0, 0], [1, 0], [1, 1], [0, 1]], (0.5, 0.999), True, id="the whole picture"),
    ],
)
def test_zone_contains(corners: list[list[float]], point: tuple[float, float], is_inside: bool) -> None:
    assert zone_of("z", corners).contains(*point) is is_inside

"""Places in a camera's picture: zones and lines, in fractions of its width and height."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ..errors import InputError

Point = tuple[float, float]
"""x and y: (0, 0) is the upper left corner of the picture, (1, 1) the lower right one."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LEAST_LENGTH = 0.01
"""Of a line, in pictures: a shorter one is a slip of the mouse."""
_LEAST_AREA = 1e-4
_EPS = 1e-9


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A polygon.

    Args:
        name: of letters, digits, -, _ and .
        corners: three or more, in their order around it, the first one once; within the picture.

    Raises:
        InputError: it is none.
    """

    name: str
    corners: tuple[Point, ...]

    def __post_init__(self) -> None:
        check_name("zone", self.name)
        if len(self.corners) < 3:
            raise InputError(f"zone {self.name}: expected 3 corners or more, got {len(self.corners)}.")
        _check_inside(f"zone {self.name}", self.corners)
        for (number, corner), (_, other) in pairwise([*enumerate(self.corners, 1), (1, self.corners[0])]):
            if corner == other:
                raise InputError(
                    f"zone {self.name}: expected corners that differ, got {list(corner)} twice in a row, from corner "
                    f"{number} on. Leave one out; the last corner is joined to the first."
                )
        edges = list(self.edges)
        for (first, one), (second, two) in combinations(enumerate(edges, 1), 2):
            is_next = second == first + 1 or (first == 1 and second == len(edges))
            if _folds_back(one, two) if is_next else _meet(one, two):
                raise InputError(
                    f"zone {self.name}: expected edges that do not cross or touch, got edge {first} and edge {second} "
                    f"that do. Give the corners in their order around the zone."
                )
        if abs(_area(self.corners)) < _LEAST_AREA:
            raise InputError(f"zone {self.name}: expected a ten-thousandth of the picture or more, got less.")

    @property
    def edges(self) -> Iterator[tuple[Point, Point]]:
        """From each corner to the next, and from the last to the first."""
        return pairwise([*self.corners, self.corners[0]])

    def contains(self, x: float, y: float) -> bool:
        """Whether a point is within."""
        is_inside = False
        x1, y1 = self.corners[-1]
        for x2, y2 in self.corners:
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                is_inside = not is_inside
            x1, y1 = x2, y2
        return is_inside


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that is crossed.

    Args:
        name: of letters, digits, -, _ and .
        start: within the picture.
        end: the same. To the right hand of who walks from start to end is `in`.

    Raises:
        InputError: it is none.
    """

    name: str
    start: Point
    end: Point

    def __post_init__(self) -> None:
        check_name("line", self.name)
        _check_inside(f"line {self.name}", (self.start, self.end))
        if math.dist(self.start, self.end) < _LEAST_LENGTH:
            raise InputError(
                f"line {self.name}: expected two points a hundredth of the picture or more apart, "
                f"got {list(self.start)} and {list(self.end)}."
            )


Place = Zone | Line


def zone_of(name: str, points: Sequence[Sequence[float]]) -> Zone:
    """Make a zone of the points of a file.

    Raises:
        InputError: they are none.
    """
    return Zone(name=name, corners=_pairs(f"zone {name}", points))


def line_of(name: str, points: Sequence[Sequence[float]]) -> Line:
    """Make a line of the points of a file.

    Raises:
        InputError: they are none.
    """
    pairs = _pairs(f"line {name}", points)
    if len(pairs) != 2:
        raise InputError(f"line {name}: expected 2 points, got {len(pairs)}.")
    return Line(name=name, start=pairs[0], end=pairs[1])


def _pairs(what: str, points: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    for number, point in enumerate(points, 1):
        if len(point) != 2:
            raise InputError(f"{what}: expected each point as [x, y], got {list(point)} as number {number}.")
    return tuple((float(point[0]), float(point[1])) for point in points)


def check_name(kind: str, name: str) -> None:
    """Refuse a name that is not fit for pictures, topics and files.

    Raises:
        InputError: it is not.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{kind}: expected a name of letters, digits, -, _ and ., got {name!r}.")


def _check_inside(what: str, points: Sequence[Point]) -> None:
    for number, point in enumerate(points, 1):
        if not all(0 <= value <= 1 for value in point):
            raise InputError(
                f"{what}: expected points within the picture, from [0, 0] to [1, 1], got {list(point)} as number "
                f"{number}. Divide pixels by the picture's width and height."
            )


def _area(corners: Sequence[Point]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*corners, corners[0]])) / 2


def _turn(start: Point, end: Point, point: Point) -> float:
    """Above 0 where the point is to the right hand of who walks from start to end."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _folds_back(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether two edges that share a corner lie on one another."""
    shared, before, after = (one[1], one[0], two[1]) if one[1] == two[0] else (one[0], one[1], two[0])
    ways = [(point[0] - shared[0], point[1] - shared[1]) for point in (before, after)]
    is_along = ways[0][0] * ways[1][0] + ways[0][1] * ways[1][1] > 0
    return is_along and abs(_turn(before, shared, after)) < _EPS


def _meet(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether two edges have a point in common."""
    if _are_apart(one, two):
        return False
    ends = (_turn(*one, two[0]), _turn(*one, two[1]), _turn(*two, one[0]), _turn(*two, one[1]))
    return ends[0] * ends[1] <= _EPS**2 and ends[2] * ends[3] <= _EPS**2


def _are_apart(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether the upright rectangles around two edges have nothing in common."""
    return any(
        max(one[0][axis], one[1][axis]) < min(two[0][axis], two[1][axis])
        or max(two[0][axis], two[1][axis]) < min(one[0][axis], one[1][axis])
        for axis in (0, 1)
    )

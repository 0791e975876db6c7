"""Who is in a zone, and who crosses a line; counted so that what flickers at the border counts once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .event import Move, PlaceCount, Way
from .followed import Followed, Side, Stay
from .places import Line, Point, Zone

MARGIN = 0.05
"""An object has changed sides when it is so far beyond the border, in sizes of its box: a detector's boxes tremble by
two or three hundredths of their size."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """An object that came in or went out in this frame; of a zone with its stay there."""

    one: Followed
    way: Way
    stay: Stay | None = None


class _Counts:
    """Those that came in and went out, by class."""

    def __init__(self) -> None:
        self.came_in: Counter[str] = Counter()
        self.went_out: Counter[str] = Counter()
        self.changes: list[Change] = []

    def add(self, one: Followed, way: Way, stay: Stay | None = None) -> None:
        """Count a change of this frame."""
        (self.came_in if way == "in" else self.went_out)[one.label] += 1
        self.changes.append(Change(one=one, way=way, stay=stay))

    @property
    def moves(self) -> list[Move]:
        """The changes of this frame as values."""
        return [Move(track_id=each.one.track_id, label=each.one.label, way=each.way) for each in self.changes]


class ZoneWatch:
    """Who is in a zone.

    Args:
        name: of the zone; empty of the whole picture.
        zone: none is the whole picture, in which is whoever is known.
    """

    def __init__(self, name: str, zone: Zone | None) -> None:
        self.name = name
        self.zone = zone
        self.counts = _Counts()
        xs, ys = zip(*zone.corners, strict=True) if zone is not None else ((0.0, 1.0), (0.0, 1.0))
        self._left, self._right, self._top, self._bottom = min(xs), max(xs), min(ys), max(ys)

    @property
    def changes(self) -> Sequence[Change]:
        """Of the last frame."""
        return self.counts.changes

    def contains(self, foot: Point) -> bool:
        """Whether a point is in it."""
        if self.zone is None:
            return True
        is_near = self._left <= foot[0] <= self._right and self._top <= foot[1] <= self._bottom
        return is_near and self.zone.contains(*foot)

    def update(self, known: Sequence[Followed], gone: Sequence[Followed], now_s: float) -> None:
        """Take a frame: an object that is gone has left."""
        self.counts.changes = []
        for one in known:
            if one.seen_s == now_s:
                self._move(one, now_s)
        for one in gone:
            self._leave(one)

    def count(self, known: Sequence[Followed], now_s: float) -> PlaceCount:
        """Give what is counted until now."""
        stays = {one.track_id: now_s - one.stays[self.name].since_s for one in known if self.name in one.stays}
        return PlaceCount(
            name=self.name,
            kind="zone",
            points=self.zone.corners if self.zone is not None else (),
            inside=Counter(one.label for one in known if self.name in one.stays),
            came_in=dict(self.counts.came_in),
            went_out=dict(self.counts.went_out),
            longest_s=max(stays.values(), default=0.0),
            stays=stays,
            moves=self.counts.moves,
        )

    def _move(self, one: Followed, now_s: float) -> None:
        is_inside = self.contains(one.foot)
        if self.name in one.stays:
            if not is_inside and _depth(self.zone, one.foot, one.size) >= MARGIN:
                self._leave(one)
        elif is_inside:
            if one.before is None or self.zone is None or _depth(self.zone, one.foot, one.size) >= MARGIN:
                self._enter(one, now_s)
        elif one.before is not None and self._was_jumped(one, one.before):
            self._enter(one, now_s)
            self._leave(one)

    def _enter(self, one: Followed, now_s: float) -> None:
        one.stays[self.name] = Stay(since_s=now_s)
        self.counts.add(one, "in", one.stays[self.name])

    def _leave(self, one: Followed) -> None:
        stay = one.stays.pop(self.name, None)
        if stay is not None:
            self.counts.add(one, "out", stay)

    def _was_jumped(self, one: Followed, before: Point) -> bool:
        """Whether the straight way from the frame before led through the zone, and not only along its border."""
        (x1, y1), (x2, y2) = before, one.foot
        is_near = max(x1, x2) > self._left and min(x1, x2) < self._right
        if self.zone is None or not is_near or max(y1, y2) < self._top or min(y1, y2) > self._bottom:
            return False
        ways = sorted(way for edge in self.zone.edges if (way := _meets_at(before, one.foot, edge)) is not None)
        middles = [(first + second) / 2 for first, second in pairwise(ways)]
        points = [_between(before, one.foot, middle) for middle in middles]
        return any(self.zone.contains(*point) and _depth(self.zone, point, one.size) >= MARGIN for point in points)


class LineWatch:
    """Who crosses a line.

    Args:
        line: between its ends it is crossed, beyond them it is passed by.
    """

    def __init__(self, line: Line) -> None:
        self.name = line.name
        self.line = line
        self.counts = _Counts()
        (x1, y1), (x2, y2) = line.start, line.end
        self._along = (x2 - x1, y2 - y1)

    @property
    def changes(self) -> Sequence[Change]:
        """Of the last frame."""
        return self.counts.changes

    def update(self, known: Sequence[Followed], gone: Sequence[Followed], now_s: float) -> None:
        """Take a frame: an object that is gone has crossed if it was beyond the line at last, however little."""
        self.counts.changes = []
        for one in known:
            if one.seen_s == now_s:
                self._move(one)
        for one in gone:
            side = one.sides.get(self.name)
            if side is not None:
                self._settle(one, side)

    def count(self) -> PlaceCount:
        """Give what is counted until now."""
        return PlaceCount(
            name=self.name,
            kind="line",
            points=(self.line.start, self.line.end),
            came_in=dict(self.counts.came_in),
            went_out=dict(self.counts.went_out),
            moves=self.counts.moves,
        )

    def _move(self, one: Followed) -> None:
        before, turn = one.before or one.foot, self._turn(one.foot)
        side = one.sides.get(self.name)
        if side is None or side.settled == 0:
            begins = _sign(self._turn(before))
            side = one.sides[self.name] = Side(settled=begins, now=begins)
        if (now := _sign(turn)) not in (0, side.now) and side.settled != 0:
            side.now, side.passed = now, self._is_between_ends(before, one.foot)
        across = abs(self._along[1]) * one.size[0] + abs(self._along[0]) * one.size[1]
        if abs(turn) >= MARGIN * across:
            self._settle(one, side)

    def _settle(self, one: Followed, side: Side) -> None:
        if side.now != side.settled:
            side.settled = side.now
            if side.passed:
                self.counts.add(one, "in" if side.now > 0 else "out")

    def _turn(self, point: Point) -> float:
        """Above 0 to the right hand of who walks along the line; times the line's length it is the distance."""
        x, y = self.line.start
        return self._along[0] * (point[1] - y) - self._along[1] * (point[0] - x)

    def _is_between_ends(self, before: Point, after: Point) -> bool:
        one, other = self._turn(before), self._turn(after)
        x, y = _between(before, after, one / (one - other))
        start_x, start_y = self.line.start
        along = self._along[0] * (x - start_x) + self._along[1] * (y - start_y)
        return 0 <= along <= self._along[0] ** 2 + self._along[1] ** 2


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _depth(zone: Zone | None, point: Point, size: tuple[float, float]) -> float:
    """Give the distance from a point to the nearest edge, in sizes of a box."""
    if zone is None:
        return math.inf
    x, y = point
    width, height = size
    nearest = math.inf
    for (x1, y1), (x2, y2) in zone.edges:
        ax, ay, bx, by = (x1 - x) / width, (y1 - y) / height, (x2 - x1) / width, (y2 - y1) / height
        share = min(1.0, max(0.0, -(ax * bx + ay * by) / (bx * bx + by * by)))
        nearest = min(nearest, math.hypot(ax + share * bx, ay + share * by))
    return nearest


def _meets_at(start: Point, end: Point, edge: tuple[Point, Point]) -> float | None:
    """Give the share of a way after which it meets an edge; none where it does not."""
    way = end[0] - start[0], end[1] - start[1]
    along = edge[1][0] - edge[0][0], edge[1][1] - edge[0][1]
    turn = way[0] * along[1] - way[1] * along[0]
    if turn == 0:
        return None
    to_edge = edge[0][0] - start[0], edge[0][1] - start[1]
    share = (to_edge[0] * along[1] - to_edge[1] * along[0]) / turn
    share_of_edge = (to_edge[0] * way[1] - to_edge[1] * way[0]) / turn
    return share if 0 <= share <= 1 and 0 <= share_of_edge <= 1 else None

"""Objects over time: what is known of each, also while it is not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .event import BoxXyxy
from .places import Point

ROUNDING_S = 1e-6
"""Times are sums of steps."""

_INSIDE = 1 - 1e-6
"""The lower right end of the picture belongs to it: there stand the objects that it cuts off."""

_NEAR = 0.5
"""Diagonals of its box within which an object that was lost is looked for under another number, along the way that it
would have gone."""

_STEADY_S = 0.5
"""The time over which its speed is measured."""

_ALIKE = 2.0
"""The size of its box may have changed so much meanwhile, up or down."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An object in one frame.

    Args:
        label: its class.
        score: of that class.
        box_xyxy: normalised to the frame.
        track_id: the same from frame to frame; -1 where it is not followed.
    """

    label: str
    score: float
    box_xyxy: BoxXyxy
    track_id: int = -1

    @property
    def foot(self) -> Point:
        """Where it is: the middle of its box's lower edge, where people and cars stand on the ground."""
        left, _, right, bottom = self.box_xyxy
        return min((left + right) / 2, _INSIDE), min(bottom, _INSIDE)


@dataclass(kw_only=True)
class Stay:
    """Something that lasts: an object in a zone, so many of them, none of them.

    Args:
        since_s: watched time.
        told: the rules that have dealt with it.
    """

    since_s: float
    told: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Side:
    """On which side of a line an object is: -1, or 1 to the right hand of who walks along it.

    Args:
        settled: for sure; 0 before anything is known.
        now: in the last frame.
        passed: whether it got there between the line's ends.
    """

    settled: int
    now: int
    passed: bool = False


class Followed:
    """One object.

    Args:
        seen: where it is seen first.
        now_s: watched time.
    """

    def __init__(self, seen: Seen, now_s: float) -> None:
        self.stays: dict[str, Stay] = {}
        self.sides: dict[str, Side] = {}
        self.before: Point | None = None
        self._first_s = now_s
        self._speed: Point = (0.0, 0.0)
        self._set(seen, now_s)

    def update(self, seen: Seen, now_s: float) -> None:
        """Take where it is now."""
        self.before, step_s = self.foot, now_s - self.seen_s
        self._set(seen, now_s)
        if step_s > 0:
            share = step_s / min(_STEADY_S, now_s - self._first_s)
            speed = [(new - old) / step_s for new, old in zip(self.foot, self.before, strict=True)]
            x, y = (old + min(1.0, share) * (new - old) for new, old in zip(speed, self._speed, strict=True))
            self._speed = x, y

    def continues(self, seen: Seen, now_s: float) -> bool:
        """Whether what is seen may be this one under another number."""
        width, height = self.size
        other_width, other_height = _size(seen.box_xyxy)
        ratio = (width * height) / (other_width * other_height)
        if seen.label != self.label or not 1 / _ALIKE <= ratio <= _ALIKE:
            return False
        return self.distance(seen.foot, now_s) <= _NEAR * math.hypot(width, height)

    def distance(self, point: Point, now_s: float) -> float:
        """Give the distance of a point to the way that it would have gone since it was seen last."""
        (x, y), (speed_x, speed_y) = self.foot, self._speed
        way_x, way_y = speed_x * (now_s - self.seen_s), speed_y * (now_s - self.seen_s)
        length = way_x**2 + way_y**2
        share = ((point[0] - x) * way_x + (point[1] - y) * way_y) / length if length > 0 else 0.0
        share = min(1.0, max(0.0, share))
        return math.dist(point, (x + share * way_x, y + share * way_y))

    def _set(self, seen: Seen, now_s: float) -> None:
        self.track_id, self.label, self.score, self.box_xyxy = seen.track_id, seen.label, seen.score, seen.box_xyxy
        self.foot, self.size, self.seen_s = seen.foot, _size(seen.box_xyxy), now_s


class Objects:
    """The objects of one camera."""

    def __init__(self) -> None:
        self._known: dict[int, Followed] = {}
        self._unnamed: list[Followed] = []

    @property
    def known(self) -> list[Followed]:
        """Those that are there, also the ones that are not seen at this moment."""
        return list(self._known.values())

    def update(self, seen: Sequence[Seen], now_s: float, *, memory_s: float) -> list[Followed]:
        """Take what is followed in a frame, and give those that are gone.

        An object that was lost goes on under the number of a new one of its class and size near to its way; so does one
        that had no number in the frame before.

        Args:
            seen: in the frame.
            now_s: watched time.
            memory_s: an object that was not seen for longer is gone.
        """
        new = []
        for one in seen:
            if one.track_id in self._known:
                self._known[one.track_id].update(one, now_s)
            elif one.track_id >= 0:
                new.append(one)
        for one in new:
            self._name(one, now_s)
        self._unnamed = [Followed(one, now_s) for one in seen if one.track_id < 0]
        gone = [known for known in self._known.values() if now_s - known.seen_s > memory_s + ROUNDING_S]
        for known in gone:
            del self._known[known.track_id]
        return gone

    def _name(self, one: Seen, now_s: float) -> None:
        """Take an object that is seen under its number for the first time."""
        lost = [known for known in self._known.values() if known.seen_s < now_s and known.continues(one, now_s)]
        fitting = lost or [known for known in self._unnamed if known.continues(one, now_s)]
        if not fitting:
            self._known[one.track_id] = Followed(one, now_s)
            return
        nearest = min(fitting, key=lambda known: known.distance(one.foot, now_s))
        if lost:
            del self._known[nearest.track_id]
        else:
            self._unnamed.remove(nearest)
        nearest.update(one, now_s)
        self._known[one.track_id] = nearest


def _size(box: BoxXyxy) -> tuple[float, float]:
    return max(box[2] - box[0], 1e-6), max(box[3] - box[1], 1e-6)

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
"""Diagonals of its box within which an object that was lost is looked for under another number."""

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
        self._set(seen, now_s)

    def update(self, seen: Seen, now_s: float) -> None:
        """Take where it is now."""
        self.before = self.foot
        self._set(seen, now_s)

    def continues(self, seen: Seen) -> bool:
        """Whether what is seen may be this one under another number."""
        width, height = self.size
        other_width, other_height = _size(seen.box_xyxy)
        ratio = (width * height) / (other_width * other_height)
        return (
            seen.label == self.label
            and 1 / _ALIKE <= ratio <= _ALIKE
            and math.dist(self.foot, seen.foot) <= _NEAR * math.hypot(width, height)
        )

    def _set(self, seen: Seen, now_s: float) -> None:
        self.track_id, self.label, self.score, self.box_xyxy = seen.track_id, seen.label, seen.score, seen.box_xyxy
        self.foot, self.size, self.seen_s = seen.foot, _size(seen.box_xyxy), now_s


class Objects:
    """The objects of one camera."""

    def __init__(self) -> None:
        self._known: dict[int, Followed] = {}

    @property
    def known(self) -> list[Followed]:
        """Those that are there, also the ones that are not seen at this moment."""
        return list(self._known.values())

    def update(self, seen: Sequence[Seen], now_s: float, *, memory_s: float) -> list[Followed]:
        """Take what is followed in a frame, and give those that are gone.

        An object that was lost goes on under the number of a new one of its class and size near to where it was.

        Args:
            seen: in the frame; those without a number are passed over.
            now_s: watched time.
            memory_s: an object that was not seen for longer is gone.
        """
        new = []
        for one in seen:
            if one.track_id < 0:
                continue
            if one.track_id in self._known:
                self._known[one.track_id].update(one, now_s)
            else:
                new.append(one)
        for one in new:
            lost = [known for known in self._known.values() if known.seen_s < now_s and known.continues(one)]
            if lost:
                nearest = min(lost, key=lambda known: math.dist(known.foot, one.foot))
                del self._known[nearest.track_id]
                nearest.update(one, now_s)
                self._known[one.track_id] = nearest
            else:
                self._known[one.track_id] = Followed(one, now_s)
        gone = [known for known in self._known.values() if now_s - known.seen_s > memory_s + ROUNDING_S]
        for known in gone:
            del self._known[known.track_id]
        return gone


def _size(box: BoxXyxy) -> tuple[float, float]:
    return max(box[2] - box[0], 1e-6), max(box[3] - box[1], 1e-6)

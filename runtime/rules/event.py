"""What happened, and what is counted: values for pictures, lines and whoever is told."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from .places import Point

Kind = Literal["enters", "leaves", "crosses", "stays", "absent"]
"""When a rule fires."""

Way = Literal["in", "out"]
"""How a line is crossed: `in` is to the right hand of who walks from its first point to its second."""

BoxXyxy = tuple[float, float, float, float]
"""Normalised to the frame."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A rule that fired.

    Args:
        id: sorts by time, and is no other's; fit for a file's name.
        rule: by its name.
        kind: of the rule.
        camera: by its name.
        at: when the frame was taken, on the wall clock, with its zone.
        time_s: of the frame, seconds since the source's first.
        place: a zone's or line's name; empty of the whole picture.
        label: class of the object; of `absent` the classes that are, empty where it is every class.
        score: of the object in this frame or, where it is not seen in it, in its last; none of `absent`.
        track_id: of the object; none of `absent`.
        box_xyxy: of the object, as its score.
        count: matching objects that are in the place now; of a line those that crossed it this way so far.
        way: a line was crossed; none of other kinds.
        stayed_s: for how long the object was in the place, of `leaves` and `stays`; for how long none was, of `absent`.
    """

    id: str
    rule: str
    kind: Kind
    camera: str
    at: datetime
    time_s: float
    place: str = ""
    label: str = ""
    score: float | None = None
    track_id: int | None = None
    box_xyxy: BoxXyxy | None = None
    count: int = 0
    way: Way | None = None
    stayed_s: float | None = None

    @property
    def line(self) -> str:
        """The event for people to read: `door, 512.4 s: visitor: person stays step for 10 s, track 7`."""
        words = [self.label or "anything", self.kind, self.place, self.way or ""]
        if self.stayed_s is not None:
            words.append(f"{'after' if self.kind == 'leaves' else 'for'} {round(self.stayed_s, 1):g} s")
        track = "" if self.track_id is None else f", track {self.track_id}"
        return f"{self.camera}, {self.time_s:.1f} s: {self.rule}: {' '.join(filter(None, words))}{track}"


@dataclass(frozen=True, kw_only=True)
class Move:
    """An object that came into a zone or went out of it, or crossed a line."""

    track_id: int
    label: str
    way: Way


@dataclass(frozen=True, kw_only=True)
class PlaceCount:
    """What is counted at a zone or a line, up to a frame.

    Args:
        name: of the place.
        kind: zone or line.
        points: corners of the zone, or the line's start and end; fractions of the picture.
        inside: objects in the zone now, by class; empty of a line.
        came_in: how often one came into the zone, or crossed the line inwards, by class.
        went_out: the same outwards.
        longest_s: seconds for which the one that is in the zone longest has been there; 0 without one.
        stays: seconds for which each has been there, by track.
        moves: of this frame alone.
    """

    name: str
    kind: Literal["zone", "line"]
    points: tuple[Point, ...] = ()
    inside: Mapping[str, int] = field(default_factory=dict)
    came_in: Mapping[str, int] = field(default_factory=dict)
    went_out: Mapping[str, int] = field(default_factory=dict)
    longest_s: float = 0.0
    stays: Mapping[int, float] = field(default_factory=dict)
    moves: Sequence[Move] = ()


def event_id(at: datetime) -> str:
    """Make an id that sorts by time: `20261130T120000123Z-1f6a09c2`."""
    utc = at.astimezone(timezone.utc)
    return f"{utc:%Y%m%dT%H%M%S}{utc.microsecond // 1000:03d}Z-{secrets.token_hex(4)}"


def event_json(event: Event) -> dict[str, Any]:
    """Put an event into plain values, as lines and messages have it; what there is nothing to say of is left out."""
    values = {
        "id": event.id,
        "rule": event.rule,
        "kind": event.kind,
        "camera": event.camera,
        "at": event.at.isoformat(timespec="milliseconds"),
        "time_s": round(event.time_s, 6),
        "place": event.place,
        "label": event.label,
        "score": None if event.score is None else round(event.score, 4),
        "track_id": event.track_id,
        "box_xyxy": None if event.box_xyxy is None else [round(value, 5) for value in event.box_xyxy],
        "count": event.count,
        "way": event.way,
        "stayed_s": None if event.stayed_s is None else round(event.stayed_s, 3),
    }
    return {key: value for key, value in values.items() if value is not None}


def place_json(place: PlaceCount) -> dict[str, Any]:
    """Put what is counted at a place into plain values, as lines and messages have it."""
    values: dict[str, Any] = {"name": place.name, "kind": place.kind}
    if place.kind == "zone":
        values |= {
            "inside": dict(place.inside),
            "longest_s": round(place.longest_s, 3),
            "stays": {str(track_id): round(stay_s, 3) for track_id, stay_s in place.stays.items()},
        }
    values |= {"came_in": dict(place.came_in), "went_out": dict(place.went_out)}
    if place.moves:
        values["moves"] = [{"track_id": move.track_id, "label": move.label, "way": move.way} for move in place.moves]
    return values

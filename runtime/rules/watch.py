"""Watches one camera: who is where, and which rules fire."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import InputError
from .event import Event, PlaceCount
from .followed import Followed, Objects, Seen
from .place_watch import LineWatch, ZoneWatch
from .places import Line, Place, Zone
from .rule import Rule
from .rule_watch import Moment, RuleWatch
from .watched_time import WatchedTime

_MEMORY_S = 2.0
_MEMORY_INTERVALS = 3
"""An object that is not seen for so long, and for so many frames, is gone."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a frame came to."""

    places: tuple[PlaceCount, ...] = ()
    events: tuple[Event, ...] = ()


class Watch:
    """Counts at a camera's places and says what happens by its rules; from any thread.

    Time is the frames' own, so that a file is watched as a camera is. Where the picture was lost, time stands still for
    all that lasts.

    Args:
        camera: by its name.
        places: names are of one only.
        rules: of this camera.

    Raises:
        InputError: a rule's place is not there or not of its kind, or a name stands twice.
    """

    def __init__(self, camera: str, places: Sequence[Place] = (), rules: Sequence[Rule] = ()) -> None:
        self.camera = camera
        self._lock = threading.Lock()
        self._time = WatchedTime()
        self._objects = Objects()
        self._whole = ZoneWatch("", None)
        self._zones: dict[str, ZoneWatch] = {}
        self._lines: dict[str, LineWatch] = {}
        self._rules: list[RuleWatch] = []
        self._places: tuple[Place, ...] = ()
        self.replace(places, rules)

    @property
    def places(self) -> tuple[Place, ...]:
        """Zones and lines, in their order."""
        return self._places

    @property
    def rules(self) -> tuple[Rule, ...]:
        """In their order."""
        return tuple(watch.rule for watch in self._rules)

    def look(self, seen: Sequence[Seen], *, time_s: float, at: datetime) -> Look:
        """Take a frame.

        Args:
            seen: what is found in it.
            time_s: of the frame, from any beginning; what came before its last one counts as the same moment.
            at: the same on the wall clock, with a zone.
        """
        with self._lock:
            self._time.advance(time_s)
            now_s = self._time.now_s
            memory_s = max(_MEMORY_S, _MEMORY_INTERVALS * self._time.interval_s)
            gone = self._objects.update(seen, now_s, memory_s=memory_s)
            known = self._objects.known
            watches: list[ZoneWatch | LineWatch] = [*self._zones.values(), *self._lines.values()]
            for watch in watches:
                watch.update(known, gone, now_s)
            moment = Moment(
                camera=self.camera,
                seen=seen,
                known=known,
                zones=self._zones,
                lines=self._lines,
                at=at,
                time_s=time_s,
                now_s=now_s,
                elapsed_s=self._time.elapsed_s,
            )
            events = [event for rule in self._rules for event in rule.look(moment)]
            counts = [
                self._lines[place.name].count()
                if isinstance(place, Line)
                else self._zones[place.name].count(known, now_s)
                for place in self._places
            ]
            return Look(places=tuple(counts), events=tuple(events))

    def replace_places(self, places: Sequence[Place]) -> None:
        """Go on with other zones and lines; those that stay as they are keep their counts, others begin anew.

        Raises:
            InputError: a rule's place would be gone, or a name stands twice; nothing was changed.
        """
        self.replace(places, self.rules)

    def replace(self, places: Sequence[Place], rules: Sequence[Rule]) -> None:
        """Go on with other places and rules; what stays as it is keeps its counts and what it has told.

        Raises:
            InputError: as for a new one; nothing was changed.
        """
        check_places(places)
        for rule in rules:
            check_place_of(rule, places)
        with self._lock:
            kept = {place.name for place in places if place in self._places}
            told = {watch.rule: watch for watch in self._rules}
            self._zones = {
                zone.name: self._zones[zone.name] if zone.name in kept else ZoneWatch(zone.name, zone)
                for zone in places
                if isinstance(zone, Zone)
            }
            for one in self._objects.known:
                self._go_on(one, kept)
            if any(not rule.place for rule in rules):
                self._zones[""] = self._whole
            self._lines = {
                line.name: self._lines[line.name] if line.name in kept else LineWatch(line)
                for line in places
                if isinstance(line, Line)
            }
            self._places = tuple(places)
            self._rules = [told.get(rule) or RuleWatch(rule) for rule in rules]

    def _go_on(self, one: Followed, kept: set[str]) -> None:
        """Let an object be where it was; who is in a zone before and after it was moved does not enter it again."""
        one.sides = {name: side for name, side in one.sides.items() if name in kept}
        for name in [name for name in one.stays if name and name not in kept]:
            zone = self._zones.get(name)
            if zone is not None and zone.contains(one.foot):
                zone.counts.came_in[one.label] += 1
            else:
                del one.stays[name]


def check_places(places: Sequence[Place]) -> None:
    """Refuse a name that stands twice.

    Raises:
        InputError: it does.
    """
    names = [place.name for place in places]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name}: expected one zone or line of this name, got {names.count(name)}. Rename one.")


def check_place_of(rule: Rule, places: Sequence[Place]) -> None:
    """Refuse a rule whose place is not there, or not of its kind.

    Raises:
        InputError: it is so.
    """
    wanted, other, kind = (Line, "zone", "line") if rule.kind == "crosses" else (Zone, "line", "zone")
    fitting = [place.name for place in places if isinstance(place, wanted)]
    if rule.place in fitting or (not rule.place and wanted is Zone):
        return
    got = f"the {other} {rule.place}" if rule.place in [place.name for place in places] else (rule.place or "none")
    if not fitting:
        raise InputError(
            f"rule {rule.name}: expected a {kind} for what {rule.kind}, got {got}; the camera has no {kind}. Give it "
            f"one, or draw it first."
        )
    raise InputError(
        f"rule {rule.name}: expected a {kind} as the place of what {rule.kind}, one of {', '.join(fitting)}, got "
        f"{got}. Name it, or draw it first."
    )

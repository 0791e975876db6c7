"""Whether a rule fires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .event import Event, Way, event_id
from .followed import ROUNDING_S, Followed, Seen, Stay
from .place_watch import LineWatch, ZoneWatch
from .rule import Rule


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What rules look at.

    Args:
        camera: by its name.
        seen: all that is found in the frame, also what is not followed.
        known: objects, also those that are not seen at this moment.
        zones: by name, the whole picture's is empty.
        lines: by name.
        at: the wall clock of the frame.
        time_s: of the frame.
        now_s: watched time.
        elapsed_s: since the first frame.
    """

    camera: str
    seen: Sequence[Seen]
    known: Sequence[Followed]
    zones: Mapping[str, ZoneWatch]
    lines: Mapping[str, LineWatch]
    at: datetime
    time_s: float
    now_s: float
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class _Due:
    """An event, if the hours and the cool-down allow it."""

    count: int
    one: Followed | None = None
    stay: Stay | None = None
    way: Way | None = None


class RuleWatch:
    """One rule at one camera.

    Args:
        rule: its place is there.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._lasts: Stay | None = None
        self._fired_s: float | None = None

    def look(self, moment: Moment) -> list[Event]:
        """Say what happened in a frame.

        What happens outside of the hours or within the cool-down is passed over; what lasts (`stays`, `absent`) is told
        when they are over, if it still does.
        """
        events = []
        for due in list(self._due(moment)):
            fires = self._may_fire(moment)
            if due.stay is not None and (fires or self.rule.kind not in ("stays", "absent")):
                due.stay.told.add(self.rule.name)
            if fires:
                self._fired_s = moment.elapsed_s
                events.append(self._event(due, moment))
        return events

    def _due(self, moment: Moment) -> Iterator[_Due]:
        if self.rule.kind == "crosses":
            return self._crossings(moment)
        if self.rule.kind == "absent" or self.rule.at_least is not None:
            return self._by_count(moment)
        return self._by_object(moment)

    def _may_fire(self, moment: Moment) -> bool:
        if self._fired_s is not None and moment.elapsed_s - self._fired_s < self.rule.cool_down_s:
            return False
        return self.rule.hours is None or self.rule.hours.contains(moment.at)

    def _crossings(self, moment: Moment) -> Iterator[_Due]:
        line = moment.lines[self.rule.place]
        for change in line.changes:
            if self.rule.is_about(change.one.label) and self.rule.way in (None, change.way):
                crossed = line.counts.came_in if change.way == "in" else line.counts.went_out
                count = sum(number for label, number in crossed.items() if self.rule.is_about(label))
                yield _Due(count=count, one=change.one, way=change.way)

    def _by_object(self, moment: Moment) -> Iterator[_Due]:
        zone = moment.zones[self.rule.place]
        count = len(self._members(moment))
        for change in zone.changes:
            if change.way == "out" and self.rule.is_about(change.one.label):
                # Who jumped over the zone came and went between two frames.
                came = self.rule.kind == "enters" and self._is_due(change.stay, moment)
                if came or self.rule.kind == "leaves":
                    yield _Due(count=count, one=change.one, stay=change.stay)
        if self.rule.kind == "leaves":
            return
        for one in self._members(moment):
            stay = one.stays[self.rule.place]
            if one.seen_s == moment.now_s and self._is_due(stay, moment):
                yield _Due(count=count, one=one, stay=stay)

    def _by_count(self, moment: Moment) -> Iterator[_Due]:
        members = self._members(moment)
        is_absent = self.rule.kind == "absent"
        count = max(len(members), self._found(moment)) if is_absent else len(members)
        holds = (count >= (self.rule.at_least or 1)) != is_absent
        ended, begins = self._lasts if not holds else None, holds and self._lasts is None
        if begins:
            self._lasts = Stay(since_s=moment.now_s)
        elif not holds:
            self._lasts = None
        if self.rule.kind == "leaves":
            if ended is not None:
                left = [change for change in moment.zones[self.rule.place].changes if change.way == "out"]
                yield _Due(count=count, one=left[-1].one if left else None, stay=ended)
        elif self._lasts is not None and self._is_due(self._lasts, moment):
            newest = max(members, key=lambda one: one.stays[self.rule.place].since_s, default=None)
            yield _Due(count=count, one=None if is_absent else newest, stay=self._lasts)

    def _is_due(self, stay: Stay | None, moment: Moment) -> bool:
        if stay is None or self.rule.name in stay.told:
            return False
        return moment.now_s - stay.since_s >= self.rule.for_s - ROUNDING_S

    def _members(self, moment: Moment) -> list[Followed]:
        return [one for one in moment.known if self.rule.place in one.stays and self.rule.is_about(one.label)]

    def _found(self, moment: Moment) -> int:
        """Count what is found in the place in this frame, followed or not."""
        zone = moment.zones[self.rule.place]
        return sum(self.rule.is_about(seen.label) and zone.contains(seen.foot) for seen in moment.seen)

    def _event(self, due: _Due, moment: Moment) -> Event:
        one, lasting = due.one, due.stay is not None and self.rule.kind in ("leaves", "stays", "absent")
        return Event(
            id=event_id(moment.at),
            rule=self.rule.name,
            kind=self.rule.kind,
            camera=moment.camera,
            at=moment.at,
            time_s=moment.time_s,
            place=self.rule.place,
            label=one.label if one is not None else ", ".join(self.rule.what),
            score=one.score if one is not None else None,
            track_id=one.track_id if one is not None else None,
            box_xyxy=one.box_xyxy if one is not None else None,
            count=due.count,
            way=due.way,
            stayed_s=moment.now_s - due.stay.since_s if due.stay is not None and lasting else None,
        )

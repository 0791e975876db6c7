"""When something counts as an event."""

from __future__ import annotations

from dataclasses import dataclass

from .event import Kind, Way
from .hours import Hours


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Fires when objects enter, leave or stay in a place, cross a line, or are absent.

    Args:
        name: of the rule.
        kind: when it fires.
        what: classes that count; every class where none is named.
        place: a zone, or a line for `crosses`; the whole picture where empty.
        at_least: it fires by how many objects are there, when there are so many or no longer; by each object where not
            given. One is `absent` where there are fewer, by default none.
        for_s: how long objects stay or are absent before it fires.
        hours: it fires within them alone; always if not given.
        cool_down_s: after it fired it does not for so long.
        way: of a crossing; either if not given.
    """

    name: str
    kind: Kind
    what: tuple[str, ...] = ()
    place: str = ""
    at_least: int | None = None
    for_s: float = 0.0
    hours: Hours | None = None
    cool_down_s: float = 0.0
    way: Way | None = None

    def is_about(self, label: str) -> bool:
        """Whether objects of a class count."""
        return not self.what or label in self.what

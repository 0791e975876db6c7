"""What targets are told of an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..loop.deliveries import DeliveryCounts
from ..rules.event import Event

_VALUES_BYTES = 2000
"""About what an event's values take."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Message:
    """An event with what was kept of it.

    Args:
        event: what happened.
        values: the same as plain values, with the names of its files.
        pictures: JPEG, as `snapshot` and `crop`; those that there are.
    """

    event: Event
    values: Mapping[str, Any]
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of memory that it takes, about."""
        return _VALUES_BYTES + sum(map(len, self.pictures.values()))


class Target(Protocol):
    """Who is told of events; it may be away, and never holds up whoever tells it."""

    @property
    def counts(self) -> DeliveryCounts:
        """What was sent, waits and was dropped until now."""

    def take(self, message: Message) -> None:
        """Take an event, at once."""

    def end_within(self, seconds: float) -> None:
        """Try for so long at most to deliver what waits."""

    def close(self) -> None:
        """Wait for that, and leave."""

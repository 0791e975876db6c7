"""What happens to a live source: it opens, stalls, is lost and comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

SourceState = Literal["opening", "live", "stalled", "lost", "back", "ended"]
"""`stalled`: nothing came for a while, but it is not given up yet; `back`: live again after `stalled` or `lost`."""


@dataclass(frozen=True, kw_only=True)
class SourceEvent:
    """A change of a source's state.

    Args:
        source: its name, without secrets.
        state: what it is from now on.
        at: the wall clock, with its zone.
        reason: why, and for how long it was away; may be empty.
    """

    source: str
    state: SourceState
    at: datetime
    reason: str = ""

    @property
    def line(self) -> str:
        """The event for people to read."""
        return f"{self.source}: {self.state}" + (f" ({self.reason})" if self.reason else "")


OnEvent = Callable[[SourceEvent], None]
"""Is called from the thread that reads the source, and must not take long."""


def ignore_event(_event: SourceEvent) -> None:
    """Take an event and do nothing."""

"""What became of messages to others, for whoever shows or watches a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DeliveryCounts:
    """What became of the events of one target.

    Args:
        target: its name, without secrets: `webhook https://example.org`, `mqtt broker:1883`, or the folder of events.
        sent: taken by it.
        waiting: not taken yet.
        dropped: never taken, by cause.
        away: why it cannot be reached at this moment; empty where it can, or nobody knows.
    """

    target: str
    sent: int
    waiting: int
    dropped: Mapping[str, int]
    away: str

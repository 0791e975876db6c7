"""How long clips are."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_S = 300.0
"""A clip that events make longer ends there, and the next begins."""


@dataclass(frozen=True, kw_only=True)
class ClipLength:
    """Seconds before and after an event."""

    before_s: float
    after_s: float

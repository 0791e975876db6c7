"""Who can follow objects."""

from __future__ import annotations

from typing import Literal

TrackerName = Literal["bytetrack", "ocsort"]
"""Of the package `trackers`, those that take the time between frames and need no network."""

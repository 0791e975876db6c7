"""Hours of the day, by the clock on the wall of the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

from ..errors import InputError

_HOURS = re.compile(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*")


@dataclass(frozen=True, kw_only=True)
class Hours:
    """From a time of the day to another one, which may be on the next day.

    Args:
        start: belongs to it.
        end: does not; it is before the start where midnight is between them.
    """

    start: time
    end: time

    @classmethod
    def read(cls, text: str) -> Hours:
        """Read `22:00-06:00`; 24:00 is midnight, too.

        Raises:
            InputError: it is not of that form, or both times are the same.
        """
        match = _HOURS.fullmatch(text)
        hours, minutes = ([int(match[1]), int(match[3])], [int(match[2]), int(match[4])]) if match else ([99], [99])
        if hours[0] > 23 or max(minutes) > 59 or (hours[1], minutes[1]) > (24, 0):
            raise InputError(f"hours: expected times of the day like 22:00-06:00, got {text!r}.")
        start, end = (time(hour % 24, minute) for hour, minute in zip(hours, minutes, strict=True))
        if start == end:
            raise InputError(f"hours: expected two times that differ, got {text!r}. Leave hours out for the whole day.")
        return cls(start=start, end=end)

    def contains(self, at: datetime) -> bool:
        """Whether a moment, which has a zone, is within them here."""
        now = at.astimezone().time()
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

"""Hours of the day as they are written."""

from __future__ import annotations

from datetime import time

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.rules.hours import Hours


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        pytest.param("22:00-06:00", (time(22), time(6)), id="across midnight"),
        pytest.param(" 7:30 - 18:05 ", (time(7, 30), time(18, 5)), id="with spaces"),
        pytest.param("18:00-24:00", (time(18), time(0)), id="until midnight"),
    ],
)
def test_hours_are_read(text: str, hours: tuple[time, time]) -> None:
    assert Hours.read(text) == Hours(start=hours[0], end=hours[1])


@pytest.mark.parametrize(
    "text",
    ["", "22-6", "22:00", "25:00-06:00", "22:60-06:00", "24:00-06:00", "22:00-24:01", "08:00-08:00", "00:00-24:00"],
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"hours: expected (times of the day like 22:00-06:00|two times that differ)"):
        Hours.read(text)

"""Events as values, and as lines have them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from singleshot.runtime.rules.event import Event, Move, PlaceCount, event_id, event_json, place_json
from singleshot.tests.places import ROOT

NOON = datetime(2026, 11, 30, 12, tzinfo=timezone(timedelta(hours=2)))


def test_ids_sort_by_time_and_differ() -> None:
    ids = [event_id(NOON + timedelta(milliseconds=step)) for step in range(20)]
    assert sorted(ids) == ids
    assert ids[0].startswith("20261130T100000000Z-")
    assert len({event_id(NOON) for _ in range(100)}) == 100


def test_what_there_is_nothing_to_say_of_is_left_out() -> None:
    event = Event(id="a", rule="nobody", kind="absent", camera="door", at=NOON, time_s=1 / 3)
    assert event_json(event) == {
        "id": "a",
        "rule": "nobody",
        "kind": "absent",
        "camera": "door",
        "at": "2026-11-30T12:00:00.000+02:00",
        "time_s": 0.333333,
        "place": "",
        "label": "",
        "count": 0,
    }


@pytest.mark.parametrize(
    ("values", "line"),
    [
        pytest.param({"kind": "enters", "label": "dog"}, "door, 2.0 s: r: dog enters, track 1", id="the picture"),
        pytest.param(
            {"kind": "crosses", "label": "dog", "place": "gate", "way": "in"},
            "door, 2.0 s: r: dog crosses gate in, track 1",
            id="a line",
        ),
        pytest.param(
            {"kind": "leaves", "label": "dog", "place": "yard", "stayed_s": 9.6},
            "door, 2.0 s: r: dog leaves yard after 9.6 s, track 1",
            id="how long it was there",
        ),
        pytest.param(
            {"kind": "absent", "stayed_s": 60.0, "track_id": None},
            "door, 2.0 s: r: anything absent for 60 s",
            id="no one",
        ),
    ],
)
def test_event_is_a_line_for_people(values: dict[str, Any], line: str) -> None:
    given = {"id": "a", "rule": "r", "camera": "door", "at": NOON, "time_s": 2.0, "track_id": 1}
    assert Event(**{**given, **values}).line == line


def documented_keys(head: str) -> list[str]:
    """Give the first column of a table of docs/events.md."""
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page.split(f"| {head} | |\n")[1].split("\n\n")[0], re.MULTILINE)
    return [key for row in rows for key in re.findall(r"`(\w+)`", row)]


def test_documentation_names_each_key() -> None:
    move = Move(track_id=1, label="dog", way="in")
    zone, line = PlaceCount(name="yard", kind="zone", moves=[move]), PlaceCount(name="gate", kind="line")
    assert sorted(documented_keys("of a place")) == sorted(place_json(zone))
    assert set(place_json(line)) == {"name", "kind", "came_in", "went_out"}
    event = Event(
        id="a",
        rule="r",
        kind="crosses",
        camera="c",
        at=NOON,
        time_s=1.0,
        score=0.9,
        track_id=1,
        box_xyxy=(0.0, 0.0, 1.0, 1.0),
        way="in",
        stayed_s=1.0,
    )
    assert sorted(documented_keys("of an event")) == sorted(event_json(event))

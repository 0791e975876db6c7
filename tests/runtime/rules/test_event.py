"""Events as values, and as lines have them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from singleshot.runtime.rules.event import Event, event_id, event_json

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

"""Who is where, and what happens by which rule: told by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.runtime.errors import InputError
from singleshot.runtime.rules.event import Event, PlaceCount
from singleshot.runtime.rules.followed import Seen
from singleshot.runtime.rules.hours import Hours
from singleshot.runtime.rules.places import Line, Zone
from singleshot.runtime.rules.rule import Rule
from singleshot.runtime.rules.watch import Watch

MIDDLE = Zone(name="middle", corners=((0.4, 0.0), (0.6, 0.0), (0.6, 1.0), (0.4, 1.0)))
GATE = Line(name="gate", start=(0.5, 0.9), end=(0.5, 0.1))
"""Upwards, so that `in` is to the right."""
NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


def at(x: float, y: float = 0.5, track: int = 1, label: str = "person", size: float = 0.1) -> Seen:
    """An object whose foot is at a point."""
    return Seen(label=label, score=0.9, box_xyxy=(x - size / 2, y - size, x + size / 2, y), track_id=track)


class Seer:
    """Shows a watch its frames."""

    def __init__(self, *rules: Rule, places: Sequence[Zone | Line] = (MIDDLE, GATE), begins: datetime = NOON) -> None:
        self.watch = Watch("door", places, rules)
        self.begins = begins
        self.time_s = 0.0
        self.events: list[Event] = []
        self.places: dict[str, PlaceCount] = {}

    def see(self, *frames: Seen | Iterable[Seen], step_s: float = 0.1) -> list[Event]:
        """Show frames, each of one object or several, and give what they came to."""
        new: list[Event] = []
        for frame in frames:
            look = self.watch.look(
                [frame] if isinstance(frame, Seen) else list(frame),
                time_s=self.time_s,
                at=self.begins + timedelta(seconds=self.time_s),
            )
            self.time_s += step_s
            self.places = {place.name: place for place in look.places}
            new += look.events
        self.events += new
        return new

    @property
    def gate(self) -> tuple[int, int]:
        """How many crossed the line, in and out."""
        return sum(self.places["gate"].came_in.values()), sum(self.places["gate"].went_out.values())

    @property
    def middle(self) -> tuple[int, int, int]:
        """How many came into the zone, went out and are in it."""
        zone = self.places["middle"]
        return sum(zone.came_in.values()), sum(zone.went_out.values()), sum(zone.inside.values())


def rule(kind: str, place: str = "", **values: object) -> Rule:
    return Rule(name="r", kind=kind, place=place, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("xs", "counts"),
    [
        pytest.param([0.3, 0.45, 0.55, 0.7], (1, 0), id="from left to right"),
        pytest.param([0.7, 0.55, 0.45, 0.3], (0, 1), id="and back"),
        pytest.param([0.3, 0.7, 0.3, 0.7], (2, 1), id="there, back, there: each counts"),
        pytest.param([0.1, 0.95], (1, 0), id="between two frames far apart"),
        pytest.param([0.49, 0.501, 0.499, 0.504, 0.498, 0.502], (0, 0), id="trembles on the line"),
        pytest.param([0.49, 0.501, 0.499, 0.504, 0.498, 0.506], (1, 0), id="trembles, then walks on"),
        pytest.param([0.45, 0.5, 0.55], (1, 0), id="exactly on the line for a frame"),
        pytest.param([0.5, 0.55, 0.6], (0, 0), id="first seen exactly on the line"),
        pytest.param([0.45, 0.5, 0.45], (0, 0), id="to the line and back"),
    ],
)
def test_line_is_crossed(xs: list[float], counts: tuple[int, int]) -> None:
    seer = Seer()
    seer.see(*[at(x) for x in xs])
    assert seer.gate == counts


def test_beyond_its_ends_a_line_is_passed_by() -> None:
    seer = Seer()
    seer.see(at(0.3, 0.95), at(0.7, 0.95))
    assert seer.gate == (0, 0)
    seer.see(at(0.7, 0.5), at(0.3, 0.5))  # back through it
    assert seer.gate == (0, 1)


def test_what_was_beyond_the_line_at_last_has_crossed() -> None:
    seer = Seer()
    seer.see(at(0.45), at(0.502))
    assert seer.gate == (0, 0)
    seer.see(*[[]] * 25)
    assert seer.gate == (1, 0)


@pytest.mark.parametrize(
    ("xs", "counts"),
    [
        pytest.param([0.3, 0.5], (1, 0, 1), id="came in"),
        pytest.param([0.5], (1, 0, 1), id="was in it when it was first seen"),
        pytest.param([0.3, 0.5, 0.7], (1, 1, 0), id="went through"),
        pytest.param([0.2, 0.8], (1, 1, 0), id="jumped over it between two frames"),
        pytest.param([0.2, 0.3, 0.35], (0, 0, 0), id="walked beside it"),
        pytest.param([0.3, 0.401, 0.399, 0.402, 0.399], (0, 0, 0), id="trembles at its border, outside"),
        pytest.param([0.5, 0.401, 0.399, 0.402, 0.399], (1, 0, 1), id="trembles at its border, inside"),
    ],
)
def test_zone_is_entered_and_left(xs: list[float], counts: tuple[int, int, int]) -> None:
    seer = Seer()
    seer.see(*[at(x) for x in xs])
    assert seer.middle == counts


def test_what_stands_at_the_lower_edge_of_the_picture_is_in_a_zone_that_reaches_it() -> None:
    seer = Seer()
    seer.see(at(0.5, 1.0))
    assert seer.middle == (1, 0, 1)


def test_corner_that_is_only_grazed_is_not_jumped() -> None:
    corner = Zone(name="middle", corners=((0.5, 0.5), (0.9, 0.5), (0.9, 0.9), (0.5, 0.9)))
    seer = Seer(places=[corner])
    seer.see(at(0.44, 0.56), at(0.56, 0.445))
    assert seer.middle == (0, 0, 0)
    seer = Seer(places=[corner])
    seer.see(at(0.44, 0.8), at(0.8, 0.45))
    assert seer.middle == (1, 1, 0)


def test_object_that_is_missed_for_some_frames_stays() -> None:
    seer = Seer(rule("leaves", "middle"), rule("enters", "middle"))
    seer.see(at(0.5), [], [], at(0.5), *[[]] * 15, at(0.5))
    assert seer.middle == (1, 0, 1)
    assert [event.kind for event in seer.events] == ["enters"]
    seer.see(*[[]] * 25)
    assert seer.middle == (1, 1, 0)
    assert [event.kind for event in seer.events] == ["enters", "leaves"]


def test_at_a_frame_each_five_seconds_three_frames_are_waited() -> None:
    seer = Seer()
    seer.see(at(0.5), at(0.5), [], [], [], at(0.5), step_s=5)
    assert seer.middle == (1, 0, 1)


def test_number_that_changes_is_the_same_object() -> None:
    seer = Seer(rule("enters", "middle"), Rule(name="long", kind="stays", place="middle", for_s=1.0))
    seer.see(at(0.45), *[at(0.5, track=1)] * 5, [], *[at(0.51, track=2)] * 6)
    assert seer.middle == (1, 0, 1)
    assert [(event.kind, event.track_id) for event in seer.events] == [("enters", 1), ("stays", 2)]


def test_number_that_changes_on_the_line_counts_once() -> None:
    seer = Seer()
    seer.see(at(0.45), at(0.48), at(0.52, track=2), at(0.6, track=2))
    assert seer.gate == (1, 0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(at(0.51, track=2, label="dog"), id="of another class"),
        pytest.param(at(0.51, track=2, size=0.3), id="of another size"),
        pytest.param(at(0.59, track=2), id="elsewhere"),
    ],
)
def test_other_object_is_another_one(other: Seen) -> None:
    seer = Seer()
    seer.see(at(0.5), other)
    assert seer.middle == (2, 0, 2)


def test_two_that_are_both_seen_are_two() -> None:
    seer = Seer()
    seer.see([at(0.5, track=1)], [at(0.5, track=1), at(0.51, track=2)])
    assert seer.middle == (2, 0, 2)


def test_places_have_classes_tracks_and_times() -> None:
    seer = Seer()
    seer.see(*[[at(0.45), at(0.55, 0.8, track=2, label="dog")]] * 6)
    zone = seer.places["middle"]
    assert (zone.kind, zone.points, dict(zone.inside)) == ("zone", MIDDLE.corners, {"person": 1, "dog": 1})
    assert dict(zone.stays) == {1: pytest.approx(0.5), 2: pytest.approx(0.5)}
    assert zone.longest_s == pytest.approx(0.5)
    assert zone.moves == []
    seer.see([at(0.7), at(0.55, 0.8, track=2, label="dog")])
    assert [(move.track_id, move.label, move.way) for move in seer.places["middle"].moves] == [(1, "person", "out")]
    assert [(move.track_id, move.label, move.way) for move in seer.places["gate"].moves] == [(1, "person", "in")]


def test_event_says_what_happened() -> None:
    seer = Seer(rule("crosses", "gate", what=("person", "dog"), way="in"))
    seer.see(at(0.3), at(0.7), at(0.3), at(0.7))
    first, second = seer.events
    assert (first.rule, first.kind, first.camera, first.place) == ("r", "crosses", "door", "gate")
    assert (first.label, first.score, first.track_id, first.way) == ("person", 0.9, 1, "in")
    assert (first.at, first.time_s, first.count) == (NOON + timedelta(seconds=0.1), 0.1, 1)
    assert first.box_xyxy == pytest.approx((0.65, 0.4, 0.75, 0.5))
    assert second.count == 2


@pytest.mark.parametrize(
    ("told", "frames", "times"),
    [
        pytest.param(rule("enters", "middle"), [at(0.3), at(0.5), at(0.5)], [1], id="enters, once"),
        pytest.param(rule("enters", "middle"), [at(0.3), at(0.7), at(0.8)], [1], id="enters by a jump"),
        pytest.param(rule("leaves", "middle"), [at(0.3), at(0.7), at(0.8)], [1], id="leaves by a jump"),
        pytest.param(rule("enters", "middle"), [at(0.5), at(0.7), at(0.5)], [0, 2], id="enters again"),
        pytest.param(rule("enters", "middle", what=("dog",)), [at(0.3), at(0.5)], [], id="of another class"),
        pytest.param(rule("leaves", "middle"), [at(0.5), at(0.7), at(0.8)], [1], id="leaves"),
        pytest.param(rule("enters"), [[], at(0.5), at(0.6)], [1], id="enters the picture"),
        pytest.param(rule("leaves"), [at(0.5), *[[]] * 25], [21], id="leaves the picture after two seconds"),
        pytest.param(rule("stays", "middle", for_s=0.3), [at(0.5)] * 9, [3], id="stays, told once"),
        pytest.param(
            rule("stays", "middle", for_s=0.3), [*[at(0.5)] * 2, at(0.7), *[at(0.5)] * 5], [6], id="stays, begun anew"
        ),
        pytest.param(rule("stays", "middle", for_s=0.3), [at(0.5), *[[]] * 9], [], id="is not told of one not seen"),
        pytest.param(rule("absent", for_s=0.3), [[]] * 9, [3], id="absent from the beginning"),
        pytest.param(rule("absent", for_s=0.3), [at(0.5, track=-1), *[[]] * 9], [4], id="absent, not followed"),
        pytest.param(rule("absent", "middle", for_s=0.3), [at(0.7)] * 9, [3], id="absent from a zone"),
        pytest.param(
            rule("absent", what=("dog",), for_s=0.3),
            [*[at(0.7)] * 4, at(0.1, label="dog", track=-1), *[at(0.7)] * 4],
            [3, 8],
            id="absent of a class",
        ),
        pytest.param(rule("absent", at_least=2, for_s=0.3), [at(0.7)] * 9, [3], id="fewer than two"),
        pytest.param(
            rule("enters", "middle", at_least=2),
            [at(0.5), [at(0.5), at(0.55, track=2)], [at(0.5), at(0.55, track=2), at(0.45, track=3)]],
            [1],
            id="two are there",
        ),
        pytest.param(
            rule("leaves", "middle", at_least=2),
            [[at(0.5), at(0.55, track=2)], [at(0.7), at(0.55, track=2)], [at(0.7), at(0.7, track=2)]],
            [1],
            id="two are there no longer",
        ),
        pytest.param(
            rule("stays", "middle", at_least=2, for_s=0.2),
            [at(0.5), *[[at(0.5), at(0.55, track=2)]] * 5],
            [3],
            id="two stay",
        ),
        pytest.param(
            rule("enters", "middle", at_least=1),
            [at(0.5), [at(0.5), at(0.55, track=2)]],
            [0],
            id="the first that comes, not the second",
        ),
        pytest.param(rule("crosses", "gate", way="in"), [at(0.3), at(0.7), at(0.3)], [1], id="crosses inwards"),
        pytest.param(rule("crosses", "gate"), [at(0.3), at(0.7), at(0.3)], [1, 2], id="crosses either way"),
        pytest.param(
            rule("crosses", "gate", cool_down_s=0.15), [at(0.3), at(0.7), at(0.3), at(0.7)], [1, 3], id="cool-down"
        ),
        pytest.param(
            rule("stays", "middle", for_s=0.1, cool_down_s=0.5),
            [[at(0.5), at(0.55, track=2)]] * 9,
            [1, 6],
            id="who still stays after the cool-down",
        ),
    ],
)
def test_rule_fires(told: Rule, frames: list[Seen | list[Seen]], times: list[int]) -> None:
    seer = Seer(told)
    seer.see(*frames)
    assert [round(10 * event.time_s) for event in seer.events] == times


@given(
    walk=st.lists(
        st.dictionaries(
            st.integers(-1, 5), st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.5)), max_size=4
        ),
        max_size=40,
    ),
    step_s=st.sampled_from([0.03, 0.5, 3.0, 20.0]),
)
def test_who_came_in_and_did_not_go_out_is_inside(
    walk: list[dict[int, tuple[float, float, float]]], step_s: float
) -> None:
    """Whatever objects and their numbers do."""
    seer = Seer(rule("enters"), Rule(name="left", kind="leaves"))
    for frame in walk:
        seer.see([at(x, y, one, size=size) for one, (x, y, size) in frame.items()], step_s=step_s)
        came_in, went_out, inside = seer.middle
        assert came_in - went_out == inside
        assert len(seer.places["middle"].stays) == inside
        entered, left = ([event for event in seer.events if event.kind == kind] for kind in ("enters", "leaves"))
        assert len(entered) >= len(left)
    assert all(0 <= event.count <= 20 for event in seer.events)


def test_label_that_settles_late_is_told() -> None:
    seer = Seer(rule("enters", "middle", what=("person",)))
    seer.see(at(0.5, label="dog"), at(0.5))
    assert [event.label for event in seer.events] == ["person"]


def test_lost_picture_is_not_absence() -> None:
    seer = Seer(rule("absent", for_s=10))
    seer.see(*[[]] * 50)
    seer.time_s += 600  # nothing came for ten minutes
    seer.see(*[[]] * 40)
    assert seer.events == []
    seer.see(*[[]] * 20)
    assert [round(event.time_s) for event in seer.events] == [610]
    assert seer.events[0].stayed_s == pytest.approx(10, abs=0.2)


def test_camera_that_stalls_again_and_again_sees_nothing_meanwhile() -> None:
    seer = Seer(rule("absent", for_s=10))
    for _ in range(8):  # 50 s, of which 8 were watched
        seer.see(*[[]] * 10)
        seer.time_s += 5
    assert seer.events == []


def test_slow_camera_is_not_lost() -> None:
    seer = Seer(rule("absent", for_s=60))
    seer.see(*[[]] * 12, step_s=10)
    assert [event.time_s for event in seer.events] == [pytest.approx(70, abs=10)]


def test_who_stood_there_before_the_picture_was_lost_still_does() -> None:
    seer = Seer(rule("enters", "middle"))
    seer.see(*[at(0.5)] * 10)
    seer.time_s += 60
    seer.see(*[at(0.51, track=2)] * 10)
    assert len(seer.events) == 1
    assert seer.middle == (1, 0, 1)
    assert seer.places["middle"].longest_s == pytest.approx(1.9)


def test_clock_that_is_set_back_moves_nothing() -> None:
    seer = Seer(rule("stays", "middle", for_s=1.0))
    seer.see(*[at(0.5)] * 9)
    seer.time_s = -1000
    seer.see(at(0.5))
    assert seer.events == []
    seer.see(*[at(0.5)] * 3)
    assert len(seer.events) == 1


@pytest.mark.parametrize(
    ("told", "hour", "count"),
    [
        pytest.param("12:00-13:00", 12, 1, id="within"),
        pytest.param("11:00-12:00", 12, 0, id="its end does not belong to it"),
        pytest.param("22:00-06:00", 12, 0, id="not at noon"),
        pytest.param("22:00-06:00", 23, 1, id="before midnight"),
        pytest.param("22:00-06:00", 5, 1, id="after midnight"),
    ],
)
def test_hours_are_those_of_the_wall(told: str, hour: int, count: int) -> None:
    local = datetime(2026, 11, 30, hour).astimezone()  # the machine's zone
    seer = Seer(rule("enters", "middle", hours=Hours.read(told)), begins=local.astimezone(timezone.utc))
    seer.see(at(0.3), at(0.5))
    assert len(seer.events) == count


def test_who_stays_until_the_hours_begin_is_told_then() -> None:
    begins = datetime(2026, 11, 30, 21, 59, 59).astimezone()
    seer = Seer(rule("stays", "middle", for_s=0.2, hours=Hours.read("22:00-06:00")), begins=begins)
    seer.see(*[at(0.5)] * 15)
    assert [round(event.time_s, 1) for event in seer.events] == [1.0]


def test_places_are_replaced_and_those_that_stay_keep_their_counts() -> None:
    seer = Seer()
    seer.see(at(0.3), at(0.7), at(0.5))
    wide = Zone(name="wide", corners=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)))
    seer.watch.replace_places([GATE, wide])
    seer.see(at(0.5), at(0.3))
    assert list(seer.places) == ["gate", "wide"]
    assert seer.gate == (1, 1)
    assert seer.places["wide"].inside == {"person": 1}


def test_zone_that_was_moved_begins_anew() -> None:
    seer = Seer()
    seer.see(at(0.3), at(0.5))
    seer.watch.replace_places([Zone(name="middle", corners=((0.1, 0.1), (0.3, 0.1), (0.3, 0.9), (0.1, 0.9))), GATE])
    seer.see(at(0.5))
    assert seer.middle == (0, 0, 0)


def test_who_is_in_a_zone_before_and_after_it_was_moved_does_not_enter_again() -> None:
    seer = Seer(rule("enters", "middle"))
    seer.see(at(0.3), at(0.5), at(0.7), at(0.5))
    assert (len(seer.events), seer.middle) == (2, (2, 1, 1))
    seer.watch.replace_places([Zone(name="middle", corners=((0.3, 0.0), (0.6, 0.0), (0.6, 1.0), (0.3, 1.0)))])
    seer.see(at(0.5))
    assert (len(seer.events), seer.middle) == (2, (1, 0, 1))


def test_rules_are_replaced_and_those_that_stay_do_not_tell_again() -> None:
    seer = Seer(rule("enters", "middle"))
    seer.see(at(0.5))
    seer.watch.replace([MIDDLE], [rule("enters", "middle"), Rule(name="new", kind="leaves", place="middle")])
    seer.see(at(0.5), at(0.8))
    assert [event.rule for event in seer.events] == ["r", "new"]


@pytest.mark.parametrize(
    ("places", "told", "message"),
    [
        pytest.param(
            [GATE], rule("enters", "gate"), "enters, got the line gate; the camera has no zone. Give it", id="a"
        ),
        pytest.param(
            [MIDDLE],
            rule("crosses", "middle"),
            "got the zone middle; the camera has no line. Give it",
            id="zone crossed",
        ),
        pytest.param([GATE], rule("crosses"), "one of gate, got none. Name it, or draw it first.", id="no line"),
        pytest.param([MIDDLE], rule("stays", "middel"), "one of middle, got middel.", id="unknown"),
    ],
)
def test_place_that_does_not_suit_is_refused(places: list[Zone | Line], told: Rule, message: str) -> None:
    watch = Watch("door", places)
    with pytest.raises(InputError) as caught:
        watch.replace(places, [told])
    assert message in str(caught.value)
    assert watch.rules == ()


def test_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"gate: expected one zone or line of this name, got 2\. Rename one\."):
        Watch("door", [GATE, Zone(name="gate", corners=MIDDLE.corners)])

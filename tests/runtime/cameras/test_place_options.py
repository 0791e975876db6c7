"""Places and rules as options of one camera."""

from __future__ import annotations

import pytest

from singleshot.runtime.cameras.place_options import places_of_one_camera, points_from_options, rules_from_options
from singleshot.runtime.errors import InputError


def test_places_are_read() -> None:
    assert places_of_one_camera(["yard=0.1,0.5,0.4,0.5,0.4,1"], ["gate=0,0.5,1,.5"], cameras=1) == {
        "zones": {"yard": [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0]]},
        "lines": {"gate": [[0.0, 0.5], [1.0, 0.5]]},
    }


@pytest.mark.parametrize(
    ("text", "name", "rule"),
    [
        pytest.param("person enters", "person-enters", {"what": ["person"], "when": "enters", "place": ""}, id="short"),
        pytest.param(
            "person, traffic light  stays yard for 10s",
            "person-traffic-light-stays-yard-for-10s",
            {"what": ["person", "traffic light"], "when": "stays", "place": "yard", "for": "10s"},
            id="two classes, one of two words",
        ),
        pytest.param(
            "anything absent for 5m",
            "anything-absent-for-5m",
            {"what": [], "when": "absent", "place": "", "for": "5m"},
            id="anything",
        ),
    ],
)
def test_rule_is_read(text: str, name: str, rule: dict[str, object]) -> None:
    assert rules_from_options([text]) == {name: rule}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        pytest.param("gate", "--line: expected NAME=X,Y,X,Y as fractions of the picture, got 'gate'.", id="no points"),
        pytest.param("gate=0,1,0", "got 'gate=0,1,0'.", id="an odd number"),
        pytest.param("gate=a,b", "got 'gate=a,b'.", id="no numbers"),
    ],
)
def test_what_is_no_place_is_refused(option: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        points_from_options("--line", [option])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "option", ["", "enters", "enters yard", "person walks yard", "person enters the yard", "person stays yard 10s"]
)
def test_what_is_no_rule_is_refused(option: str) -> None:
    with pytest.raises(InputError, match=r"--rule: expected WHAT enters\|leaves\|crosses\|stays\|absent \[PLACE\] \["):
        rules_from_options([option])


def test_what_stands_twice_is_refused() -> None:
    with pytest.raises(InputError, match="--zone: expected names that differ, got a twice"):
        points_from_options("--zone", ["a=0,0", "a=1,1"])
    with pytest.raises(InputError, match="--rule: expected rules that differ, got 'person  enters' twice"):
        rules_from_options(["person enters", "person  enters"])


def test_place_is_in_one_cameras_picture() -> None:
    with pytest.raises(InputError, match="--line: expected one source, as a place is in one camera's picture, got 2"):
        places_of_one_camera([], ["gate=0,0,1,1"], cameras=2)

"""Which places and rules a camera has, and what is said of what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.runtime.cameras.configuration import load_run_config
from singleshot.runtime.errors import InputError
from singleshot.runtime.rules.places import Line, Zone
from singleshot.tests.places import ROOT

DOOR_AND_YARD = """
[cameras.door]
source = "cam0"
[cameras.door.zones]
step = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9], [0.1, 0.9]]
[cameras.door.lines]
gate = [[0.2, 0.5], [0.8, 0.5]]

[cameras.yard]
source = "cam1"
[cameras.yard.zones]
lawn = [[0, 0], [1, 0], [1, 1]]

[cameras.attic]
source = "cam2"

"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.toml"
    path.write_text(DOOR_AND_YARD + text, encoding="utf-8")
    return path


def test_cameras_have_their_places_and_rules(tmp_path: Path) -> None:
    text = """
    [rules.visitor]
    what = "person"
    when = "enters"
    place = "step"
    [rules.passer]
    when = "crosses"
    place = "gate"
    [rules.nobody]
    when = "absent"
    for = "1h"
    cameras = ["door", "attic"]
    """
    config = load_run_config(written(tmp_path, text))
    step = Zone(name="step", corners=((0.1, 0.5), (0.4, 0.5), (0.4, 0.9), (0.1, 0.9)))
    assert config.places_of("door") == [step, Line(name="gate", start=(0.2, 0.5), end=(0.8, 0.5))]
    rules = {camera: [rule.name for rule in config.rules_of(camera)] for camera in config.cameras}
    assert rules == {"door": ["visitor", "passer", "nobody"], "yard": [], "attic": ["nobody"]}
    assert [config.tracks(camera) for camera in config.cameras] == [True, True, False]


def test_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    path = tmp_path / "cameras.toml"
    path.write_text(example, encoding="utf-8")
    config = load_run_config(path)
    assert [(rule.name, rule.kind, rule.for_s, rule.way) for rule in config.rules_of("door")] == [
        ("visitor", "stays", 10.0, None),
        ("burglar", "crosses", 0.0, "in"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[rules.r]\nwhen = 'enter'", "rules.r.when: expected 'enters', 'leaves', 'crosses', 'st", id="kind"
        ),
        pytest.param(
            "[rules.r]\nwen = 'enters'", "rules.r.wen: expected one of the keys when, what, place, ", id="key"
        ),
        pytest.param("[rules.r]\nfor_ = '1s'\nwhen='stays'", "got for_. Is for meant?", id="a key of the code"),
        pytest.param("[rules.r]\nwhat = 'dog'", "rules.r.when: expected a value, got none.", id="no kind"),
        pytest.param(
            "[rules.r]\nwhen = 'enters'\ncameras = 'dor'",
            "rules.r.cameras: expected one of door, yard, attic, got dor.",
            id="camera",
        ),
        pytest.param(
            "[rules.r]\nwhen = 'enters'\nplace = 'lawn'\ncameras = ['yard', 'door']",
            "cameras.door: rule r: expected a zone as the place of what enters, one of step, got lawn.",
            id="place of another camera",
        ),
        pytest.param(
            "[rules.r]\nwhen = 'enters'\nplace = 'lwn'",
            "rule r: expected a zone as the place of what enters, one of step, got lwn. Name it, or draw it first.",
            id="unknown place",
        ),
        pytest.param("[rules.r]\nwhen = 'crosses'\nplace = 'step'", "got the zone step.", id="zone that is crossed"),
        pytest.param("[rules.r]\nwhen = 'stays'", "rules.r.for: expected a time", id="no time"),
        pytest.param("[rules.'a b']\nwhen = 'enters'", "rules: expected a name of letters, digits, -, _", id="name"),
        pytest.param(
            "[rules.r]\nwhen = 'enters'\n[rules.r]\nwhen = 'leaves'",
            "expected TOML, got: Cannot declare ('rules', 'r') twice (at line ",
            id="two rules of one name",
        ),
        pytest.param(
            "[cameras.x]\nsource = 'cam3'\nzones = {a = [[0, 0], [1, 1], [1, 0], [0, 1]]}",
            "cameras.x: zone a: expected edges that do not cross or touch, got edge 1 and edge 3",
            id="crosses itself",
        ),
        pytest.param(
            "[cameras.x]\nsource = 'cam3'\nzones = {a = [[0, 0], [1, 1], [1, 0]]}\nlines = {a = [[0, 0], [1, 1]]}",
            "cameras.x: a: expected one zone or line of this name, got 2. Rename one.",
            id="zone and line of one name",
        ),
        pytest.param(
            "[cameras.x]\nsource = 'cam3'\nzones = {a = ['0', 1]}", "cameras.x.zones.a.0: expected", id="no points"
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_run_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

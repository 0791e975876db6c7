"""What is drawn holds from the next frame on and is kept in the file, or nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.runtime.cameras.drawn_places import DrawnPlaces
from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.loop.observers import FollowingLater
from singleshot.runtime.rules.places import Place, line_of, zone_of
from singleshot.runtime.rules.watch import Watch
from singleshot.runtime.tracking.tracker import Tracker

ENTRY = zone_of("entry", [(0.1, 0.1), (0.4, 0.1), (0.4, 0.9)])
GATE = line_of("gate", [(0.2, 0.5), (0.8, 0.5)])
TEXT = """# mine
[cameras.door]
source = "cam0"  # the old one
zones = { entry = [[0.1, 0.1], [0.4, 0.1], [0.4, 0.9]] }

[rules.visitor]
when = "enters"
place = "entry"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    pytest.importorskip("tomlkit")
    path = tmp_path / "cameras.toml"
    path.write_text(TEXT)
    return path


def editor(path: Path | None, opened: list[str], *, can_follow: bool = True) -> tuple[DrawnPlaces, Watch]:
    def tracker() -> Tracker:
        if not can_follow:
            raise MissingDependencyError("no trackers")
        opened.append("door")
        return None  # type: ignore[return-value]

    watch = Watch("door", [ENTRY])
    return DrawnPlaces({"door": watch}, {"door": FollowingLater(tracker)}, path=path), watch


def test_what_is_drawn_holds_and_is_kept(file: Path) -> None:
    opened: list[str] = []
    drawn, watch = editor(file, opened)
    assert (drawn.kept_in, drawn.places("door"), drawn.places("yard")) == ("cameras.toml", (ENTRY,), None)
    drawn.replace("door", [ENTRY, GATE])
    assert (watch.places, opened) == ((ENTRY, GATE), ["door"])
    text = file.read_text()
    assert "# the old one" in text
    assert "gate" in text


def test_without_a_file_it_goes_with_the_run() -> None:
    drawn, watch = editor(None, [])
    drawn.replace("door", [])
    assert (drawn.kept_in, watch.places) == ("", ())


@pytest.mark.parametrize(
    ("places", "can_follow", "error"),
    [
        pytest.param(
            [GATE],
            True,
            "expected a zone for what enters, got entry; the camera has no zone",
            id="a rule of the file needs it",
        ),
        pytest.param([ENTRY, GATE, GATE], True, "gate: expected one zone or line of this name", id="a name twice"),
        pytest.param([ENTRY, GATE], False, "no trackers", id="nobody to follow objects"),
    ],
)
def test_what_cannot_be_changes_nothing(file: Path, places: list[Place], can_follow: bool, error: str) -> None:
    drawn, watch = editor(file, [], can_follow=can_follow)
    with pytest.raises(InputError, match=error):
        drawn.replace("door", places)
    assert (watch.places, file.read_text()) == ((ENTRY,), TEXT)

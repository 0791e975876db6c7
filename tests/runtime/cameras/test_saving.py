"""Places are written into a file of which nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.runtime.cameras.configuration import load_run_config
from singleshot.runtime.cameras.saving import save_places
from singleshot.runtime.errors import InputError
from singleshot.runtime.rules.places import Place, line_of, zone_of

pytest.importorskip("tomlkit")

STEP = zone_of("step", [[0.1, 0.5], [0.4, 0.5], [1 / 3, 0.9]])
LAWN = zone_of("lawn", [[0.123456, 0.5], [0.4, 0.5], [0.4, 0.9]])
OLD = zone_of("old", [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]])
GATE = line_of("gate", [[0, 0], [1, 1]])

BY_HAND = """# my cameras
model = "a.onnx" # the good one

[cameras.door]   # front
source = "cam0"

[cameras.door.zones]
# where the parcel lies
step = [[0.1, 0.5], [0.4, 0.5],
        [0.333333, 0.9]]   # measured
old = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]]

[cameras.yard]
source = "cam1"

[rules.visitor]
when = "enters"
place = "step"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.toml"
    path.write_bytes(text.encode())
    return path


def test_what_did_not_change_stays_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path, BY_HAND)
    path.chmod(0o600)  # it may hold passwords
    save_places(path, "door", [STEP, LAWN, GATE], before=[STEP, OLD])
    expected = BY_HAND.replace(
        "old = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]]\n",
        "lawn = [[0.1235, 0.5], [0.4, 0.5], [0.4, 0.9]]\n\n[cameras.door.lines]\ngate = [[0.0, 0.0], [1.0, 1.0]]\n",
    )
    assert path.read_text() == expected
    assert path.stat().st_mode & 0o777 == 0o600
    save_places(path, "door", [STEP], before=[STEP, LAWN, GATE])
    assert path.read_text() == BY_HAND.replace("old = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]]\n", "")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[cameras]\ndoor = {source = 'cam0'}\n", id="in one line"),
        pytest.param("cameras.door.source = 'cam0'\n", id="by keys with dots"),
        pytest.param(
            "[cameras.door]\nsource = 'cam0'\n[cameras.yard]\nsource = 'cam1'\n"
            "[cameras.door.zones]\na = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]]\n",
            id="in two places",
        ),
        pytest.param("[cameras.door]\r\nsource = 'cam0'\r\n\r\n[cameras.yard]\r\nsource = '1'\r\n", id="of Windows"),
    ],
)
def test_form_of_the_file_is_kept(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    places: list[Place] = [LAWN, GATE]
    save_places(path, "door", places, before=load_run_config(path).places_of("door"))
    assert [place.name for place in load_run_config(path).places_of("door")] == ["lawn", "gate"]
    assert path.read_bytes().count(b"\r\n") == (path.read_bytes().count(b"\n") if "\r" in text else 0)
    save_places(path, "door", [], before=places)
    assert load_run_config(path).places_of("door") == []


def test_what_was_written_by_hand_meanwhile_stays(tmp_path: Path) -> None:
    path = written(tmp_path, BY_HAND.replace("0.333333", "0.3").replace("old =", "new ="))
    save_places(path, "door", [STEP, OLD, LAWN], before=[STEP, OLD])
    expected = BY_HAND.replace("0.333333", "0.3").replace("old =", "new =")
    assert path.read_text() == expected.replace(
        "\n[cameras.yard]", "lawn = [[0.1235, 0.5], [0.4, 0.5], [0.4, 0.9]]\n\n[cameras.yard]"
    )
    save_places(path, "door", [], before=[LAWN])
    assert path.read_text() == expected


def test_link_is_followed(tmp_path: Path) -> None:
    path = written(tmp_path, BY_HAND)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    save_places(link, "yard", [GATE], before=[])
    assert link.is_symlink()
    assert load_run_config(path).places_of("yard") == [GATE]


@pytest.mark.parametrize(
    ("text", "camera", "places", "message"),
    [
        pytest.param(BY_HAND, "attic", [], "expected one of the cameras door, yard, got attic.", id="no such camera"),
        pytest.param(BY_HAND, "door", [LAWN], "rule visitor: expected a zone as the place", id="a rule's zone is gone"),
        pytest.param(BY_HAND.replace("cam0", "ftp://x"), "door", [STEP], "expected a protocol", id="a broken file"),
        pytest.param(
            "[cameras.door]\nzones.a = [[0, 0], [1, 0], [1, 1]]\nzones.b = [[0, 0], [1, 0], [1, 1]]\nsource = 'cam0'\n",
            "door",
            [],
            "expected zones and lines as tables, like [cameras.door.zones], got another form. Write them so.",
            id="keys with dots within a table",
        ),
    ],
)
def test_what_cannot_be_written_changes_nothing(
    tmp_path: Path, text: str, camera: str, places: list[Place], message: str
) -> None:
    path = written(tmp_path, text)
    before = [STEP, OLD, *(zone_of(name, [[0, 0], [1, 0], [1, 1]]) for name in ("a", "b"))]
    with pytest.raises(InputError) as caught:
        save_places(path, camera, places, before=before)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]

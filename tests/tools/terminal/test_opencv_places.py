"""Which OpenCV there are, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.runtime import machine
from singleshot.tools.terminal import examination
from singleshot.tools.terminal.opencv_places import gstreamer_in, opencv_places

PIP_S, JETPACK_S = "    GStreamer:                   NO\n", "    GStreamer:                   YES (1.20.3)\n"


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """A package, nothing, and a single library as Debian has it."""
    (tmp_path / "pip" / "cv2").mkdir(parents=True)
    (tmp_path / "pip" / "cv2" / "__init__.py").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "cv2.abi3.so").touch()
    return [str(tmp_path / name) for name in ("pip", "empty", "nowhere", "debian", "pip")]


def test_places_are_in_pythons_order(folders: list[str]) -> None:
    assert opencv_places(folders) == [Path(folders[0]) / "cv2" / "__init__.py", Path(folders[3]) / "cv2.abi3.so"]
    assert opencv_places(folders[1:3]) == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param(f"  Video I/O:\n    FFMPEG: YES\n{JETPACK_S}", "1.20.3", id="JetPack's"),
        pytest.param("GStreamer: YES\n", "of unknown version", id="no version"),
        pytest.param(f"  Video I/O:\n    FFMPEG: YES\n{PIP_S}", None, id="pip's"),
        pytest.param("", None, id="nothing said"),
    ],
)
def test_gstreamer(text: str, version: str | None) -> None:
    assert gstreamer_in(text) == version


@pytest.mark.parametrize(
    ("build", "is_hiding", "state", "words"),
    [
        pytest.param(PIP_S, False, "ok", "without GStreamer", id="pip's alone"),
        pytest.param(JETPACK_S, True, "ok", "with GStreamer 1.20.3; not used: ", id="the better one is used"),
        pytest.param(PIP_S, True, "warning", "without GStreamer; not used: ", id="pip's hides another"),
    ],
)
def test_doctor_says_which_is_used_and_what_uncovers_the_other(
    build: str, is_hiding: bool, state: str, words: str, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv2.getBuildInformation", lambda: build)
    monkeypatch.setattr(examination, "system_folders", lambda: folders[3:4] if is_hiding else [])
    monkeypatch.setattr(machine, "version_of", {"opencv-python": "5.0"}.get)
    finding = examination.opencv_finding()
    assert finding.state == state
    assert finding.found.startswith("opencv-python 5.0 from ")
    assert "the first on Python's path" in finding.found
    assert words in finding.found
    assert ("pip uninstall -y opencv-python" in finding.advice) == (state == "warning")


def test_an_opencv_of_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "version_of", {}.get)
    monkeypatch.setattr(examination, "system_folders", list)
    assert ", of none of its packages, from " in examination.opencv_finding().found

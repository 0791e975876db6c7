"""Files are written whole or not at all, and that they can be is found out before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.files import cache_folder, check_can_write, whole_file


def test_what_cannot_be_written_is_found_out_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_can_write(tmp_path / "new" / "deep" / "x.onnx")
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="expected the name of a file to write, got a folder"):
        check_can_write(tmp_path)
    with pytest.raises(InputError, match=r"file/x\.onnx: expected a place that can be written to, got .*, which is a"):
        check_can_write(tmp_path / "file" / "x.onnx")
    with pytest.raises(InputError, match=r"expected a place that can be written to, got File name too long\."):
        check_can_write(tmp_path / ("m" * 300 + ".onnx"))
    longest = tmp_path / ("m" * 250 + ".onnx")
    check_can_write(longest)
    with whole_file(longest) as path:
        path.write_text("whole")
    assert longest.read_text() == "whole"


def test_a_folder_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"which cannot\. Name another"):
        check_can_write(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("named", "base"),
    [
        pytest.param("/var/cache/me", Path("/var/cache/me"), id="as the environment says"),
        pytest.param("here", Path.home() / ".cache", id="a relative one does not count, by the XDG rules"),
        pytest.param("", Path.home() / ".cache", id="none"),
    ],
)
def test_the_users_cache(named: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert cache_folder("proofs") == base / "singleshot" / "proofs"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("file/x.onnx", "File exists", id="a file for a folder"),
        pytest.param("x" * 300 + "/x.onnx", "File name too long", id="a folder that the file system does not take"),
    ],
)
def test_what_cannot_be_begun_is_one_line(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=rf"onnx: expected a place that can be written to, got {reason}\."),
        whole_file(tmp_path / name),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

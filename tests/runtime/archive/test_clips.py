"""Recordings are found in folders and by patterns, and named by where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from singleshot.runtime.archive.clips import find_clips
from singleshot.runtime.errors import InputError

WriteVideo = Callable[..., Path]


@pytest.fixture
def archive(tmp_path: Path, write_video: WriteVideo) -> Path:
    folder = tmp_path / "archive"
    (folder / "yard cam").mkdir(parents=True)
    (folder / ".trash").mkdir()
    clip = write_video(times_s=[0, 0.5, 1.0])
    for name in ("b.mp4", "yard cam/a.MKV", ".trash/gone.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "broken.mov").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("no video")
    return folder


def test_folder_and_all_below_it(archive: Path) -> None:
    told: list[tuple[str, int, int]] = []
    clips = find_clips(archive, lambda *progress: told.append(progress))
    assert [clip.name for clip in clips] == ["b.mp4", "broken.mov", "yard cam/a.MKV"]
    assert clips[0].seconds == pytest.approx(1.5, abs=0.6)
    assert (clips[0].error, clips[1].seconds) == ("", 0)
    assert "broken.mov: expected a video" in clips[1].error
    assert told[-1] == ("reading lengths", 3, 3)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        pytest.param("**/*.mp4", ["b.mp4"], id="a pattern"),
        pytest.param("**/*.[mM]*", ["b.mp4", "broken.mov", "yard cam/a.MKV"], id="a pattern over folders"),
        pytest.param("yard cam/a.MKV", ["a.MKV"], id="a file"),
    ],
)
def test_pattern_or_file(archive: Path, pattern: str, names: list[str]) -> None:
    assert [clip.name for clip in find_clips(f"{archive}/{pattern}")] == names


@pytest.mark.parametrize("place", ["none", "none/*.mp4", "archive/notes*"])
def test_no_recording_is_refused(archive: Path, place: str) -> None:
    with pytest.raises(InputError, match=r"expected recordings \(.*\.mp4.*\), got none\. Name a folder"):
        find_clips(archive.parent / place)

"""What cannot be written is refused before a source is opened, and nothing is made by looking."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sinks.image_folder import ImagesSink
from singleshot.runtime.sinks.json_lines import JsonLinesSink
from singleshot.runtime.sinks.outputs import Outputs, check_outputs
from singleshot.runtime.sinks.segments import Segments
from singleshot.runtime.sources.image_folder import ImagesSource

CAMERA = "rtsp://admin:secret@127.0.0.1:1/cam"
"""Nothing answers there: what is refused, is so before anything is opened."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a clip, photos and somebody's files."""
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), np.full((8, 8, 3), 77, np.uint8))
    (tmp_path / "clip.mp4").write_bytes(b"a clip")
    (tmp_path / "moving.gif").write_bytes(b"pictures")
    (tmp_path / "folder").mkdir()
    (tmp_path / "unreal").write_text("somebody's")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "photos" / "a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


CUT = Segments(length_s=60)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        pytest.param(
            [(CAMERA, Outputs(save="out.avi"))],
            "out.avi: expected a video's name ending in .mp4 or .mkv, got '.avi'.",
            id="a camera is no avi",
        ),
        pytest.param(
            [("cam0", Outputs(save="folder"))],
            "folder: expected a video's name ending in .mp4 or .mkv, got 'no suffix'.",
            id="a camera is no folder",
        ),
        pytest.param(
            [("photos/a.png", Outputs(save="a.mp4"))],
            "a.mp4: expected a folder for annotated images, got a file's name.",
            id="an image is no video",
        ),
        pytest.param(
            [("photos/a.png", Outputs(save="out", segments=CUT))],
            "--segment: expected --save with a video's name, got none. Images and lines are not cut.",
            id="images are not cut",
        ),
        pytest.param(
            [(CAMERA, Outputs(json_lines="out.jsonl", plain=True))],
            "--plain: expected --save with a video's name, got none. Images are there without drawings.",
            id="nothing to leave plain",
        ),
        pytest.param(
            [(CAMERA, Outputs(json_lines="out.jsonl", segments=CUT))],
            "--segment: expected --save with a video's name, got none. Images and lines are not cut.",
            id="lines are not cut",
        ),
        pytest.param(
            [(CAMERA, Outputs(json_lines=Path("rtsp://admin:secret@host/x")))],
            "rtsp://: expected the name of a file to write, got a URL.",
            id="a URL is no file, and its password is not said",
        ),
        pytest.param(
            [(CAMERA, Outputs(save="clip.mp4/x.mp4"))],
            "clip.mp4/x.mp4: expected a place that can be written to, got clip.mp4, which is a file.",
            id="a file where a folder should be",
        ),
        pytest.param(
            [(CAMERA, Outputs(json_lines="folder"))],
            "folder: expected the name of a file to write, got a folder. Name a file in it.",
            id="a folder where a file should be",
        ),
        pytest.param(
            [(CAMERA, Outputs(save="m" * 300 + ".mp4"))],
            "m" * 300 + ".mp4: expected a file that can be written to, got File name too long.",
            id="a name that is too long",
        ),
        pytest.param(
            [("photos/a.png", Outputs(save="clip.mp4/x"))],
            "clip.mp4/x: expected a place that can be written to, got clip.mp4, which is a file.",
            id="images, no folder",
        ),
        pytest.param(
            [("photos/a.png", Outputs(save="unreal"))],
            "unreal: expected a folder, got a file. Name another.",
            id="images, a file is there",
        ),
        pytest.param(
            [("clip.mp4", Outputs(json_lines="clip.mp4"))],
            "clip.mp4: expected another place than the input, got the input itself.",
            id="the input",
        ),
        pytest.param(
            [("photos", Outputs(json_lines="link.jsonl"))],
            "link.jsonl: expected another place than the input, got the input itself.",
            id="an image of the input, by a link",
        ),
        pytest.param(
            [("pho*/*.png", Outputs(json_lines="photos/b.png"))],
            "photos/b.png: expected another place than the input, got the input itself.",
            id="an image that the pattern matches",
        ),
        pytest.param(
            [(CAMERA, Outputs(save="clip.mp4")), ("clip.mp4", Outputs())],
            "clip.mp4: expected another place than the input, got the input itself.",
            id="what another camera reads",
        ),
        pytest.param(
            [(CAMERA, Outputs(save="new/out.mp4", json_lines="folder/../new/out.mp4"))],
            "new/out.mp4: expected a name of its own for each output, got one that stands twice.",
            id="one file for both",
        ),
        pytest.param(
            [("cam0", Outputs(json_lines="out.jsonl")), ("cam1", Outputs(json_lines="out.jsonl"))],
            "out.jsonl: expected a name of its own for each output, got one that stands twice.",
            id="one file of two cameras",
        ),
        pytest.param(
            [("photos/a.png", Outputs(save="folder")), ("photos/b.png", Outputs(save="folder/"))],
            "folder: expected a name of its own for each output, got one that stands twice.",
            id="one folder of two sources",
        ),
        pytest.param(
            [("gopher://x", Outputs())], "gopher://x: expected a protocol of rtsp, rtsps,", id="no such protocol"
        ),
    ],
)
def test_what_is_refused_before_a_source_is_opened(
    place: Path, runs: Sequence[tuple[str, Outputs]], message: str
) -> None:
    before = contents(place)
    with pytest.raises(InputError) as caught:
        check_outputs(runs)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)
    assert contents(place) == before


def test_what_can_be_written_is_not_made_yet(place: Path) -> None:
    (place / "out.jsonl").write_text("of before\n")
    before = contents(place)
    check_outputs(
        [
            (CAMERA, Outputs(save="new/deep/out.mp4", json_lines="out.jsonl", segments=CUT)),
            ("cam1", Outputs(json_lines="-")),
            ("cam2", Outputs(json_lines="-", save="out.mkv")),
            ("moving.gif", Outputs(save="gif.mp4")),
            ("photos", Outputs(save="folder", json_lines="/dev/null")),
            ("photos/a.png", Outputs(save="new/pictures", json_lines="/dev/null")),
            ("none/*.png", Outputs(save="more")),
            ("m" * 300, Outputs()),  # whoever opens it complains
        ]
    )
    assert contents(place) == before


def test_what_another_run_writes(place: Path) -> None:
    lines, images = JsonLinesSink(place / "out.jsonl"), ImagesSink(place / "out", ImagesSource("none", []))
    with pytest.raises(InputError, match=r"out\.jsonl: expected a file that nothing else writes"):
        check_outputs([(CAMERA, Outputs(json_lines=place / "out.jsonl"))])
    with pytest.raises(InputError, match="out: expected a folder that nothing else writes into"):
        check_outputs([("photos/a.png", Outputs(save=place / "out"))])
    with pytest.raises(InputError, match="out: expected a folder that nothing else writes into"):
        ImagesSink(place / "out", ImagesSource("none", []))
    lines.close()
    images.close()
    check_outputs([("photos/a.png", Outputs(save=place / "out", json_lines=place / "out.jsonl"))])


def test_a_folder_that_takes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="folder: expected a folder that can be written to, got Permission denied"):
        check_outputs([("photos/a.png", Outputs(save="folder"))])


def test_a_file_system_without_locks_is_written_to(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int, _how: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")  # as NFS says of a folder

    monkeypatch.setattr("fcntl.flock", refuse)
    sinks = [JsonLinesSink(place / "out.jsonl"), ImagesSink(place / "folder", ImagesSource("none", []))]
    for sink in sinks:
        sink.close()


def test_a_link_to_what_is_not_there_yet_stays(place: Path) -> None:
    (place / "latest.jsonl").symlink_to(place / "new.jsonl")
    JsonLinesSink(place / "latest.jsonl").close()
    assert (place / "latest.jsonl").is_symlink()
    assert not (place / "new.jsonl").exists()

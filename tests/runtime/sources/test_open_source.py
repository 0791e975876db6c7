"""What the user may mean by a source."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.sources.image_folder import images_in_folder
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.video import VideoSource
from singleshot.tests.places import FIXTURES


def save_image(path: Path, value: int, *, height: int = 20, width: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number, name in enumerate(("c.png", "a.jpg", "b.JPG")):
        save_image(folder / name, 40 * number)
    save_image(folder / "deeper" / "d.png", 200)
    (folder / "notes.txt").write_text("no image")
    return folder


def names(spec: str) -> list[str]:
    with open_source(spec) as source:
        assert source.kind == "images"
        return [Path(frame.source).name for frame in source]


def test_folder_is_sorted_and_flat(photos: Path) -> None:
    assert names(str(photos)) == ["a.jpg", "b.JPG", "c.png"]


def test_glob_goes_as_deep_as_it_says(photos: Path) -> None:
    assert names(f"{photos}/*.png") == ["c.png"]
    assert names(f"{photos}/**/*.png") == ["c.png", "d.png"]


def test_single_image(photos: Path) -> None:
    with open_source(str(photos / "a.jpg")) as source:
        (frame,) = source
    assert (frame.index, frame.time_s, frame.source) == (0, 0.0, str(photos / "a.jpg"))
    assert frame.image.shape == (20, 30, 3)


def test_glob_says_what_it_left_out(photos: Path) -> None:
    with open_source(f"{photos}/*.*") as source:
        assert len(list(source)) == 3
        (warning,) = source.warnings
        assert warning.startswith(f"{photos}/*.*: 1 of 4 files are no images and were left out (first: notes.txt).")


def test_folder_says_what_it_left_out(photos: Path, dog_clip: Path) -> None:
    for number in range(37):
        (photos / f"clip{number:02d}.mp4").symlink_to(dog_clip)
    with open_source(photos) as source:
        (warning,) = source.warnings
    assert warning == (
        f"{photos}: 37 of 40 files are no images and were left out (first: clip00.mp4). "
        "Each video is given by its own name."
    )


def test_file_that_is_called_like_a_protocol(dog_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "2024-01-01T12:30:00.mp4").symlink_to(dog_clip)
    (tmp_path / os.fsdecode(b"l\xe4rm.mp4")).symlink_to(dog_clip)
    monkeypatch.chdir(tmp_path)
    for name in ("2024-01-01T12:30:00.mp4", os.fsdecode(b"l\xe4rm.mp4")):
        with open_source(name) as source:
            assert next(iter(source)).source == name


def test_broken_image_is_named_skipped_and_counted(photos: Path) -> None:
    (photos / "b.JPG").write_bytes(b"broken")
    with open_source(str(photos)) as source:
        assert [frame.index for frame in source] == [0, 2]
        first, last = source.warnings
    assert first.startswith(f"skipped {photos / 'b.JPG'}: ")
    assert last == f"{photos}: skipped 1 of 3 images as unreadable."


def test_phone_picture_of_tiles_is_read_whole(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    path = FIXTURES / "grid.heic"
    with open_source(path) as source:
        (frame,) = source
    assert frame.image.shape == (768, 1024, 3)
    corners = frame.image[[100, 100, 700, 700], [100, 900, 100, 900]].astype(int)
    assert np.abs(corners - [[200, 30, 30], [0, 0, 0], [20, 200, 60], [20, 200, 60]]).max() <= 6
    data = bytearray(path.read_bytes())
    (tmp_path / "cut.heic").write_bytes(data[:-400])
    data[40:400] = bytes(360)
    (tmp_path / "broken.heic").write_bytes(data)
    for name, message in (
        ("cut.heic", "expected a whole image, got one that"),
        ("broken.heic", "expected a HEIC pict"),
    ):
        with open_source(tmp_path / name) as source, pytest.raises(InputError, match=f"{name}: {message}"):
            list(source)


@pytest.mark.parametrize("name", ["photo.mov", "upload", "photo.jpg"])
def test_phone_picture_of_tiles_is_told_by_what_is_in_it(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pillow_heif")
    (tmp_path / name).write_bytes((FIXTURES / "grid.heic").read_bytes())
    with open_source(tmp_path / name) as source:
        assert [frame.image.shape for frame in source] == [(768, 1024, 3)]


def test_files_of_several_pictures_are_named(photos: Path) -> None:
    several = [np.full((20, 30, 3), 60 * number, np.uint8) for number in range(3)]
    for name in ("d.tif", "e.tif"):
        assert cv2.imwritemulti(str(photos / name), several)
    with open_source(photos) as source:
        assert len(list(source)) == 5
    assert source.warnings == (
        f"{photos / 'd.tif'} has 3 pictures, and 1 other files have several; the first one was looked at.",
    )
    with open_source(photos / "e.tif") as source:
        assert len(list(source)) == 1
    assert source.warnings == (f"{photos / 'e.tif'} has 3 pictures; the first one was looked at.",)


@pytest.mark.parametrize("suffix", [".png", ".avif"])
def test_pictures_that_move_are_played(tmp_path: Path, suffix: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    first, *others = (pillow.fromarray(np.full((32, 32, 3), 60 * number, np.uint8)) for number in range(3))
    first.save(tmp_path / f"moves{suffix}", save_all=True, append_images=others, duration=100)
    with open_source(tmp_path / f"moves{suffix}") as source:
        assert [frame.time_s for frame in source] == pytest.approx([0, 0.1, 0.2], abs=0.01)
    assert source.kind == "video"


def test_phone_picture_without_its_reader_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with open_source(FIXTURES / "grid.heic") as source, pytest.raises(MissingDependencyError) as caught:
        list(source)
    assert "grid.heic: HEIC needs the package 'pillow_heif'" in str(caught.value)
    assert "pip install 'singleshot[heic]'" in str(caught.value)


def test_folder_of_broken_images_decodes_to_nothing(photos: Path) -> None:
    for name in ("a.jpg", "b.JPG", "c.png"):
        (photos / name).write_bytes(b"broken")
    with open_source(str(photos)) as source, pytest.raises(InputError) as caught:
        list(source)
    assert str(caught.value).startswith(
        f"{photos}: expected images, got 3 that cannot be decoded. {photos / 'a.jpg'}: "
    )


def test_single_broken_image(photos: Path) -> None:
    (photos / "a.jpg").write_bytes(b"broken")
    with open_source(str(photos / "a.jpg")) as source, pytest.raises(InputError, match=r"a\.jpg: expected an image"):
        list(source)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("no_such.mp4", "expected a video, an image, a folder, a glob or a camera like cam0", id="missing"),
        pytest.param("{}/" + "m" * 300 + ".mp4", "expected a source of frames, got File name too long", id="long name"),
        pytest.param("", "--video: expected a source, got an empty name.", id="a shell's variable that is not set"),
        pytest.param("cam99", "cam99: expected a camera, got none that can be opened.", id="camera"),
        pytest.param("99", "cam99: expected a camera, got none that can be opened.", id="camera by number"),
        pytest.param(
            "{}/deeper/*.jpg",
            "expected a pattern that matches images, got no match. Check the path.",
            id="glob, no match",
        ),
        pytest.param("{}/*.txt", "expected images, got 1 files that are none", id="glob of something else"),
        pytest.param("{}/empty", "expected a folder of images, got none", id="empty folder"),
        pytest.param(
            "{}/films",
            "expected a folder of images, got 2 videos (first: a.mp4). Each video is given by its own name.",
            id="folder of videos",
        ),
    ],
)
def test_what_is_no_source(photos: Path, capfd: pytest.CaptureFixture[str], spec: str, message: str) -> None:
    (photos / "empty").mkdir()
    (photos / "films").mkdir()
    for name in ("a.mp4", "b.mkv", "list.txt"):
        (photos / "films" / name).touch()
    with pytest.raises(InputError) as caught:
        open_source(spec.format(photos))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # OpenCV's own lines about cameras stay away


def test_what_went_away_after_it_was_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: expected a folder of images, got No such file or directory\."):
        images_in_folder(tmp_path / "gone")
    with pytest.raises(InputError, match=r"gone\.mp4: expected a video, got No such file or directory\."):
        VideoSource(tmp_path / "gone.mp4")


def test_files_lose_no_frame(photos: Path) -> None:
    with pytest.raises(
        InputError, match=r"--policy latest: expected a camera or stream, got .*\. Files lose no frame\."
    ):
        open_source(photos, policy="latest")

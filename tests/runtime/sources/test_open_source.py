"""What the user may mean by a source."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.open_source import open_source


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
        assert source.warnings == (f"{photos}/*.*: 1 of 4 matches are no images and were left out.",)


def test_broken_image_is_named_skipped_and_counted(photos: Path) -> None:
    (photos / "b.JPG").write_bytes(b"broken")
    with open_source(str(photos)) as source:
        assert [frame.index for frame in source] == [0, 2]
        first, last = source.warnings
    assert first.startswith(f"skipped {photos / 'b.JPG'}: ")
    assert last == f"{photos}: skipped 1 of 3 images as unreadable."


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
        pytest.param("cam99", "cam99: expected a camera, got none that can be opened.", id="camera"),
        pytest.param("99", "cam99: expected a camera, got none that can be opened.", id="camera by number"),
        pytest.param("{}/deeper/*.jpg", "expected a pattern that matches images, got no match.", id="glob, no match"),
        pytest.param("{}/*.txt", "expected images, got 1 files that are none", id="glob of something else"),
        pytest.param("{}/empty", "expected a folder of images, got none", id="empty folder"),
    ],
)
def test_what_is_no_source(photos: Path, capfd: pytest.CaptureFixture[str], spec: str, message: str) -> None:
    (photos / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        open_source(spec.format(photos))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # OpenCV's own lines about cameras stay away

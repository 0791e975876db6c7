"""Folders with all their sub-folders, and videos, as one list of named images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.calib.int8.image_pool import ImagePool, sha256_of_pixels
from singleshot.runtime.errors import InputError
from singleshot.tests.conftest import WriteVideo

GREY = np.full((8, 12, 3), 100, np.uint8)


def write(path: Path, image: np.ndarray = GREY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def test_folder_and_its_sub_folders_in_order(tmp_path: Path) -> None:
    for name in ("b/2.png", "a.png", "b/c/1.jpg", ".hidden.png"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    write(tmp_path / "elsewhere" / "3.png")
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b", ".hidden.png"):
        (tmp_path / name).rename(tmp_path / "photos" / name)
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    pool = ImagePool(tmp_path / "photos")
    assert pool.names == ("a.png", "b/2.png", "b/c/1.jpg", "linked/3.png")
    assert [name for name, _ in pool.images(["b/c/1.jpg", "a.png", "gone.png"])] == ["a.png", "b/c/1.jpg"]
    assert all(image.shape == (8, 12, 3) for _, image in pool.images(pool.names))


def test_frames_of_a_video(write_video: WriteVideo) -> None:
    pool = ImagePool(write_video(times_s=[number / 25 for number in range(6)]))
    assert pool.names == tuple(f"frame {number:06d}" for number in range(6))
    (first, darker), (second, brighter) = pool.images(["frame 000004", "frame 000001"])
    assert (first, second) == ("frame 000001", "frame 000004")
    assert brighter[-1, -1].mean() > darker[-1, -1].mean()


def test_broken_image_is_left_out_and_named_once(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    pool = ImagePool(tmp_path)
    for _ in range(2):
        assert [name for name, _ in pool.images(pool.names)] == ["a.png"]
    assert len(pool.problems) == 1
    assert "b.png" in pool.problems[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "empty", r"empty: expected images \(.*\), got none, in its sub-folders neither\. Name a", id="empty"
        ),
        pytest.param(
            "gone", r"gone: expected a folder of images or a video, got nothing\. Check --images", id="missing"
        ),
        pytest.param("one.png", "one.png: expected a folder of images or a video, got one image", id="one image"),
        pytest.param("notes.txt", "notes.txt: expected a video", id="no video"),
    ],
)
def test_what_holds_no_images(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no video")
    write(tmp_path / "one.png")
    with pytest.raises(InputError, match=message):
        ImagePool(tmp_path / name)


def test_fingerprints_tell_names_and_pixels_apart(tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.png")
    write(tmp_path / "y" / "b.png")
    assert ImagePool(tmp_path / "x").listed_sha256 != ImagePool(tmp_path / "y").listed_sha256
    assert sha256_of_pixels(GREY) == sha256_of_pixels(GREY.copy())
    assert sha256_of_pixels(GREY) != sha256_of_pixels(GREY.reshape(12, 8, 3))
    assert sha256_of_pixels(GREY) != sha256_of_pixels(GREY + np.uint8(1))

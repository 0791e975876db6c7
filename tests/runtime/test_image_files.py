"""Image files: every form becomes BGR, and what is broken is said to be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import image_hw, read_image_bgr

HEIGHT, WIDTH = 24, 40


def _picture() -> NDArray[np.uint8]:
    """Blue left half, red right half, the lower half darker: every turn and channel order shows."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2, 0] = 240
    image[:, WIDTH // 2 :, 2] = 240
    image[HEIGHT // 2 :] //= 2
    return image


def _encoded(suffix: str, image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    return bytes(cv2.imencode(suffix, image)[1])


JPEG = _encoded(".jpg", _picture())
PNG = _encoded(".png", _picture())


def _with_exif_orientation(jpeg: bytes, orientation: int, thumbnail: bytes = b"") -> bytes:
    """Insert an APP1 segment: a TIFF header and one entry, tag 0x0112, a short."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\x00\x00"
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + b"\x00\x00\x00\x00" + thumbnail
    payload = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + jpeg[2:]


def _write(folder: Path, data: bytes, name: str = "image.jpg") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_pixels_are_those_that_were_written(tmp_path: Path, suffix: str) -> None:
    image = read_image_bgr(_write(tmp_path, _encoded(suffix, _picture()), f"image{suffix}"))
    np.testing.assert_array_equal(image, _picture())


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    image = read_image_bgr(_write(tmp_path, _encoded(".png", grey)))
    np.testing.assert_array_equal(image, np.stack([grey] * 3, axis=2))


def test_transparency_is_dropped(tmp_path: Path) -> None:
    alpha = np.full((HEIGHT, WIDTH, 1), 7, np.uint8)
    image = read_image_bgr(_write(tmp_path, _encoded(".png", np.concatenate([_picture(), alpha], axis=2))))
    np.testing.assert_array_equal(image, _picture())


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = _picture().astype(np.uint16) * 257
    image = read_image_bgr(_write(tmp_path, _encoded(".png", deep)))
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), _picture().astype(int), atol=1)


def test_a_path_need_not_be_ascii(tmp_path: Path) -> None:
    assert read_image_bgr(_write(tmp_path, JPEG, "schläfriger Hund 犬.jpg")).shape == (HEIGHT, WIDTH, 3)


def test_exif_orientation_is_followed_unless_the_stored_pixels_are_wanted(tmp_path: Path) -> None:
    path = _write(tmp_path, _with_exif_orientation(JPEG, 6))  # 6: turn right by 90 degrees to see it upright
    plain = read_image_bgr(_write(tmp_path, JPEG, "plain.jpg"))
    np.testing.assert_array_equal(read_image_bgr(path), cv2.rotate(plain, cv2.ROTATE_90_CLOCKWISE))
    np.testing.assert_array_equal(read_image_bgr(path, upright=False), plain)
    assert image_hw(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        pytest.param(b"", "got an empty file", id="an empty file"),
        pytest.param(b"not an image", "got 12 bytes that are none", id="a text"),
        pytest.param(JPEG[:-2], "got one that ends early", id="a JPEG without its end"),
        pytest.param(JPEG[:-40], "got one that ends early", id="a JPEG cut within its picture"),
        pytest.param(PNG[: len(PNG) // 2], "got one that ends early", id="half a PNG"),
        pytest.param(JPEG[:20], "got 20 bytes that are none", id="the first bytes of a JPEG"),
        pytest.param(
            _with_exif_orientation(JPEG, 1, thumbnail=JPEG)[:-40],
            "got one that ends early",
            id="a whole thumbnail only",
        ),
    ],
)
def test_a_broken_image_is_named(tmp_path: Path, data: bytes, got: str) -> None:
    path = _write(tmp_path, data)
    with pytest.raises(InputError) as raised:
        read_image_bgr(path)
    assert str(raised.value).startswith(f"{path}: expected ")
    assert got in str(raised.value)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jpg: expected an image file, got: No such file"):
        read_image_bgr(tmp_path / "nowhere.jpg")


def test_bytes_after_the_end_do_no_harm(tmp_path: Path) -> None:
    assert read_image_bgr(_write(tmp_path, JPEG + b"written by some camera")).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_the_size_is_height_then_width(tmp_path: Path, suffix: str) -> None:
    assert image_hw(_write(tmp_path, _encoded(suffix, _picture()), f"image{suffix}")) == (HEIGHT, WIDTH)


@given(length=st.integers(0, len(JPEG) - 1))
def test_no_cut_jpeg_is_taken_for_whole(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = _write(tmp_path_factory.mktemp("cut"), JPEG[:length])
    with pytest.raises(InputError):
        read_image_bgr(path)


@pytest.mark.parametrize("read", [read_image_bgr, image_hw])
@given(tail=st.binary(max_size=60))
def test_wrong_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, read: Callable[[Path], object], tail: bytes
) -> None:
    path = _write(tmp_path_factory.mktemp("wrong"), b"\xff\xd8\xff" + tail)
    with suppress(InputError):
        read(path)

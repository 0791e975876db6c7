"""Image files: every form becomes BGR, and what is broken is said to be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import image_header, image_hw, read_first_picture, read_image_bgr
from singleshot.runtime.many_pictures import pictures_in
from singleshot.tests.fixtures.exif import with_exif_orientation

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
PROGRESSIVE = bytes(cv2.imencode(".jpg", _picture(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
NOISE = _encoded(".jpg", np.random.default_rng(0).integers(0, 255, (40, 56, 3), np.uint8))
PNG = _encoded(".png", _picture())


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


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["little", "big"])
def test_pictures_are_upright(tmp_path: Path, orientation: int, order: Literal["little", "big"]) -> None:
    path = _write(tmp_path, with_exif_orientation(JPEG, orientation, order=order))
    stored = read_image_bgr(_write(tmp_path, JPEG, "plain.jpg"))
    seen = {  # by EXIF's own words, where the stored first row and first column are when one looks at the picture
        2: stored[:, ::-1],  # top, right
        3: stored[::-1, ::-1],  # bottom, right
        4: stored[::-1],  # bottom, left
        5: stored.transpose(1, 0, 2),  # left, top
        6: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),  # right, top
        7: stored[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
        8: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),  # left, bottom
    }.get(orientation, stored)
    np.testing.assert_array_equal(read_image_bgr(path), seen)
    assert image_hw(path) == seen.shape[:2]
    header = image_header(path)
    assert header is not None
    assert (header.stored_hw_px, header.hw_px) == ((HEIGHT, WIDTH), seen.shape[:2])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_upright(tmp_path: Path, orientation: int) -> None:
    """Its orientation is not EXIF's: boxes of its own say it, which Pillow writes."""
    pillow = pytest.importorskip("PIL.Image")
    if not pytest.importorskip("PIL.features").check("avif") or not cv2.haveImageWriter("a.avif"):
        pytest.skip("no AVIF here")
    exif = pillow.Exif()
    exif[0x0112] = orientation
    stored = tmp_path / "stored.avif"
    pillow.fromarray(_picture()[..., ::-1].copy()).save(stored, quality=95, exif=exif)
    like = _write(tmp_path, with_exif_orientation(_encoded(".jpg", _picture()), orientation), "like.jpg")
    expected = read_image_bgr(like).astype(int)
    found = read_image_bgr(stored).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 20


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"MM\x00\x2a\xff\xff\xff\xff", id="a directory beyond the end"),
        pytest.param(b"MM\x00\x2a\x00\x00\x00\x08\xff\xff\x01\x12", id="fewer entries than it says"),
        pytest.param(b"nonsense of some camera", id="no TIFF"),
    ],
)
def test_exif_that_says_nothing_turns_nothing(tmp_path: Path, exif: bytes) -> None:
    payload = b"Exif\x00\x00" + exif
    data = JPEG[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + JPEG[2:]
    path = _write(tmp_path, data)
    assert image_hw(path) == read_image_bgr(path).shape[:2] == (HEIGHT, WIDTH)


def _with_png_exif(orientation: int) -> bytes:
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + bytes(
        [0, orientation, 0, 0, 0, 0, 0, 0]
    )
    chunk = b"eXIf" + tiff
    return PNG[:33] + len(tiff).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + PNG[33:]


@pytest.mark.parametrize(
    ("name", "data", "has_header"),
    [
        pytest.param("a.png", PNG, True, id="a PNG"),
        pytest.param("a.png", _with_png_exif(6), False, id="a PNG with EXIF"),
        pytest.param("a.bmp", _encoded(".bmp", _picture()), False, id="a BMP"),
        pytest.param("a.webp", _encoded(".webp", _picture()), False, id="a WebP"),
    ],
)
def test_sizes_of_other_formats_are_those_of_what_is_decoded(
    tmp_path: Path, name: str, data: bytes, has_header: bool
) -> None:
    path = _write(tmp_path, data, name)
    assert (image_header(path) is not None) == has_header
    assert image_hw(path) == read_image_bgr(path).shape[:2]


@pytest.mark.parametrize(
    "data", [b"", b"none", JPEG[:20], PNG[:10]], ids=["empty", "a text", "half a head", "no chunk"]
)
def test_no_image_has_no_head(tmp_path: Path, data: bytes) -> None:
    assert image_header(_write(tmp_path, data)) is None
    with pytest.raises(InputError, match=r"expected (an image that OpenCV can decode|a whole image)"):
        image_hw(tmp_path / "image.jpg")


@pytest.mark.parametrize(
    ("data", "got"),
    [
        pytest.param(b"", "got an empty file", id="an empty file"),
        pytest.param(b"not an image", "got 12 bytes that are none", id="a text"),
        pytest.param(PROGRESSIVE[:-2], "got one that ends early", id="a progressive JPEG without its end"),
        pytest.param(JPEG[:-40], "got one that ends early", id="a JPEG cut within its picture"),
        pytest.param(PNG[: len(PNG) // 2], "got one that ends early", id="half a PNG"),
        pytest.param(JPEG[:20], "got 20 bytes that are none", id="the first bytes of a JPEG"),
        pytest.param(
            with_exif_orientation(JPEG, 1, thumbnail=JPEG)[:-40],
            "got one that ends early",
            id="a whole thumbnail only",
        ),
    ],
)
def test_a_broken_image_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes, got: str) -> None:
    path = _write(tmp_path, data)
    with pytest.raises(InputError) as raised:
        read_image_bgr(path)
    assert str(raised.value).startswith(f"{path}: expected ")
    assert got in str(raised.value)
    assert capfd.readouterr().err == ""  # nor do the libraries complain besides


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    for read in (read_image_bgr, image_header):
        with pytest.raises(InputError, match=r"nowhere\.jpg: expected an image file, got: No such file"):
            read(tmp_path / "nowhere.jpg")


def test_bytes_after_the_end_do_no_harm(tmp_path: Path) -> None:
    assert read_image_bgr(_write(tmp_path, JPEG + b"written by some camera")).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_the_size_is_height_then_width(tmp_path: Path, suffix: str) -> None:
    assert image_hw(_write(tmp_path, _encoded(suffix, _picture()), f"image{suffix}")) == (HEIGHT, WIDTH)


@given(jpeg=st.sampled_from([JPEG, PROGRESSIVE, NOISE]), cut=st.floats(0, 1, exclude_max=True))
def test_no_cut_jpeg_is_taken_for_whole(tmp_path_factory: pytest.TempPathFactory, jpeg: bytes, cut: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = _write(folder, jpeg[: int(cut * len(jpeg))])
    with suppress(InputError):
        np.testing.assert_array_equal(read_image_bgr(path), read_image_bgr(_write(folder, jpeg, "whole.jpg")))


@pytest.mark.parametrize("data", [pytest.param(JPEG, id="flat"), pytest.param(NOISE, id="grained")])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(tmp_path: Path, data: bytes) -> None:
    path = _write(tmp_path, data[:-2])
    header = image_header(path)
    assert header is not None
    assert not header.has_end
    np.testing.assert_array_equal(read_image_bgr(path), read_image_bgr(_write(tmp_path, data, "whole.jpg")))


@pytest.mark.parametrize("read", [read_image_bgr, image_hw])
@given(tail=st.binary(max_size=60))
def test_wrong_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, read: Callable[[Path], object], tail: bytes
) -> None:
    path = _write(tmp_path_factory.mktemp("wrong"), b"\xff\xd8\xff" + tail)
    with suppress(InputError):
        read(path)


@pytest.mark.parametrize(
    ("suffix", "pictures"),
    [
        pytest.param(".jpg", 1, id="one picture"),
        pytest.param(".gif", 3, id="a GIF"),
        pytest.param(".png", 3, id="a PNG that moves"),
        pytest.param(".webp", 3, id="a WebP that moves"),
        pytest.param(".tif", 3, id="a TIFF of three pages"),
        pytest.param(".avif", 3, id="a sequence of AVIF"),
    ],
)
def test_pictures_in_a_file_are_counted(tmp_path: Path, suffix: str, pictures: int) -> None:
    pillow = pytest.importorskip("PIL.Image")
    first, *others = (pillow.fromarray(np.roll(_picture(), 8 * number, axis=1)) for number in range(pictures))
    path = tmp_path / f"several{suffix}"
    first.save(path, **({"save_all": True, "append_images": others} if others else {}))
    assert read_first_picture(path)[1] == pictures


def test_smaller_copies_in_a_tiff_are_no_pictures() -> None:
    kinds = [0, 1, 4]  # of NewSubfileType: a picture, its thumbnail, its mask
    pages = b""
    for number, kind in enumerate(kinds):
        following = 8 + 18 * (number + 1) if number + 1 < len(kinds) else 0
        entry = struct.pack("<HHII", 0x00FE, 4, 1, kind)
        pages += struct.pack("<H", 1) + entry + struct.pack("<I", following)
    assert pictures_in(b"II*\x00" + struct.pack("<I", 8) + pages) == 1


@pytest.mark.parametrize(
    ("suffix", "part"),
    [
        pytest.param(".webp", 0.5, id="WebP"),
        pytest.param(".avif", 0.9, id="AVIF"),
        pytest.param(".gif", 0.7, id="GIF"),
    ],
)
def test_what_ends_early_is_refused(
    tmp_path: Path, suffix: str, part: float, capfd: pytest.CaptureFixture[str]
) -> None:
    data = _encoded(suffix, np.random.default_rng(0).integers(0, 255, (40, 56, 3), np.uint8))
    assert read_image_bgr(_write(tmp_path, data)).shape == (40, 56, 3)
    with pytest.raises(InputError, match="expected a whole image, got one that ends early"):
        read_image_bgr(_write(tmp_path, data[: int(part * len(data))]))
    assert capfd.readouterr().err == ""


def test_video_that_is_called_an_image_is_named(dog_clip: Path) -> None:
    with pytest.raises(InputError, match=r"got a video; name it as one, as in clip\.mp4"):
        read_image_bgr(dog_clip)


def test_opencv_keeps_its_own_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    deep = bytes(cv2.imencode(".tif", np.zeros((8, 8, 3), np.float32))[1])
    with pytest.raises(InputError, match="expected an image that OpenCV can decode"):
        read_image_bgr(_write(tmp_path, deep, "deep.tif"))
    assert capfd.readouterr().err == ""

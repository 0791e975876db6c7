"""Image files become BGR arrays in one place, so that every part sees the same pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .files import StrPath

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""What counts as an image when a folder is searched; compared in lower case."""

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


def read_image_bgr(path: StrPath, *, upright: bool = True) -> NDArray[np.uint8]:
    """Decode an image file; grey becomes three equal channels, transparency is dropped, 16 bits become 8.

    Args:
        path: a file in any format that OpenCV reads.
        upright: turn the picture as its EXIF orientation says, which is what a person sees. Labels of VOC and
            ImageNet speak of the pixels as stored: read those with `upright=False`.

    Returns:
        [height, width, 3] uint8, BGR.

    Raises:
        InputError: the file is missing, is no image, or ends early (OpenCV alone would fill the rest with grey).
            Wrong bytes in the middle of a whole file are not noticed.
    """
    path = Path(path)
    data = _bytes_of(path)
    if _is_cut_short(data):
        raise InputError(f"{path}: expected a whole image, got one that ends early. Copy or download it again.")
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"{path}: expected an image that OpenCV can decode, got {_content(data)}. Replace the file.")
    return np.asarray(image, np.uint8)


def image_hw(path: StrPath) -> tuple[int, int]:
    """Find the stored height and width in pixels, EXIF orientation not applied; JPEGs are not decoded.

    Raises:
        InputError: the file is missing or is no image.
    """
    path = Path(path)
    header = _jpeg_header(_bytes_of(path))
    if header is not None:
        return header[0]
    height, width = read_image_bgr(path, upright=False).shape[:2]
    return height, width


def _bytes_of(path: Path) -> bytes:
    """Read by Python, since OpenCV's own reader fails on some non-ASCII paths."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected an image file, got: {error.strerror}. Check the path.") from error


def _content(data: bytes) -> str:
    return f"{len(data)} bytes that are none" if data else "an empty file"


def _is_cut_short(data: bytes) -> bool:
    if data.startswith(_PNG_START):
        return b"IEND" not in data[-64:]
    header = _jpeg_header(data)
    if header is None:
        return False
    # After the start of scan a 0xFF of the picture is followed by 0x00, so the end marker cannot occur by chance;
    # before it, it can (in an EXIF thumbnail), which is why the search starts there.
    return data.find(_JPEG_END, header[1]) < 0


def _jpeg_header(data: bytes) -> tuple[tuple[int, int], int] | None:
    """Walk a JPEG's segments to ((height, width), offset of the first scan); None if it is no JPEG or has no frame."""
    if not data.startswith(_JPEG_START):
        return None
    hw: tuple[int, int] | None = None
    at = len(_JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _MARKERS_WITHOUT_LENGTH:
            at += 2
        elif marker == _START_OF_SCAN:
            return None if hw is None else (hw, at)
        else:
            if marker in _START_OF_FRAME and at + 9 <= len(data):
                hw = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None

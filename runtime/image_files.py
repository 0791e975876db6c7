"""Image files become BGR arrays in one place, so that every part sees the same pixels."""

from __future__ import annotations

import io
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .files import StrPath
from .many_pictures import gif_extent, pictures_in
from .require import require

HEIC_SUFFIXES = (".heic", ".heif")
WRITTEN_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""What every OpenCV writes, too."""
ANIMATION_SUFFIX = ".gif"
IMAGE_SUFFIXES = (
    *WRITTEN_SUFFIXES,
    *(ANIMATION_SUFFIX, ".avif", ".jfif", ".jpe", ".dib", ".jp2", ".ppm", ".pgm", ".pnm", ".mpo", ".jxl"),
    *HEIC_SUFFIXES,
)
"""What counts as an image when a folder is searched; compared in lower case. Not all can be decoded everywhere."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1")
"""What stands at byte 8 of a picture as phones write them; OpenCV reads none."""

_AVIF_BRANDS = (b"avif", b"avis")

_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_MATROSKA_START = b"\x1aE\xdf\xa3"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START_OF_SCAN = 0xDA
_MORE = (b"", b"\x35\xca" * 512, b"\xca\x35" * 512, b"\x00\xca" * 512)
"""What may follow a whole picture; to an incomplete one these would be different blocks, the last behind a 0xFF too."""
_APP1 = 0xE1
_EXIF = b"Exif\x00\x00"
_ORIENTATION_TAG = 0x0112
_FIRST_SIDEWAYS = 5
"""Orientations from here on exchange height and width."""

_Bytes: TypeAlias = bytes | mmap.mmap


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What the head of an image file says, without its pixels.

    Args:
        stored_hw_px: height and width of the pixels as stored.
        orientation: EXIF's, 1 to 8: how the picture has to be turned or mirrored to be seen upright; 1 not at all.
        has_end: False for a JPEG that lacks its end marker, whether or not the picture itself is whole.
    """

    stored_hw_px: tuple[int, int]
    orientation: int = 1
    has_end: bool = True

    @property
    def hw_px(self) -> tuple[int, int]:
        """Height and width of the upright picture."""
        height, width = self.stored_hw_px
        return (width, height) if self.orientation >= _FIRST_SIDEWAYS else (height, width)


def read_image_bgr(path: StrPath) -> NDArray[np.uint8]:
    """Decode an image file to the upright picture that a person sees, turned as its EXIF orientation says.

    Grey becomes three equal channels, transparency is dropped, 16 bits become 8. Of several pictures it is the first.

    Args:
        path: a file in any format that OpenCV reads, or HEIC where the extra `heic` is installed.

    Returns:
        [height, width, 3] uint8, BGR.

    Raises:
        InputError: the file is missing, is no image, or ends early (OpenCV alone would fill the rest with grey); but a
            JPEG that lacks no more than its end marker is whole. Wrong bytes in the middle of a whole file are not
            noticed.
        MissingDependencyError: it is HEIC, and what reads it is not installed.
    """
    return read_first_picture(path)[0]


def read_first_picture(path: StrPath) -> tuple[NDArray[np.uint8], int]:
    """Decode as `read_image_bgr`, and count the pictures in the file.

    Raises:
        InputError, MissingDependencyError: as there.
    """
    path = Path(path)
    data = _bytes_of(path)
    if _is_cut_short(data):
        raise InputError(f"{path}: expected a whole image, got one that ends early. Copy or download it again.")
    if _is_heic(data):
        return _heic_bgr(path, data)
    head = _jpeg_head(data)
    if head is not None and not head.header.has_end:
        data += _JPEG_END  # which libjpeg misses aloud
    image = _decoded(data)
    if image is None:
        raise InputError(f"{path}: expected an image that OpenCV can decode, got {_content(data)}. Replace the file.")
    return image, pictures_in(data)


def _decoded(data: bytes) -> NDArray[np.uint8] | None:
    """Decode what OpenCV reads, without its own lines on stderr."""
    if not data:
        return None
    # EXIF's orientation does not count in AVIF, whose boxes turn it.
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if _is_avif(data) else 0)
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if image is None:
        return None
    return np.asarray(_avif_upright(image, data) if _is_avif(data) else image, np.uint8)


def _avif_upright(image: cv2.typing.MatLike, data: bytes) -> cv2.typing.MatLike:
    """Turn and mirror a picture as AVIF's own boxes say, which OpenCV passes over."""
    properties = data[: data.find(b"mdat")]
    turned, mirrored = properties.find(b"irot"), properties.find(b"imir")
    if turned >= 0:
        image = np.rot90(image, properties[turned + 4] & 3)
    if mirrored >= 0:
        image = image[:, ::-1] if properties[mirrored + 4] & 1 else image[::-1]
    return np.ascontiguousarray(image)


def _heic_bgr(path: Path, data: bytes) -> tuple[NDArray[np.uint8], int]:
    """Decode HEIC whole: phones store a grid of tiles, of which a video decoder gives the first alone."""
    pillow_heif = require("pillow_heif", extra="heic", why=f"{path}: HEIC")
    try:
        opened = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        image = opened.to_pillow().convert("RGB")
    except (ValueError, EOFError, OSError, SyntaxError, RuntimeError) as error:
        raise InputError(f"{path}: expected a HEIC picture, got {error}. Copy or convert it again.") from error
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1], np.uint8), max(len(opened), pictures_in(data))


def image_hw(path: StrPath) -> tuple[int, int]:
    """Find the height and width of the upright picture in pixels; JPEGs and most PNGs are not decoded.

    Raises:
        InputError: the file is missing or is no image.
    """
    header = image_header(path)
    if header is not None:
        return header.hw_px
    height, width = read_image_bgr(path).shape[:2]
    return height, width


def image_header(path: StrPath) -> ImageHeader | None:
    """Read the head of a JPEG or of a PNG without EXIF; None for what has to be decoded to tell, and for no image.

    Raises:
        InputError: the file cannot be opened.
    """
    try:
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            jpeg = _jpeg_head(data)
            return _png_header(data) if jpeg is None else jpeg.header
    except OSError as error:
        raise InputError(f"{path}: expected an image file, got: {error.strerror}. Check the path.") from error
    except ValueError:  # an empty file cannot be mapped
        return None


def _bytes_of(path: Path) -> bytes:
    """Read by Python, since OpenCV's own reader fails on some non-ASCII paths."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected an image file, got: {error.strerror}. Check the path.") from error


def _content(data: bytes) -> str:
    if not _is_avif(data) and (data[4:8] == b"ftyp" or data[8:12] == b"AVI " or data[:4] == _MATROSKA_START):
        return "a video; name it as one, as in clip.mp4"
    return f"{len(data)} bytes that are none" if data else "an empty file"


def is_phone_picture(path: StrPath) -> bool:
    """Tell HEIC and AVIF by their first bytes, whatever they are called: FFmpeg would give a tile of them, or turn it.

    A sequence of AVIF is none, as it is a video.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return _is_heic(head) or head[8:12] == b"avif"


def _is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _AVIF_BRANDS


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS


def _is_cut_short(data: bytes) -> bool:
    if _is_heic(data) or _is_avif(
        data
    ):  # boxes, each led by its size; libheif alone would leave out the tiles that are not there
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            at += int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size or len(data)  # 0: to the end
        return at > len(data)
    if data.startswith(_PNG_START):
        return b"IEND" not in data[-64:]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    if data[:4] == b"GIF8":
        extent = gif_extent(data)
        return not extent.is_whole and extent.pictures <= 1
    head = _jpeg_head(data)
    return head is not None and not head.header.has_end and not _lacks_the_end_alone(data, head)


def _lacks_the_end_alone(data: bytes, head: _JpegHead) -> bool:
    """Whether all of a JPEG's picture is there: then the decoder passes over what follows it, whatever that is.

    A progressive one draws the picture several times, and may lack whole turns of it; it is not taken for whole.
    """
    if head.is_progressive:
        return False
    ends = [_quietly_decoded(data + more + _JPEG_END) for more in _MORE]
    return ends[0] is not None and all(end is not None and np.array_equal(end, ends[0]) for end in ends[1:])


def _quietly_decoded(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a JPEG by FFmpeg, as libjpeg complains on stderr; only to compare with itself."""
    import av

    try:
        decoder = av.CodecContext.create("mjpeg", "r")
        decoder.thread_count = 1  # several would hold the picture back
        frames = decoder.decode(av.Packet(data))
    except av.FFmpegError:
        return None
    return np.asarray(frames[0].to_ndarray(format="bgr24"), np.uint8) if frames else None


@dataclass(frozen=True, kw_only=True)
class _JpegHead:
    header: ImageHeader
    is_progressive: bool


def _jpeg_head(data: _Bytes) -> _JpegHead | None:
    """Walk a JPEG's segments up to the first scan; None if it is no JPEG or has no frame."""
    if data[: len(_JPEG_START)] != _JPEG_START:
        return None
    hw: tuple[int, int] | None = None
    orientation = 0
    is_progressive = False
    at = len(_JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _MARKERS_WITHOUT_LENGTH:
            at += 2
        elif marker == _START_OF_SCAN:
            if hw is None:
                return None
            # From here on a 0xFF of the picture is followed by 0x00, so the end marker cannot occur by chance;
            # before, it can (in an EXIF thumbnail).
            has_end = data[-len(_JPEG_END) :] == _JPEG_END or data.find(_JPEG_END, at) >= 0
            header = ImageHeader(stored_hw_px=hw, orientation=orientation or 1, has_end=has_end)
            return _JpegHead(header=header, is_progressive=is_progressive)
        else:
            size = int.from_bytes(data[at + 2 : at + 4], "big")
            if marker in _START_OF_FRAME and at + 9 <= len(data):
                is_progressive = marker in _PROGRESSIVE
                hw = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            elif marker == _APP1 and data[at + 4 : at + 10] == _EXIF:
                orientation = orientation or _orientation(data[at + 10 : at + 2 + size])
            at += 2 + size
    return None


def _orientation(tiff: bytes) -> int:
    """Find tag 0x0112 in the first directory of EXIF's TIFF; 0 where there is none that says anything."""
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    directory = number(4, 4)
    for entry in range(directory + 2, directory + 2 + 12 * number(directory, 2), 12):
        if number(entry, 2) == _ORIENTATION_TAG:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 0
    return 0


def _png_header(data: _Bytes) -> ImageHeader | None:
    """Walk a PNG's chunks; one with EXIF has to be decoded, as which of its forms is followed is OpenCV's to say."""
    if data[: len(_PNG_START)] != _PNG_START or data[12:16] != b"IHDR":
        return None
    at = len(_PNG_START)
    while at + 8 <= len(data):
        if data[at + 4 : at + 8] == b"eXIf":
            return None
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return ImageHeader(stored_hw_px=(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")))

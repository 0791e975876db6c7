"""How many pictures an image file holds: animations and files of several pages are told from single pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_PNG_START = b"\x89PNG\r\n\x1a\n"
_TIFF_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\x00": "little", b"MM\x00*": "big"}
_NEW_SUBFILE_TYPE = 0x00FE
_SEQUENCE_BRANDS = (b"avis", b"hevc", b"hevx", b"msf1")
"""Stand at byte 8 of a sequence of AVIF or HEIC."""


@dataclass(frozen=True, kw_only=True)
class GifExtent:
    """What a GIF holds.

    Args:
        pictures: that begin in it.
        is_whole: whether its end is there, and all blocks before it can be read.
    """

    pictures: int
    is_whole: bool


def pictures_in(data: bytes) -> int:
    """Count the pictures of an image file; 1 where its form knows a single one, or nothing can be told."""
    if data[:4] == b"GIF8":
        return max(1, gif_extent(data).pictures)
    if data[:8] == _PNG_START:
        frames = next((body for kind, body in _png_chunks(data) if kind in (b"acTL", b"IDAT")), b"")
        return max(1, int.from_bytes(frames[:4], "big")) if len(frames) == 8 else 1  # acTL
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return max(1, sum(kind == b"ANMF" for kind in _webp_chunks(data)))
    if (order := _TIFF_ORDERS.get(data[:4])) is not None:
        return max(1, _tiff_pages(data, order))
    if data[4:8] == b"ftyp" and data[8:12] in _SEQUENCE_BRANDS and (at := data.find(b"stsz")) > 0:
        return max(1, int.from_bytes(data[at + 12 : at + 16], "big"))
    return 1


def gif_extent(data: bytes) -> GifExtent:
    """Walk a GIF's blocks."""
    at = 13 + _palette_bytes(data[10:11])
    pictures = 0
    while at < len(data):
        if data[at] == 0x3B:  # the end
            return GifExtent(pictures=pictures, is_whole=True)
        if data[at] == 0x21:
            at += 2
        elif data[at] == 0x2C:
            pictures += 1
            at += 11 + _palette_bytes(data[at + 9 : at + 10])
        else:
            break
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return GifExtent(pictures=pictures, is_whole=False)


def _palette_bytes(flags: bytes) -> int:
    return 3 * 2 ** (1 + (flags[0] & 7)) if flags and flags[0] & 0x80 else 0


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_START)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + min(size, 16)]
        at += 12 + size


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        yield data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2


def _tiff_pages(data: bytes, order: Literal["little", "big"]) -> int:
    """Count the directories of full pictures; smaller copies and masks of them do not count."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    pages, directory, seen = 0, number(4, 4), set[int]()
    while 8 <= directory < len(data) and directory not in seen:
        seen.add(directory)
        end = directory + 2 + 12 * number(directory, 2)
        entries = range(directory + 2, min(end, len(data)), 12)
        pages += not any(number(at, 2) == _NEW_SUBFILE_TYPE and number(at + 8, 4) & 0b101 for at in entries)
        directory = number(end, 4)
    return pages

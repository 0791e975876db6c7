"""Pictures put together from the parts in which RTP delivers them, without waiting for the next picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_SURE_AFTER = 50
"""So many pictures in a row ended where they were expected to, before their ends are relied on."""

_DOUBT = 500
"""After an end that was none, so many more."""

_FRAGMENT_SLACK = 16
"""Bytes by which the fragments of one part differ in size, all but the last: headers that the first one alone has."""

_START = b"\x00\x00\x00\x01"


def _is_h264_slice(header: int) -> bool:
    return header & 0x1F in (1, 5)


def _is_hevc_slice(header: int) -> bool:
    return header >> 1 & 0x3F < 32


SLICES: dict[str, Callable[[int], bool]] = {"h264": _is_h264_slice, "hevc": _is_hevc_slice}
"""By codec: whether a unit that begins with that byte is a slice of a picture."""


@dataclass(kw_only=True)
class _Picture:
    pts: int | None
    data: bytearray = field(default_factory=bytearray)
    slices: int = 0
    arrived_s: float = 0.0
    looked_whole: bool = False
    went_on: bool = False
    """Something came after it had looked whole."""
    is_given: bool = False


@dataclass(frozen=True, kw_only=True)
class WholePicture:
    """An access unit.

    Args:
        data: all of its units.
        pts: its time, in the stream's time base.
        arrived_s: when its last part was there.
    """

    data: bytes
    pts: int | None
    arrived_s: float


class PictureParts:
    """Puts pictures together and gives each as soon as its last part is there.

    RTP's mark on the last part does not reach us, and FFmpeg's parser gives a picture when the next one begins, one
    frame interval late. But a sender cuts its pictures into the same number of slices, and a slice that was cut into
    fragments ends with a shorter one. This is watched, and relied on once it has held for 50 pictures in a row; until
    then, and where it does not hold, a picture is given when the next one begins.

    Args:
        is_slice: of `SLICES`.
        apart: in the stream's time base; parts whose times are closer are of one picture. The times of a stream with
            sound are set anew at each report of the sender's, also in the middle of a picture.
    """

    def __init__(self, is_slice: Callable[[int], bool], *, apart: int = 1) -> None:
        self.cut_short = 0
        """Pictures that were given before their end."""
        self._is_slice = is_slice
        self._apart = apart
        self._slices = 0
        self._confirmed = 0
        self._longest = 0
        self._picture: _Picture | None = None

    def add(self, part: bytes, pts: int | None, arrived_s: float) -> Iterator[WholePicture]:
        """Take the next part.

        Args:
            part: a unit, or a fragment of one, as FFmpeg gives it when it does not parse.
            pts: the time of its picture.
            arrived_s: when it came.
        """
        picture = self._picture
        if picture is None or not self._is_same(picture.pts, pts):
            yield from self.end()
            self._picture = picture = _Picture(pts=pts)
        if picture.is_given:  # the rest of it is lost; what refers to it shows faults until the next whole picture
            self.cut_short += not picture.went_on
            picture.went_on = True
            return
        picture.went_on |= picture.looked_whole
        picture.data += part
        picture.arrived_s = arrived_s
        self._longest = max(self._longest, len(part))
        if part.startswith(_START):
            picture.slices += self._is_slice(part[len(_START)])
        picture.looked_whole = picture.slices == self._slices > 0 and len(part) < self._longest - _FRAGMENT_SLACK
        if picture.looked_whole and self._confirmed >= _SURE_AFTER:
            picture.is_given = True
            yield _whole(picture)

    def _is_same(self, one: int | None, other: int | None) -> bool:
        return one == other or (one is not None and other is not None and abs(one - other) < self._apart)

    def end(self) -> Iterator[WholePicture]:
        """Give what is left of the picture that was begun, and learn of it."""
        picture, self._picture = self._picture, None
        if picture is None:
            return
        if picture.went_on:
            self._confirmed = -_DOUBT if picture.is_given else 0
        elif picture.slices == self._slices:
            self._confirmed += 1
        else:
            self._slices, self._confirmed = picture.slices, 0
        if not picture.is_given:
            yield _whole(picture)


def _whole(picture: _Picture) -> WholePicture:
    return WholePicture(data=bytes(picture.data), pts=picture.pts, arrived_s=picture.arrived_s)

"""The files of a recording that is cut: their names, and which of them go."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

from ..errors import InputError
from .output_file import open_alone
from .segments import Segments

_CHECK_S = 1.0
"""How often the growing file is measured."""


@dataclass(frozen=True, kw_only=True)
class _Ended:
    path: Path
    size_bytes: int
    ended_s: float
    """On the scale of `time.monotonic()`, so that a clock that is set deletes nothing."""


class SegmentFiles:
    """Names of a recording's files, and the end of the oldest.

    A list beside them (`out.mp4.segments`) names all that were made for this recording, also by earlier runs. Nothing
    else is ever deleted: whoever wants to keep a file gives it another name. The list is what one run alone has open.

    Args:
        path: `out.mp4` stands for `out_20261130T120000Z.mp4` of cameras and streams and `out_0001.mp4` of files.
        segments: what is kept.
        tell: is given a line where something cannot be deleted.

    Raises:
        InputError: the list cannot be written, or another run has it.
    """

    def __init__(self, path: Path, segments: Segments, tell: Callable[[str], None]) -> None:
        self._path = path
        self._segments = segments
        self._tell = tell
        self._list = open_alone(list_path(path))
        self._ended = deque(_ended_of(path))
        self._size_bytes = sum(ended.size_bytes for ended in self._ended)
        self._current: Path | None = None
        self._next_check_s = 0.0

    @property
    def pattern(self) -> str:
        """What matches all of the files."""
        return str(self._path.with_stem(f"{self._path.stem}_*"))

    def next_path(self, captured_at: datetime | None) -> Path:
        """Find a name that is free for the next file, and put it on the list.

        Args:
            captured_at: when its first frame was taken; none of files.

        Raises:
            OSError: the list cannot be written.
        """
        self._end_current()
        path = _free_path(self._path, captured_at)
        self._list.write(os.fsencode(path.name) + b"\n")
        self._current = path
        return path

    def prune(self) -> None:
        """Delete the oldest that are too many, about once a second."""
        if time.monotonic() < self._next_check_s:
            return
        self._next_check_s = time.monotonic() + _CHECK_S
        keep_s, keep_bytes = self._segments.keep_s, self._segments.keep_bytes
        while keep_s is not None and self._ended and self._ended[0].ended_s + keep_s < time.monotonic():
            self._delete_oldest()
        current_bytes = self._current.stat().st_size if self._current is not None and self._current.exists() else 0
        while keep_bytes is not None and self._ended and self._size_bytes + current_bytes > keep_bytes:
            self._delete_oldest()

    def close(self) -> None:
        """Free the list; one of nothing goes."""
        if not os.fstat(self._list.fileno()).st_size:
            list_path(self._path).unlink(missing_ok=True)
        self._list.close()

    def _end_current(self) -> None:
        path, self._current = self._current, None
        is_kept_for_ever = self._segments.keep_s is None and self._segments.keep_bytes is None
        if path is not None and path.exists() and not is_kept_for_ever:
            self._ended.append(_Ended(path=path, size_bytes=path.stat().st_size, ended_s=time.monotonic()))
            self._size_bytes += self._ended[-1].size_bytes

    def _delete_oldest(self) -> None:
        ended = self._ended.popleft()
        self._size_bytes -= ended.size_bytes
        try:
            ended.path.unlink(missing_ok=True)
        except OSError as error:
            self._tell(f"{ended.path}: could not be deleted ({error.strerror}); it is left.")


def list_path(path: Path) -> Path:
    """Name the list of a recording's files."""
    return path.with_name(f"{path.name}.segments")


def longest_path(path: Path) -> Path:
    """Name a file of a recording, as long as these names are."""
    return _stamped(path, "20261130T120000Z_99")


def _free_path(path: Path, captured_at: datetime | None) -> Path:
    if captured_at is None:
        return next(free for number in count(1) if not (free := _stamped(path, f"{number:04d}")).exists())
    stamp = captured_at.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    if not (free := _stamped(path, stamp)).exists():
        return free
    return next(free for number in count(2) if not (free := _stamped(path, f"{stamp}_{number}")).exists())


def _stamped(path: Path, stamp: str) -> Path:
    return path.with_stem(f"{path.stem}_{stamp}")


def _ended_of(path: Path) -> list[_Ended]:
    """Find the files of earlier runs, the oldest first; what does not bear such a name is nobody's on any list."""
    own = re.compile(re.escape(path.stem) + r"_(\d{8}T\d{6}Z(_\d+)?|\d{4,})" + re.escape(path.suffix))
    try:
        names = dict.fromkeys(map(os.fsdecode, list_path(path).read_bytes().splitlines()))
    except OSError as error:
        raise InputError(f"{list_path(path)}: expected a list of files, got {error.strerror}.") from error
    paths = [path.with_name(name) for name in names if own.fullmatch(name)]
    return [_ended(found) for found in paths if found.is_file()]


def _ended(path: Path) -> _Ended:
    found = path.stat()
    age_s = time.time() - found.st_mtime
    return _Ended(path=path, size_bytes=found.st_size, ended_s=time.monotonic() - age_s)

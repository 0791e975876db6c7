"""Which recordings there are."""

from __future__ import annotations

import glob
import mimetypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..files import StrPath
from ..progress import Progress, no_progress
from .chunks import length_s

_SUFFIXES = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".dav", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov"),
        *(".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    }
)
"""What cameras and recorders call videos; whatever else the system calls a video is one, too."""

_READERS = 8


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A recording.

    Args:
        name: what it is called in the results: its path within what was searched, with `/`.
        path: absolute.
        size: bytes.
        changed_ns: when it was changed last.
        seconds: how long it says it is; 0 where it does not say.
        error: why it cannot be read; empty where it can.
    """

    name: str
    path: str
    size: int
    changed_ns: int
    seconds: float = 0.0
    error: str = ""


def find_clips(place: StrPath, progress: Progress = no_progress) -> list[Clip]:
    """Find the recordings in a folder and all below it, that a pattern matches, or the one that is named.

    Args:
        place: a folder, a pattern (`**` searches sub-folders) or a file.
        progress: is told how many were looked into.

    Raises:
        InputError: there is none.
    """
    place = os.fspath(place)
    root, files = _files(place)
    if not files:
        raise InputError(
            f"{place}: expected recordings ({', '.join(sorted(_SUFFIXES))}), got none. "
            f"Name a folder, a file, or a pattern in quotes as 'archive/**/*.mp4'."
        )
    clips = []
    with ThreadPoolExecutor(_READERS) as readers:
        for clip in readers.map(lambda path: _clip(path, root), files):
            clips.append(clip)
            progress("reading lengths", len(clips), len(files))
    return clips


def _files(place: str) -> tuple[Path, list[Path]]:
    path = Path(place)
    if path.is_dir():
        return path, sorted(file for file in _below(path) if is_recording(file))
    if path.is_file():
        return path.parent, [path]
    matches = sorted(Path(match) for match in glob.iglob(place, recursive=True))  # noqa: PTH207 - absolute ones too
    files = [match for match in matches if match.is_file() and is_recording(match)]
    return Path(os.path.commonpath([file.parent for file in files])) if files else path, files


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in names if not name.startswith("."))


def is_recording(path: Path) -> bool:
    """Tell a video by its suffix."""
    return path.suffix.lower() in _SUFFIXES or (mimetypes.guess_type(path.name)[0] or "").startswith("video/")


def _clip(path: Path, root: Path) -> Clip:
    name = path.relative_to(root).as_posix()
    try:
        status = path.stat()
    except OSError as error:
        return Clip(name=name, path=str(path.absolute()), size=0, changed_ns=0, error=f"{path}: {error.strerror}")
    seconds, said = 0.0, ""
    try:
        seconds = length_s(path)
    except InputError as error:
        said = str(error)
    return Clip(
        name=name,
        path=str(path.absolute()),
        size=status.st_size,
        changed_ns=status.st_mtime_ns,
        seconds=seconds,
        error=said,
    )

"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError

StrPath = str | os.PathLike[str]
"""How a public function takes a path; it makes a `Path` of it before anything else."""


@contextmanager
def whole_file(path: StrPath) -> Iterator[Path]:
    """Give a temporary path beside `path`; it replaces `path` only when the block ends without an error.

    Missing parent folders are made. The temporary file keeps the suffix of `path`, because many writers
    choose their format by it; it is no longer than names may be where that of `path` is not. A file that
    is replaced keeps its permissions.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:20]}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: expected a place that can be written to, got {error.strerror}.") from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(_mode(path))
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: could not be written ({error.strerror}); nothing was changed.") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def cache_folder(kind: str) -> Path:
    """Name this user's folder of things that can be made again: below `XDG_CACHE_HOME`, or `~/.cache`.

    Args:
        kind: of thing, a folder's name.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "singleshot" / kind


def is_same_file(first: StrPath, second: StrPath) -> bool:
    """Whether both are there and one file, whatever they are called."""
    try:
        return Path(first).samefile(second)
    except OSError:
        return False


def file_id(path: StrPath) -> tuple[int, int] | None:
    """Tell files apart whatever they are called; None of what is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def check_can_write(path: StrPath) -> None:
    """Find out whether a file could be written, before the work whose result it takes; nothing is made.

    Raises:
        InputError: it is a folder, its name is too long, or its folder cannot be written to or made.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path}: expected the name of a file to write, got a folder. Name a file in it.")
        place = path.parent
        while not place.exists() and place != place.parent:
            place = place.parent
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise InputError(f"{path}: expected a place that can be written to, got {error.strerror}.") from error
    if not place.is_dir():
        raise InputError(f"{path}: expected a place that can be written to, got {place}, which is a file.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{path}: expected a place that can be written to, got {place}, which cannot. Name another.")


def _mode(path: Path) -> int:
    """Give the permissions that a file has, which may hold secrets, or those of a new one."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256_of_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()

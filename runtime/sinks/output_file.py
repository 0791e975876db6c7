"""Files and folders that one run alone writes; a file keeps its old content until there is something new."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..errors import InputError
from .full_disk import unwritten


class OutputFile:
    """An output, open and locked before any work begins; what is in it stays until `begin`.

    Args:
        path: the file; missing folders are made. It may be a pipe or a device, which are never emptied or removed.

    Raises:
        InputError: it cannot be written to, or is being written already: by another run, or by this one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_new = False
        with suppress(OSError):  # of a name that is too long, which opening it says
            self._is_new = not path.exists()
        self.file = open_alone(path)
        self.is_regular = stat.S_ISREG(os.fstat(self.file.fileno()).st_mode)
        self.has_begun = False

    def begin(self) -> None:
        """Empty the file, the first time."""
        if self.is_regular and not self.has_begun:
            os.ftruncate(self.file.fileno(), 0)
        self.has_begun = True

    def go_on(self) -> None:
        """Keep what is in the file."""
        self.has_begun = True

    def append(self, data: bytes) -> None:
        """Write all of it, or take back what was written of it.

        Raises:
            InputError: it cannot be written.
        """
        written = 0
        try:
            while written < len(data):  # a full disk takes a part, and refuses the next
                written += self.file.write(data[written:])
        except OSError as error:
            if self.is_regular:
                os.ftruncate(self.file.fileno(), os.fstat(self.file.fileno()).st_size - written)
            text = f"{self.path}: could not be written ({error.strerror}); it ends with the last whole line."
            raise (unwritten(text, error.errno) if self.is_regular else InputError(text)) from error

    def follow_name(self) -> bool:
        """Go on in a new file where this one was moved or deleted meanwhile, as `logrotate` does; whether it is new.

        Raises:
            InputError: it cannot be written to.
        """
        if not self.is_regular or _is_at(self.path, self.file):
            return False
        file = open_alone(self.path)
        self.file.close()
        self.file = file
        return os.fstat(file.fileno()).st_size == 0

    def close(self, *, is_empty: bool = False) -> None:
        """Free the file; one that was made for nothing goes: nothing was begun, or what there is is nothing."""
        if self._is_new and self.is_regular and (is_empty or not self.has_begun):
            self.path.resolve().unlink(missing_ok=True)  # not a link to what was not there
        self.file.close()


def open_alone(path: Path) -> IO[bytes]:
    """Open a file for appending that nothing else writes; missing folders are made.

    Raises:
        InputError: it cannot be written to, or is being written already.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _locked(path)
    except BlockingIOError:
        raise InputError(
            f"{path}: expected a file that nothing else writes, got one that this or another run is writing. "
            f"Give each output a name of its own."
        ) from None
    except OSError as error:
        raise unwritten(
            f"{path}: expected a file that can be written to, got {error.strerror}.", error.errno
        ) from error


class OutputFolder:
    """A folder that one run alone writes into, made if missing.

    Raises:
        InputError: it cannot be written to, or is being written already: by another run, or by this one.
    """

    def __init__(self, path: Path) -> None:
        self._handle: int | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if sys.platform != "win32":  # which opens no folders
                self._handle = os.open(path, os.O_RDONLY)
                _lock(self._handle)
        except BlockingIOError:
            self.close()
            raise InputError(
                f"{path}: expected a folder that nothing else writes into, got one that this or another run is "
                f"writing. Give each output a name of its own."
            ) from None
        except OSError as error:
            self.close()
            raise InputError(f"{path}: expected a folder that can be written to, got {error.strerror}.") from error

    def close(self) -> None:
        """Free the folder."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _locked(path: Path) -> IO[bytes]:
    """Open for appending, so that nothing is lost yet, and lock.

    Raises:
        BlockingIOError: somebody else has the lock.
    """
    while True:
        file = path.open("ab", buffering=0)
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) or sys.platform == "win32":
                return file
            _lock(file.fileno())
            if _is_at(path, file):
                return file  # else the last holder removed it meanwhile
            file.close()
        except BaseException:
            file.close()
            raise


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is still the one of its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _lock(handle: int) -> None:
    """Lock, where the file system can: NFS locks no folders, and some lock nothing.

    Raises:
        BlockingIOError: somebody else has the lock.
    """
    import fcntl  # not there on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return

"""A disk that is full stops what is written there, and nothing else."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .frame_result import FrameResult
from .sink import Sink

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Full, a file as large as the system allows (4 GiB on memory cards), a quota used up (which Windows does not have)."""

_FIRST_WAIT_S = 10.0
_LONGEST_WAIT_S = 600.0
_ROOM_BYTES = 16 << 20
"""With less it would be full again at once."""


class DiskFullError(InputError):
    """There is no room for an output; what was written is usable, and `write` may be tried again."""


def unwritten(text: str, number: int | None) -> InputError:
    """Make the error of an output, by the number of the system's."""
    return DiskFullError(text) if number in _FULL else InputError(text)


class PausingSink(Sink):
    """A sink that pauses while its disk is full, and goes on when there is room again.

    Each is said once. It is tried ever more rarely, from every 10 s to every 10 minutes.

    Args:
        sink: what pauses.
        name: the output's, as the user gave it.
        folder: where it writes.
        tell: is given a line when it pauses and when it goes on.
    """

    def __init__(self, sink: Sink, name: Path, folder: Path, tell: Callable[[str], None]) -> None:
        self._sink = sink
        self._name = name
        self._folder = folder
        self._tell = tell
        self._is_full = False
        self._wait_s = _FIRST_WAIT_S
        self._next_try_s = 0.0
        self._frames = 0
        self._missing = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """As of the sink."""
        return self._sink.paths

    @property
    def needs_drawing(self) -> bool:
        """As of the sink."""
        return self._sink.needs_drawing

    @property
    def warnings(self) -> tuple[str, ...]:
        """As of the sink, and how many frames are missing."""
        if not self._missing:
            return self._sink.warnings
        missing = f"{self._name}: the disk was full, {self._missing} of {self._frames} frames are missing."
        return (*self._sink.warnings, missing)

    def write(self, result: FrameResult) -> None:
        """Write, unless the disk is full."""
        self._frames += 1
        if self._is_full and not self._may_try():
            self._missing += 1
            return
        try:
            self._sink.write(result)
        except DiskFullError as error:
            self._missing += 1
            self._pause(error)
            return
        if self._is_full:
            self._is_full = False
            self._tell(
                f"{[self._name, *self.paths][-1]}: there is room again; it goes on, {self._missing} frames are missing."
            )

    def close(self) -> None:
        """Finish what was written."""
        try:
            self._sink.close()
        except DiskFullError as error:
            self._missing += 1
            self._pause(error)

    def _may_try(self) -> bool:
        if time.monotonic() < self._next_try_s:
            return False
        if shutil.disk_usage(self._folder).free >= _ROOM_BYTES:
            return True
        self._next_try_s = time.monotonic() + _FIRST_WAIT_S
        return False

    def _pause(self, error: DiskFullError) -> None:
        if not self._is_full:
            self._tell(f"{error} The run goes on; this does when there is room again.")
        self._is_full = True
        self._next_try_s = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

"""Writes lines of text about each frame, whole ones however the run ends."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import InputError
from .frame_result import FrameResult
from .output_file import OutputFile
from .sink import Sink

STDOUT = "-"


class LinesSink(Sink):
    """Flushed lines in a file or on stdout; a subclass says which.

    Args:
        path: the file; what is in it stays until the first line comes. `-` means stdout.

    Raises:
        InputError: the file cannot be written; a line that was begun is taken back.
    """

    header = ""
    """What a file begins with, its end of line included."""

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        if self._name == STDOUT and sys.stdout is None:
            raise InputError("--json -: expected stdout to be open, got it closed. Name a file.")
        self._output = None if self._name == STDOUT else OutputFile(path)

    def lines(self, result: FrameResult) -> str:
        """Give what is written of a frame: lines with their ends; may be empty."""
        raise NotImplementedError

    @property
    def paths(self) -> tuple[str, ...]:
        """The file, once there is a line in it; none of stdout."""
        return (self._name,) if self._output is not None and self._output.has_begun else ()

    def write(self, result: FrameResult) -> None:
        """Write a frame's lines."""
        # Bytes of a file's name that are not UTF-8 become JSON's escapes, from which Python makes the same name.
        lines = self.lines(result).encode(errors="backslashreplace")
        if self._output is None:
            _write_to_stdout(lines)
            return
        is_new = not self._output.has_begun
        self._output.begin()
        is_new |= self._output.follow_name()
        self._output.append(self.header.encode() * is_new + lines)

    def close(self) -> None:
        """Close the file."""
        if self._output is not None:
            self._output.close()


def _write_to_stdout(lines: bytes) -> None:
    try:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # whoever read left, as `| head` does, which is no mistake
        raise
    except OSError as error:
        raise InputError(f"stdout: could not be written ({error.strerror}).") from error

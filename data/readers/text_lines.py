"""Text of other people's tools: UTF-8, with or without a byte order mark, and nothing else."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from ...runtime.errors import InputError


def text_lines(path: Path) -> Iterator[str]:
    """Give a file's lines with their ends, one at a time.

    Raises:
        InputError: a line is not UTF-8.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        lines = (line for several in file for line in several.splitlines(keepends=True))  # also at old Macs' ends
        for number, line in enumerate(lines, 1):
            try:
                text = line.removeprefix(codecs.BOM_UTF8).decode() if number == 1 else line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(f"{path} line {number}", error) from None
            yield text


def not_utf8(where: str, error: UnicodeDecodeError) -> InputError:
    """Say which byte is not UTF-8; what it stands for would be guessed: a class name, the name of a file."""
    got = error.object[error.start]
    return InputError(f"{where}: expected UTF-8, got the byte 0x{got:02x}. Save the file as UTF-8.")


def filled_lines(path: Path) -> list[str]:
    """Give all lines that are not blank, without the space around them.

    Raises:
        InputError: a line is not UTF-8.
        OSError: the file cannot be opened.
    """
    return [stripped for line in text_lines(path) if (stripped := line.strip())]

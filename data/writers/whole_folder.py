"""A folder that is there when all of it is, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...runtime.errors import InputError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside it to write into, which takes its name when the block ends without an error.

    Args:
        out: a folder that is not there yet, or is empty.

    Raises:
        InputError: it holds something, or cannot be written to; nothing was changed.
    """
    check_is_free(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: expected a place that can be written to, got {error.strerror}.") from error
    try:
        folder = temporary / "whole"  # unlike the one around it, open to whom the user's umask says
        folder.mkdir()
        yield folder
        folder.replace(out)
    except OSError as error:
        raise InputError(f"{out}: could not be written ({error}); nothing was changed.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_is_free(out: Path) -> None:
    """Make sure that nothing would be replaced.

    Raises:
        InputError: the folder holds something.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out}: expected a new or empty folder, got one that holds something. Name another with -o.")

"""This user's ledger of builds: the engines that were made here, by the sha256 of their plans.

An engine file can run code in its reader. One that is in the ledger was compiled by this user; any other is opened only
where the user says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from ..errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where a line this short is appended in one piece anyway
    fcntl = None  # type: ignore[assignment]


def ledger_path() -> Path:
    """Return where the ledger is: `builds.jsonl` under the XDG state folder, or `~/.local/state`."""
    folder = Path(os.environ.get("XDG_STATE_HOME", ""))
    base = folder if folder.is_absolute() else Path.home() / ".local" / "state"
    return base / "singleshot" / "builds.jsonl"


def add_to_ledger(plan_sha256: str, engine: Path) -> None:
    """Append a build; two processes that append at once wait for each other.

    Args:
        plan_sha256: of the engine's file.
        engine: where it is written, for people who read the ledger.

    Raises:
        InputError: the ledger cannot be written.
    """
    path = ledger_path()
    entry = {
        "plan_sha256": plan_sha256,
        "engine": str(engine.absolute()),
        "built": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(path) as file:
            if file.tell() and not _ends_a_line(path):
                file.write(b"\n")  # an append that was cut off must not swallow this one
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(
            f"{path}: expected a list of builds that can be written to, got {error.strerror}. "
            f"Name another folder for it by the environment variable XDG_STATE_HOME."
        ) from error


def is_in_ledger(plan_sha256: str) -> bool:
    """Tell whether this user built a plan. Lines that cannot be read count for nothing."""
    try:
        lines = ledger_path().read_bytes().splitlines()
    except OSError:
        return False
    return any(_plan_of(line) == plan_sha256 for line in lines)


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        file.seek(0, os.SEEK_END)
        yield file


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _plan_of(line: bytes) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry.get("plan_sha256") if isinstance(entry, dict) else None

"""The folder of a run's events: a line for each, pictures and clips."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import av

from ..closing import Closing
from ..errors import InputError
from ..files import check_can_write
from ..loop.deliveries import DeliveryCounts
from ..sinks.encoder import EncodedPacket
from ..sinks.output_file import OutputFile, OutputFolder
from .clip_file import save_clip
from .kept_files import FOR_EVER, Keep, KeptFiles

LINES = "events.jsonl"
SNAPSHOTS = "snapshots"
CLIPS = "clips"


class EventFolder(Closing):
    """Takes what is kept of events; what cannot be written is said once, counted, and stops nothing.

    Args:
        path: made if missing; lines are appended to those that are there.
        keep: which pictures and clips stay.
        tell: is given a line when something could not be written, and when it could again.

    Raises:
        InputError: it cannot be written to, or another run has it.
    """

    def __init__(self, path: Path, tell: Callable[[str], None], *, keep: Keep = FOR_EVER) -> None:
        self.path = path
        self._tell = tell
        self._lock = OutputFolder(path)
        try:
            self._lines = OutputFile(path / LINES)
        except InputError:
            self._lock.close()
            raise
        self._kept = KeptFiles([path / SNAPSHOTS, path / CLIPS], keep, tell)
        self._sent = 0
        self._missing: Counter[str] = Counter()
        self._wrong: set[str] = set()

    @property
    def counts(self) -> DeliveryCounts:
        """Lines that were written, and what is missing."""
        return DeliveryCounts(target=str(self.path), sent=self._sent, waiting=0, dropped=dict(self._missing), away="")

    def add_line(self, values: Mapping[str, Any]) -> None:
        """Append an event."""
        line = (json.dumps(values, ensure_ascii=False) + "\n").encode(errors="backslashreplace")

        def append() -> None:
            self._lines.go_on()
            self._lines.follow_name()
            self._lines.append(line)

        self._sent += self._attempt("line", append)

    def save_picture(self, name: str, data: bytes) -> bool:
        """Write a picture, whole or not at all; whether it was.

        Args:
            name: below the folder.
            data: the file's.
        """

        def write() -> None:
            _write_whole(self.path / name, data)
            self._kept.add(self.path / name)

        return self._attempt("picture", write)

    def save_clip(self, name: str, packets: Sequence[EncodedPacket], captured_at: datetime) -> None:
        """Write a clip, whole or not at all."""

        def write() -> None:
            save_clip(self.path / name, packets, captured_at=captured_at)
            self._kept.add(self.path / name)

        self._attempt("clip", write)

    def prune(self) -> None:
        """Delete pictures and clips that are too old."""
        self._kept.prune()

    def close(self) -> None:
        """Free the folder."""
        self._lines.close()
        self._lock.close()

    def _attempt(self, what: str, write: Callable[[], None]) -> bool:
        try:
            write()
        except (InputError, OSError, av.FFmpegError) as error:
            self._missing[f"{what} not written"] += 1
            if what not in self._wrong:
                self._wrong.add(what)
                said = str(error) if isinstance(error, InputError) else f"{self.path}: {error.strerror}."
                self._tell(f"{said} The run goes on; what is missing is counted.")
            return False
        if what in self._wrong:
            self._wrong.discard(what)
            self._tell(f"{self.path}: a {what} could be written again.")
        return True


def check_event_folder(path: Path) -> None:
    """Find out what could not be written, before a source is opened; nothing is made.

    Raises:
        InputError: it cannot.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: expected a folder for events, got a file. Name another.")
    check_can_write(path / LINES)


def _write_whole(path: Path, data: bytes) -> None:
    """Write as `whole_file` does, without waiting for the disk: whoever is told of a picture looks at once."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)  # noqa: PTH105 - the same
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise

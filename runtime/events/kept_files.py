"""Pictures and clips that are kept for a while, and which of them go."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_OWN = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{8}(_crop)?\.(jpg|mp4)")


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How long pictures and clips stay, or how large all of them together become; for ever where neither is given."""

    age_s: float | None = None
    size_bytes: int | None = None


FOR_EVER = Keep()


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    size_bytes: int
    written_s: float


class KeptFiles:
    """Deletes the oldest of what events left, over all runs; what has another name is never touched.

    Age is counted by a clock that nobody sets, so that setting the machine's deletes nothing.

    Args:
        folders: of pictures and of clips.
        keep: what stays.
        tell: is given a line where something cannot be deleted.
        clock: seconds, as `time.monotonic`.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        keep: Keep,
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep = keep
        self._tell = tell
        self._clock = clock
        found = [
            path for folder in folders if folder.is_dir() for path in folder.iterdir() if _OWN.fullmatch(path.name)
        ]
        now_s = time.time()
        self._files = deque(
            _File(path=path, size_bytes=status.st_size, written_s=clock() - (now_s - status.st_mtime))
            for path, status in sorted(((path, path.stat()) for path in found), key=lambda one: one[0].name)
        )
        self._size_bytes = sum(file.size_bytes for file in self._files)

    def add(self, path: Path) -> None:
        """Take a file that was written, and delete what is too old or too much."""
        size_bytes = path.stat().st_size
        self._files.append(_File(path=path, size_bytes=size_bytes, written_s=self._clock()))
        self._size_bytes += size_bytes
        self.prune()

    def prune(self) -> None:
        """Delete what is too old or too much; a single one is never too much."""
        while self._files and self._is_too_much():
            file = self._files.popleft()
            self._size_bytes -= file.size_bytes
            try:
                file.path.unlink(missing_ok=True)
            except OSError as error:
                self._tell(f"{file.path}: could not be deleted ({error.strerror}); it is left.")

    def _is_too_much(self) -> bool:
        age_s, size_bytes = self._keep.age_s, self._keep.size_bytes
        is_old = age_s is not None and self._files[0].written_s + age_s < self._clock()
        return is_old or (size_bytes is not None and self._size_bytes > size_bytes and len(self._files) > 1)

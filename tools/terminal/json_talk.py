"""Talk on stderr as JSON lines, for whoever collects logs."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...runtime.sources.source_events import SourceEvent

_WARNINGS = ("warning: ", "not reloaded")
"""How lines begin that somebody should look at."""


class JsonTalk:
    """Writes `{"at": …, "level": …, "message": …}`, and of a camera also its name, its state and the reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def tell(self, *lines: str) -> None:
        """Write what is otherwise printed as a line."""
        for line in lines:
            level = "warning" if line.startswith(_WARNINGS) else "info"
            self._write(datetime.now(timezone.utc), level, line.removeprefix("warning: "))

    def fail(self, line: str) -> None:
        """Write why the run ends."""
        self._write(datetime.now(timezone.utc), "error", line)

    def on_event(self, camera: str, event: SourceEvent) -> None:
        """Write each change of a camera's state."""
        is_wrong = event.state in ("stalled", "lost") or (event.state == "ended" and event.reason)
        level = "warning" if is_wrong else "info"
        facts = {"camera": camera, "source": event.source, "state": event.state, "reason": event.reason}
        self._write(event.at, level, event.line, **facts)

    def _write(self, at: datetime, level: str, message: str, **facts: str) -> None:
        moment = at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"at": moment, "level": level, "message": message, **facts}, ensure_ascii=False)
        with self._lock:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

"""What systemd is told of a run: that it is ready, reloads, stops, and that it is alive."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

from ..closing import Closing
from ..loop.run_state import RunSnapshot, RunState


def notify(*words: str) -> None:
    """Send lines as `READY=1` to the service manager that started this process; nothing where none did.

    Source: sd_notify(3), whose protocol is a datagram to the socket that the environment names.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.sendall("\n".join(words).encode())


def notify_reloading() -> None:
    """Say that the configuration is read anew; `READY=1` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


class Watchdog(Closing):
    """Says that the run is ready and, as often as systemd wants to hear it, that it is alive, until it is closed.

    A run is alive while no camera that delivers frames has had no result for the whole of systemd's `WatchdogSec`.
    A camera that is lost is none: the run waits for it, and a restart would not bring it back.

    Args:
        state: of the run, whose cameras are open.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._limit_s = _limit_s()
        self._over = threading.Event()
        notify("READY=1")
        self._thread = threading.Thread(target=self._work, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say that the run ends; a second time does nothing."""
        if not self._over.is_set():
            self._over.set()
            notify("STOPPING=1")
        self._thread.join()

    def _work(self) -> None:
        while self._limit_s is not None and not self._over.wait(self._limit_s / 2):
            if is_alive(self._state.snapshot(), self._limit_s):
                notify("WATCHDOG=1")


def is_alive(snapshot: RunSnapshot, limit_s: float) -> bool:
    """Tell whether every camera that delivers frames has had a result of late."""
    return all(camera.quiet_s < limit_s for camera in snapshot.cameras if camera.state in ("live", "back"))


def _limit_s() -> float | None:
    """How long systemd waits for a sign of life of this process, in seconds."""
    microseconds, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (process and process != str(os.getpid())):
        return None
    return int(microseconds) / 1e6

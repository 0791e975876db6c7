"""Where a run answers over HTTP; a file of its own, as the servers of the standard library take long to import."""

from __future__ import annotations

from ..errors import InputError

HERE = "127.0.0.1"
"""Who may ask where no host is named: this machine alone."""


def read_address(address: str, option: str = "--metrics") -> tuple[str, int]:
    """Read `PORT` or `HOST:PORT`.

    Raises:
        InputError: it is neither.
    """
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or "/" in host or ":" in host:
        raise InputError(f"{option}: expected PORT or HOST:PORT, as 9090 or 0.0.0.0:9090, got {address!r}.")
    return host or HERE, int(port)

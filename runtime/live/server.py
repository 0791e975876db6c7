"""Serves the live page in a thread with an event loop of its own."""

from __future__ import annotations

import socket
import threading

from ..closing import Closing
from ..errors import InputError
from ..require import require
from ..service.address import read_address
from .state import LiveState
from .tokens import is_here, token_for

_CLOSE_S = 2.0
_CONNECTIONS = 256
"""Open at the same time; a viewer has one, and two more while its page loads."""


class LiveServer(Closing):
    """Takes its port at once and answers from `serve` until it is closed.

    Args:
        address: `8080` or `0.0.0.0:8080`; port 0 leaves the choice to the system.
        token: as the configuration has it; see `token_for`.

    Raises:
        InputError: it is no address, its port is taken, or the token can be guessed.
        MissingDependencyError: the extra `live` is not installed.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self._host, port = read_address(address, "--live")
        for module in ("starlette", "uvicorn", "websockets", "tomlkit"):
            require(module, extra="live", why="--live")
        self.token = token_for(self._host, token)
        try:
            self._socket = socket.create_server((self._host, port), backlog=128)
        except OSError as error:
            reason = str(error.strerror).partition(" (while")[0]
            raise InputError(
                f"--live {address}: expected a free port of this machine, got: {reason}. Name another."
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where people find the page; without the token."""
        host = self._host if is_here(self._host) or self._host != "0.0.0.0" else _own_address()
        return f"http://{host}:{self.port}/"

    @property
    def line(self) -> str:
        """The same for people, with the token where this run made it."""
        if self.token is None:
            return f"live: {self.url}"
        shown = f"{self.url}?token={self.token.text}" if self.token.is_made else f"{self.url}, asks for the token"
        return f"live: {shown}"

    def serve(self, state: LiveState) -> None:
        """Answer from now on."""
        import uvicorn

        from .access import Door
        from .app import live_app
        from .viewers import MESSAGE_BYTES

        config = uvicorn.Config(
            live_app(state, Door(token=self.token, port=self.port)),
            log_config=None,  # requests are nobody's business, and the terminal has the run's lines
            access_log=False,
            log_level="error",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=1,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
            ws_per_message_deflate=False,  # a JPEG gets no smaller
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="live", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Free the port; a second time does nothing."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_CLOSE_S)
        self._socket.close()


def _own_address() -> str:
    """Return the address of this machine that others reach; no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of no one: RFC 5737
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])

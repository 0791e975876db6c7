"""The live page of a run, from its port to its controls."""

from __future__ import annotations

from collections.abc import Sequence

from ..closing import Closing
from ..loop.run_state import RunState
from .controls import Controls
from .hub import Hub
from .place_editor import PlaceEditor
from .server import LiveServer
from .state import LiveState


class Live(Closing):
    """Holds the port from the start; the page is there once the run is.

    Args:
        address: as `LiveServer` takes it.
        token: as the configuration has it.
        cameras: their names.

    Raises:
        InputError: it is no address, its port is taken, or the token can be guessed.
        MissingDependencyError: the extra `live` is not installed.
    """

    def __init__(self, address: str, token: str | None, *, cameras: Sequence[str]) -> None:
        self._server = LiveServer(address, token)
        self.hub = Hub(cameras)

    @property
    def line(self) -> str:
        """Where the page is, for people."""
        return self._server.line

    def serve(self, run: RunState, controls: Controls, editor: PlaceEditor) -> None:
        """Answer from now on.

        Args:
            run: how it is doing.
            controls: what viewers may set.
            editor: takes the places that they draw.
        """
        self.controls = controls
        self._server.serve(LiveState(run=run, hub=self.hub, controls=controls, editor=editor))

    def close(self) -> None:
        """Free the port and end the threads; a second time does nothing."""
        self._server.close()
        self.hub.close()

"""Those who look: what each is sent, never more than it has taken."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import SingleshotError
from .event_log import Logged
from .hub import Hub
from .place_editor import ToldPlaces

MOST = 100
"""Viewers; who comes later is told so."""

MESSAGE_BYTES = 64 << 10
"""The greatest that a viewer may send."""

_UNDER_WAY = 2
"""Pictures of a camera that a viewer was sent and has not drawn; one is on the way while it draws the other."""

_STATE_S = 1.0
_ASLEEP_S = 60.0
"""Who has taken nothing for so long is left; a page that wakes up comes back by itself."""


class Told(BaseModel):
    """What a viewer says; each part may be missing.

    Args:
        watch: cameras whose pictures it shows.
        took: `state`, or the camera whose picture was drawn.
        scores: of a camera.
        places: of a camera.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    watch: frozenset[str] | None = None
    took: str | None = None
    scores: ToldScores | None = None
    places: ToldPlaces | None = None


class ToldScores(BaseModel):
    """The least score of a camera and the classes to hide; without a score the run's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    camera: str
    score: float | None = None
    hidden: frozenset[str] = frozenset()


class Viewer:
    """One page, for as long as it is connected.

    Args:
        socket: accepted.
        hub: has the pictures.
    """

    def __init__(self, socket: WebSocket, hub: Hub) -> None:
        self._socket = socket
        self._hub = hub
        self._wake = asyncio.Event()
        self._watch: frozenset[str] = frozenset()
        self._under_way: Counter[str] = Counter()
        self._shown: dict[str, int] = {}
        self._state: str | None = None
        self._event = 0
        self._has_state_under_way = False

    @property
    def wanted(self) -> frozenset[str]:
        """Cameras of which it would take a picture now."""
        return frozenset(name for name in self._watch if self._under_way[name] < _UNDER_WAY)

    def wake(self) -> None:
        """Let it see whether there is something to send."""
        self._wake.set()

    def show(self, state: str) -> None:
        """Send this, unless something newer comes before the last one was taken."""
        self._state = state
        self.wake()

    def take(self, told: Told) -> None:
        """Take what it says of itself."""
        if told.watch is not None:
            self._watch = told.watch & self._hub.sinks.keys()
        if told.took == "state":
            self._has_state_under_way = False
        elif told.took is not None and self._under_way[told.took]:
            self._under_way[told.took] -= 1
        self.wake()

    async def send(self, on_sent: Callable[[], None]) -> None:
        """Send what there is until it has gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._state is not None and not self._has_state_under_way:
                state, self._state, self._has_state_under_way = self._state, None, True
                if new := self._hub.events.since(self._event):
                    self._event = new[-1].number
                    await self._socket.send_text(events_text(new))
                await self._socket.send_text(state)
            for name in sorted(self.wanted):
                picture = self._hub.pictures.newest(name)
                if picture is None or picture.number == self._shown.get(name):
                    continue
                self._shown[name] = picture.number
                self._under_way[name] += 1
                on_sent()
                head = json.dumps({"camera": name, "width": picture.width, "height": picture.height}).encode()
                await self._socket.send_bytes(len(head).to_bytes(2, "big") + head + picture.jpeg)


def events_text(events: Sequence[Logged]) -> str:
    """Write what happened; the oldest first."""
    rows = [{**event.values, "number": event.number, "has_picture": event.jpeg is not None} for event in events]
    return json.dumps({"events": rows})


class Viewers:
    """All of them; belongs to the server's event loop.

    Args:
        hub: has the pictures.
        state: gives what all are shown, as JSON; called in a thread.
        history: gives what a new one is shown besides.
        act: does what a viewer asks; called in a thread.
    """

    def __init__(
        self, hub: Hub, *, state: Callable[[], str], history: Callable[[], str], act: Callable[[Told], None]
    ) -> None:
        self._hub = hub
        self._state = state
        self._history = history
        self._act = act
        self._viewers: set[Viewer] = set()

    def __len__(self) -> int:
        return len(self._viewers)

    async def serve(self, socket: WebSocket) -> None:
        """Stay with a viewer until it goes."""
        await socket.accept()
        if len(self._viewers) >= MOST:
            await socket.close(1013, f"{MOST} viewers already")
            return
        viewer = Viewer(socket, self._hub)
        self._viewers.add(viewer)
        with suppress(WebSocketDisconnect, asyncio.TimeoutError):
            await self._stay_with(viewer, socket)
            await socket.close(1008, "expected a message of this page")

    async def _stay_with(self, viewer: Viewer, socket: WebSocket) -> None:
        """Send and listen until there comes what is no message."""
        try:
            await socket.send_text(await asyncio.to_thread(self._history))
            viewer.show(await asyncio.to_thread(self._state))
            sending = asyncio.create_task(viewer.send(self._count_wanted))
            try:
                await self._listen(socket, viewer)
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, WebSocketDisconnect):
                    await sending
        finally:
            self._viewers.discard(viewer)
            self._count_wanted()

    async def tell_state(self) -> None:
        """Send the state to all, now and then again and again."""
        while True:
            if self._viewers:
                await self._show_state()
            await asyncio.sleep(_STATE_S)

    def on_new(self, _camera: str) -> None:
        """Let all look for a new picture."""
        for viewer in self._viewers:
            viewer.wake()

    async def _listen(self, socket: WebSocket, viewer: Viewer) -> None:
        while True:
            message = await asyncio.wait_for(socket.receive(), _ASLEEP_S)
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            try:
                told = Told.model_validate_json(message.get("text") or "")
            except ValidationError:
                return
            viewer.take(told)
            self._count_wanted()
            if told.scores is not None or told.places is not None:
                await self._do(told, socket)

    async def _do(self, told: Told, socket: WebSocket) -> None:
        try:
            await asyncio.to_thread(self._act, told)
        except SingleshotError as error:
            refused = {} if told.places is None else {"places_of": told.places.camera}
            await socket.send_text(json.dumps({"error": str(error)} | refused))
        await self._show_state()

    async def _show_state(self) -> None:
        state = await asyncio.to_thread(self._state)
        for viewer in self._viewers:
            viewer.show(state)

    def _count_wanted(self) -> None:
        self._hub.pictures.want(Counter(name for viewer in self._viewers for name in viewer.wanted))

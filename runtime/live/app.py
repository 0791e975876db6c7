"""The page's application: its files, and one connection a viewer for everything that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from .access import Door, Guard
from .controls import check_camera
from .page_files import page_file, page_files
from .state import LiveState
from .viewers import Told, Viewers


def live_app(state: LiveState, door: Door) -> Starlette:
    """Make the application of a run's page.

    Args:
        state: what is shown and set.
        door: who is let in.
    """
    viewers = Viewers(state.hub, state=state.now, history=state.history, act=lambda told: act(told, state))

    async def event_picture(request: Request) -> Response:
        jpeg = state.hub.events.picture(request.path_params["number"])
        return _not_found() if jpeg is None else Response(jpeg, media_type="image/jpeg")

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def on_new(camera: str) -> None:  # from the thread that encodes
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(viewers.on_new, camera)

        state.hub.on_new = on_new
        telling = asyncio.create_task(viewers.tell_state())
        yield
        telling.cancel()

    return Starlette(
        routes=[
            Route("/", _page),
            Route("/static/{name}", _static),
            Route("/access", _access),
            Route("/events/{number:int}.jpg", event_picture),
            WebSocketRoute("/viewer", viewers.serve),
        ],
        middleware=[Middleware(Guard, door=door)],
        lifespan=lifespan,
    )


def act(told: Told, state: LiveState) -> None:
    """Do what a viewer asks.

    Raises:
        InputError: it cannot be done; nothing was changed.
    """
    if told.scores is not None:
        state.controls.set_scores(told.scores.camera, told.scores.score, told.scores.hidden)
    if told.places is not None:
        camera = told.places.camera
        check_camera(camera, [name for name in state.hub.sinks if state.editor.places(name) is not None])
        state.editor.replace(camera, told.places.places())


async def _page(_request: Request) -> Response:
    return page_file("index.html").response()


async def _static(request: Request) -> Response:
    found = page_files().get(request.path_params["name"])
    return _not_found() if found is None else found.response()


def _not_found() -> Response:
    return PlainTextResponse("not found\n", status_code=404)


async def _access(_request: Request) -> Response:
    """Say that the one who asks is let in; who is not does not get here."""
    return Response(status_code=204)

"""Who is let in to the live page, and what browsers are told to refuse."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from .page_files import page_file
from .tokens import Token, is_here

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""Nothing of elsewhere, nothing inside the HTML, in nobody's frame, kept nowhere."""

_OPEN = frozenset({"/enter", "/static/enter.js", "/static/style.css", "/static/icon.svg"})
"""What the page that asks for the token is made of."""

_FORM_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Door:
    """Who is let in.

    Args:
        token: without it everybody of this machine.
        port: of the page; cookies know none, so it is in the cookie's name.
    """

    token: Token | None
    port: int

    @property
    def cookie_name(self) -> str:
        """Of this page among those of this machine."""
        return f"singleshot-{self.port}"

    def is_known(self, connection: HTTPConnection) -> bool:
        """Whether a browser has the cookie, or needs none."""
        return self.token is None or self.token.is_cookie(connection.cookies.get(self.cookie_name, ""))


class Guard:
    """Stands before the page: refuses strangers, other sites' requests and other names of this machine.

    Args:
        app: what is behind it.
        door: who is let in.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None and scope["path"] == "/enter" and scope["type"] == "http" and scope["method"] == "POST":
            refusal = await self._entered(Request(scope, receive))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send_with_headers).send_denial_response(refusal)
        else:
            await refusal(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Answer what is not let through; None where it is."""
        headers, door = Headers(scope=scope), self._door
        host = headers.get("host", "")
        if door.token is None and not _is_here(host):  # else any site could give its own name this machine's address
            return _refuse(403, "expected 127.0.0.1 or localhost in the address, got another name")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and urlsplit(headers.get("origin", "")).netloc != host:
            return _refuse(403, "expected a request of this page, got one of another site")
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if door.token is not None and given and scope["path"] == "/":
            return self._let_in(scope) if door.token.is_equal(given[0]) else page_file("enter.html").response(401)
        if door.is_known(HTTPConnection(scope)) or scope["path"] in _OPEN:
            return None
        if scope["path"] == "/":
            return page_file("enter.html").response(401)
        return _refuse(401, "expected the token, got none")

    async def _entered(self, request: Request) -> Response:
        """Look at the token of the form."""
        form = b""
        async for part in request.stream():
            form += part
            if len(form) > _FORM_BYTES:
                return _refuse(413, f"expected at most {_FORM_BYTES} bytes, got more")
        given = parse_qs(form.decode("latin-1")).get("token", [""])[0]
        token = self._door.token
        if token is None or token.is_equal(given):
            return self._let_in(request.scope)
        return page_file("enter.html").response(401)

    def _let_in(self, scope: Scope) -> Response:
        """Send to the page, without the token in its address, with the cookie."""
        response = RedirectResponse("/", status_code=303)
        if self._door.token is not None:
            response.set_cookie(
                self._door.cookie_name,
                self._door.token.cookie,
                httponly=True,
                samesite="strict",
                secure=scope["scheme"] in ("https", "wss"),
            )
        return response


def _is_here(host: str) -> bool:
    """Whether a `Host` header names this machine as itself."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_here(name)


def _refuse(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=status)

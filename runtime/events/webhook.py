"""Sends events to an address, as signed JSON."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from ... import __version__
from ..loop.deliveries import DeliveryCounts
from .message import Message, Target
from .outbox import AwayError, Limits, Outbox, RefusedError
from .settings import WebhookSettings, check_url

SIGNATURE = "X-Singleshot-Signature"
TIMESTAMP = "X-Singleshot-Timestamp"

_LATER = frozenset({408, 425, 429})
"""Answers below 500 after which the same message may be taken later."""

_ANSWER_BYTES = 64 << 10
"""So much of an answer is read."""


class Webhook(Target):
    """Posts each event; see `Outbox` for what happens while nobody answers.

    Args:
        url: where to.
        settings: of all webhooks.
        tell: is given a line when it is away, back, or refuses something.
        limits: of what waits.

    Raises:
        InputError: the address or the secret cannot be used.
    """

    def __init__(
        self, url: str, settings: WebhookSettings, *, tell: Callable[[str], None], limits: Limits | None = None
    ) -> None:
        parts = check_url(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        place = host if parts.port is None else f"{host}:{parts.port}"
        self._url = parts._replace(netloc=str(place), fragment="").geturl()
        self._key = settings.key()
        self._settings = settings
        self._headers = {"Content-Type": "application/json", "User-Agent": f"singleshot/{__version__}"}
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        self._opener = urllib.request.build_opener(_NoRedirect)
        # The path may be a secret, too, as those of chat services are.
        self._outbox = Outbox(f"webhook {parts.scheme}://{place}", self._post, tell=tell, limits=limits or Limits())

    @property
    def counts(self) -> DeliveryCounts:
        """What was sent, waits and was dropped until now."""
        return self._outbox.counts

    def take(self, message: Message) -> None:
        """Take an event, at once."""
        self._outbox.put(message if self._settings.inline else replace(message, pictures={}))

    def end_within(self, seconds: float) -> None:
        """Try for so long at most to deliver what waits."""
        self._outbox.end_within(seconds)

    def close(self) -> None:
        """Wait for that."""
        self._outbox.close()

    def _post(self, message: Message, seconds: float) -> None:
        body = json.dumps(self._values(message)).encode()
        headers = {**self._headers, **signature_headers(self._key, body, at_s=int(time.time()))}
        request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=min(seconds, self._settings.timeout)) as answer:
                answer.read(_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
            error.close()
            if error.code >= 500 or error.code in _LATER:
                raise AwayError(reason) from None
            hint = ", a redirect, which is not followed" if error.code < 400 else ""
            raise RefusedError(f"{reason}{hint}") from None
        except urllib.error.URLError as error:
            raise AwayError(_reason(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(_reason(error)) from None

    def _values(self, message: Message) -> dict[str, Any]:
        values = dict(message.values)
        if self._settings.link is not None:
            base = self._settings.link.rstrip("/")
            for kind in ("snapshot", "crop", "clip"):
                if kind in values:
                    values[f"{kind}_url"] = f"{base}/{quote(values[kind])}"
        for kind, data in message.pictures.items():
            values[f"{kind}_jpeg"] = base64.b64encode(data).decode()
        return values


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect as the error that it is: what was signed is for the address that was named alone."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:  # as the library calls it
        return None


def signature_headers(key: bytes | None, body: bytes, *, at_s: int) -> dict[str, str]:
    """Sign a message and the moment at which it is sent; nothing without a key.

    Args:
        key: that both sides know.
        body: as it is sent.
        at_s: seconds since 1970.
    """
    if key is None:
        return {TIMESTAMP: str(at_s)}
    signature = hmac.new(key, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: str(at_s), SIGNATURE: f"sha256={signature}"}


def _reason(error: object) -> str:
    """Say what went wrong, without the address."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__

"""The secret without which the live page is shown to nobody beyond this machine."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256

from ..errors import InputError

VARIABLE = "SINGLESHOT_LIVE_TOKEN"
"""The environment variable that may hold it."""

_LEAST = 16
"""Characters; what is shorter can be guessed."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A secret, shown in no `repr`.

    Args:
        text: as the viewer gives it.
        is_made: this run made it, so it has to be told; one that was given is known.
    """

    text: str
    is_made: bool

    def __repr__(self) -> str:
        return "Token(…)"

    def is_equal(self, given: str) -> bool:
        """Compare in a time that tells nothing of where the two differ."""
        return hmac.compare_digest(given.encode(), self.text.encode())

    @property
    def cookie(self) -> str:
        """What a browser keeps instead: good for this page alone, and it does not give the token away."""
        return hmac.new(self.text.encode(), b"cookie of the live page", sha256).hexdigest()

    def is_cookie(self, given: str) -> bool:
        """Compare a cookie, as `is_equal`."""
        return hmac.compare_digest(given.encode(), self.cookie.encode())


def is_here(host: str) -> bool:
    """Whether a host is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_for(host: str, told: str | None) -> Token | None:
    """Choose the token: the one that was told, by the configuration or the environment, else a new one where it is due.

    Args:
        host: where the page is served.
        told: by the configuration.

    Returns:
        None where nobody beyond this machine gets to the page and none was told.

    Raises:
        InputError: it can be guessed.
    """
    text = told or os.environ.get(VARIABLE) or None
    if text is not None:
        check_token(text)
        return Token(text=text, is_made=False)
    return None if is_here(host) else Token(text=secrets.token_urlsafe(18), is_made=True)


def check_token(text: str) -> None:
    """Refuse a token that can be guessed.

    Raises:
        InputError: it is too short.
    """
    if len(text) < _LEAST:
        raise InputError(
            f"live_token: expected at least {_LEAST} characters, got {len(text)}. Leave it out and the run makes one."
        )

"""Where events are sent, as a TOML file says it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ..errors import InputError


class WebhookSettings(BaseModel):
    """An address that is sent each event as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = None
    """Who is asked to take them; user and password in it are sent as HTTP's basic authentication. Rules name others."""
    secret: SecretStr | None = None
    """What signs each message."""
    secret_env: str | None = None
    """The environment variable that has it."""
    timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds for one attempt."""
    inline: bool = False
    """Pictures are in the message, as base64."""
    link: str | None = None
    """Where the folder of events can be read: the message has addresses of pictures and clips below it."""

    def key(self) -> bytes | None:
        """Give what signs; none where nothing is signed.

        Raises:
            InputError: it is given twice, or in a variable that is not there.
        """
        secret = _secret("webhook", "secret", self.secret, self.secret_env)
        return None if secret is None else secret.encode()


class MqttSettings(BaseModel):
    """A broker that is told events and counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """1883, or 8883 with TLS, if not given."""
    user: str | None = None
    password: SecretStr | None = None
    password_env: str | None = None
    """The environment variable that has it."""
    tls: bool = False
    ca: str | None = None
    """A file of the authorities that are trusted besides the system's."""
    topic: Annotated[str, Field(pattern=r"^[^+#/\x00][^+#\x00]*$")] = "singleshot"
    """What all topics begin with; each run needs one of its own."""
    discovery: bool = True
    """Home Assistant is told what there is."""
    discovery_prefix: Annotated[str, Field(pattern=r"^[^+#/\x00][^+#\x00]*$")] = "homeassistant"

    def beside(self, folder: Path) -> MqttSettings:
        """Take relative paths as of a folder."""
        return self if self.ca is None else self.model_copy(update={"ca": str(folder / self.ca)})

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (8883 if self.tls else 1883)

    def secret(self) -> str | None:
        """Give the password, if there is one.

        Raises:
            InputError: it is given twice, in a variable that is not there, or without a user.
        """
        password = _secret("mqtt", "password", self.password, self.password_env)
        if password is not None and self.user is None:
            raise InputError("mqtt.user: expected a name beside the password, got none. Give user as well.")
        return password


def check_url(url: str, name: str = "webhook.url") -> SplitResult:
    """Take an address apart; nothing of it is ever shown, as all of it may be a secret.

    Raises:
        InputError: it is no http:// or https:// address.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and re.fullmatch(r"[!-~]+", url):
            parts.hostname.encode("idna")
            return parts
    except ValueError:
        pass
    raise InputError(
        f"{name}: expected an address as https://example.org/events, got another. Other characters are %XX."
    )


def check_host(host: str) -> None:
    """Refuse what is no name of a machine; nothing of it is shown, as it may have a password.

    Raises:
        InputError: it is none.
    """
    try:
        is_name = bool(re.fullmatch(r"[^\s/@#?\[\]]+", host)) and bool(host.encode("idna"))
    except UnicodeError:
        is_name = False
    if not is_name or host.count(":") == 1:
        raise InputError(
            "mqtt.host: expected the name or address of a machine, got something else. Port, user and password have "
            "keys of their own."
        )


def _secret(part: str, key: str, given: SecretStr | None, variable: str | None) -> str | None:
    if given is not None and variable is not None:
        raise InputError(f"{part}.{key}: expected it once, got {key} and {key}_env. Leave one out.")
    if variable is None:
        return None if given is None else given.get_secret_value()
    if not (value := os.environ.get(variable)):
        raise InputError(
            f"{part}.{key}_env: expected an environment variable that is set, got {variable}. Set it, or give {key}."
        )
    return value

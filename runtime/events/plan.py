"""What a run's events do, looked at before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..require import require
from .clip_length import ClipLength
from .event_folder import check_event_folder
from .kept_files import FOR_EVER, Keep
from .settings import MqttSettings, WebhookSettings, check_host, check_url


@dataclass(frozen=True, kw_only=True)
class RuleDelivery:
    """What the events of a rule do.

    Args:
        rule: its name.
        kind: of its events.
        cameras: on which it may fire.
        snapshot: keep the picture.
        clip: keep a video from before the event until after it; none if not given.
        webhook: an address for this rule, instead of the run's.
    """

    rule: str
    kind: str
    cameras: Sequence[str]
    snapshot: bool = True
    clip: ClipLength | None = None
    webhook: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class EventsPlan:
    """What a run's events do.

    Args:
        cameras: all of the run.
        rules: all of the run.
        folder: of lines, pictures and clips; nothing is kept if not given.
        keep: which pictures and clips stay.
        webhook: of all webhooks.
        mqtt: the broker; none if not given.
    """

    cameras: Sequence[str]
    rules: Sequence[RuleDelivery]
    folder: Path | None = None
    keep: Keep = FOR_EVER
    webhook: WebhookSettings | None = None
    mqtt: MqttSettings | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.folder is None and self.mqtt is None and not self.urls

    @property
    def urls(self) -> dict[str, str]:
        """The address of each rule that has one."""
        shared = None if self.webhook is None or self.webhook.url is None else self.webhook.url.get_secret_value()
        found = {rule.rule: rule.webhook or shared for rule in self.rules}
        return {rule: url for rule, url in found.items() if url is not None}

    @property
    def has_pictures(self) -> bool:
        """Whether somebody wants pictures of events."""
        is_inline = self.webhook is not None and self.webhook.inline
        return self.folder is not None or self.mqtt is not None or is_inline

    def lead_s(self, camera: str) -> float | None:
        """Give the longest time before an event that a clip of a camera has; none without clips."""
        return max((r.clip.before_s for r in self.rules if r.clip is not None and camera in r.cameras), default=None)

    def check(self) -> None:
        """Find out what cannot be, before anything is opened; nothing is made.

        Raises:
            InputError: it is so.
            MissingDependencyError: a package is not installed.
        """
        if self.folder is not None:
            check_event_folder(self.folder)
            if not self.rules:
                raise InputError(
                    "events: expected rules that say what is one, got none. Write [rules.NAME], or give --rule."
                )
        for rule in self.rules:
            if rule.clip is not None and self.folder is None:
                raise InputError(
                    f"rules.{rule.rule}.clip: expected a folder to write it to, got none. Give events, or --events."
                )
            if rule.webhook is not None:
                check_url(rule.webhook, f"rules.{rule.rule}.webhook")
        self._check_webhook()
        if self.mqtt is not None:
            check_host(self.mqtt.host)
            self.mqtt.secret()
            if self.mqtt.ca is not None and not self.mqtt.tls:
                raise InputError("mqtt.ca: expected tls = true beside it, got none. Give tls as well.")
            require("paho.mqtt.client", extra="mqtt", why="[mqtt]")
            from .mqtt import trusted  # not before: it loads TLS

            trusted(self.mqtt.ca)

    def _check_webhook(self) -> None:
        if self.webhook is None:
            return
        if self.webhook.url is not None:
            check_url(self.webhook.url.get_secret_value())
            if not self.rules:
                raise InputError("webhook: expected rules whose events it is sent, got none. Write [rules.NAME].")
        elif not self.urls:
            raise InputError("webhook.url: expected an address here or at a rule, got none. Give url.")
        if self.webhook.link is not None:
            check_url(self.webhook.link, "webhook.link")
            if self.folder is None:
                raise InputError("webhook.link: expected a folder of events that is read there, got none. Give events.")
        self.webhook.key()

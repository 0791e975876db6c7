"""Tells a broker events and counts."""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..loop.deliveries import DeliveryCounts
from ..require import require
from .message import Message, Target
from .mqtt_topics import Topics
from .outbox import FIRST_WAIT_S, AwayError, Limits, Outbox
from .settings import MqttSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_REFUSED = "it refused the connection"
_KEEPALIVE_S = 30
_RECONNECT_S = (1, 30)
_CONNECT_S = 5.0
_LAST_WORD_S = 1.0
_ACKNOWLEDGED_S = 10.0
"""A broker that is connected and silent for so long counts as away; the message is not sent twice for that."""


_LIMITS = Limits(longest_wait_s=FIRST_WAIT_S)
"""An attempt waits for the connection itself, so that what waits leaves as soon as there is one."""


class Broker:
    """A connection that comes back by itself, with the run's availability as its first and last word.

    Args:
        settings: where it is, and who we are.
        topics: what it is told.
        tell: is given a line when it is away, and when it is back.

    Raises:
        InputError: the password or the authorities' file cannot be used.
        MissingDependencyError: paho-mqtt is not installed.
    """

    def __init__(self, settings: MqttSettings, topics: Topics, *, tell: Callable[[str], None]) -> None:
        require("paho.mqtt.client", extra="mqtt", why="[mqtt]")
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        host, port = settings.address
        self.name = f"mqtt {host}:{port}"
        self._topics = topics
        self._tell = tell
        self._said = ""
        self._changed = threading.Condition()
        self._away = "not connected yet"
        self._acknowledged: set[int] = set()
        self._ignored: set[int] = set()  # numbers come again after 65535 messages
        self._is_closed = False
        self.connections = 0
        self._client: Client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._failed
        self._client.on_disconnect = self._disconnected
        self._client.on_publish = self._published
        self._client.connect_timeout = _CONNECT_S
        self._client.reconnect_delay_set(*_RECONNECT_S)
        self._client.will_set(topics.status, "offline", qos=1, retain=True)
        if settings.user is not None:
            self._client.username_pw_set(settings.user, settings.secret())
        if settings.tls:
            self._client.tls_set_context(trusted(settings.ca))
        self._client.connect_async(host, port, keepalive=_KEEPALIVE_S)

    def start(self) -> None:
        """Connect, in a thread of its own, for as long as it takes."""
        self._client.loop_start()

    @property
    def away(self) -> str:
        """Why it is not connected; empty where it is."""
        return self._away

    def publish(self, topic: str, payload: str | bytes, *, retain: bool) -> int:
        """Send at least once, if the connection is lost over the next; return the message's number."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def wait(self, number: int, seconds: float) -> bool:
        """Wait until a message is acknowledged, or the connection is lost; whether it is acknowledged.

        The library's own `is_published` raises an error for what waits for the next connection.
        """
        with self._changed:
            self._changed.wait_for(lambda: number in self._acknowledged or bool(self._away), seconds)
            is_acknowledged = number in self._acknowledged
            self._acknowledged.discard(number)
        return is_acknowledged

    def ignore(self, number: int) -> None:
        """Let nobody wait for a message any more."""
        with self._changed:
            if number in self._acknowledged:
                self._acknowledged.discard(number)
            else:
                self._ignored.add(number)

    def wait_for_connection(self, seconds: float) -> bool:
        """Wait for a connection; whether there is one."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._away, seconds)

    def close(self) -> None:
        """Say that the run is over, and leave."""
        if not self._away:
            self.wait(self.publish(self._topics.status, "offline", retain=True), _LAST_WORD_S)
        is_connected = not self._away
        self._is_closed = True
        self._client.disconnect()
        if is_connected:
            self._client.loop_stop()  # else its thread may be waiting for an answer, and ends by itself

    def _connected(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._set_away(f"{_REFUSED}: {reason}")
            return
        self.ignore(client.publish(self._topics.status, "online", qos=1, retain=True).mid)
        self.connections += 1
        self._set_away("")

    def _failed(self, _client: Client, _data: Any) -> None:
        error = sys.exc_info()[1]  # the library calls this while it handles the error, and does not name it
        self._set_away(str(getattr(error, "strerror", None) or error or "no connection"))

    def _disconnected(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._away:  # a refusal was said before
            self._set_away("the connection was lost")

    def _published(
        self, _client: Client, _data: Any, number: int, _reason: ReasonCode, _properties: Properties
    ) -> None:
        with self._changed:
            if number in self._ignored:
                self._ignored.discard(number)
            else:
                self._acknowledged.add(number)
            self._changed.notify_all()

    def _set_away(self, reason: str) -> None:
        with self._changed:
            self._away = reason
            self._changed.notify_all()
        is_refusal = reason.startswith(_REFUSED)
        if reason and not self._is_closed and (not self._said or (is_refusal and reason != self._said)):
            self._said = reason
            self._tell(f"{self.name}: is away ({reason}); events wait for it, and the run goes on.")
        elif not reason and self._said:
            self._said = ""
            self._tell(f"{self.name}: is back.")


class MqttEvents(Target):
    """Publishes each event, and waits until the broker has it; see `Outbox` for what happens while it is away.

    Args:
        broker: connected or not; it is who says that it is away.
        topics: where events go.
        tell: is given a line when events are dropped.
        limits: of what waits.
    """

    def __init__(
        self, broker: Broker, topics: Topics, *, tell: Callable[[str], None], limits: Limits | None = None
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._underway: tuple[Message, int] | None = None
        self._outbox = Outbox(broker.name, self._publish, tell=tell, says_away=False, limits=limits or _LIMITS)

    @property
    def counts(self) -> DeliveryCounts:
        """What was sent, waits and was dropped until now."""
        return replace(self._outbox.counts, away=self._broker.away)

    def take(self, message: Message) -> None:
        """Take an event, at once."""
        self._outbox.put(Message(event=message.event, values=message.values))

    def end_within(self, seconds: float) -> None:
        """Try for so long at most to deliver what waits."""
        self._outbox.end_within(seconds)

    def close(self) -> None:
        """Wait for that."""
        self._outbox.close()

    def _publish(self, message: Message, seconds: float) -> None:
        seconds = min(seconds, _ACKNOWLEDGED_S)
        if self._underway is None or self._underway[0] is not message:
            if not self._broker.wait_for_connection(min(seconds, _CONNECT_S)):
                raise AwayError(self._broker.away)
            event = message.event
            payload = json.dumps({"event_type": event.kind, **message.values}, ensure_ascii=False)
            self._underway = (message, self._broker.publish(self._topics.event(event), payload, retain=False))
        if not self._broker.wait(self._underway[1], seconds):  # it is kept there, and sent over the next connection
            raise AwayError(self._broker.away or "no answer in time")
        self._underway = None


class Retained:
    """Keeps what a broker retains as it should be, with the newest value alone, so that nothing piles up.

    Args:
        broker: connected or not.
        wanted: gives payloads by topic, as they should be now.
        every_s: between two looks.
    """

    def __init__(
        self, broker: Broker, wanted: Callable[[], Mapping[str, str | bytes]], *, every_s: float = 1.0
    ) -> None:
        self._broker = broker
        self._wanted = wanted
        self._every_s = every_s
        self._sent: dict[str, str | bytes] = {}
        self._connection = 0
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mqtt state", daemon=True)

    def start(self) -> None:
        """Look, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Tell the last values."""
        self._has_ended.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_WORD_S)

    def _work(self) -> None:
        while not self._has_ended.wait(self._every_s):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        if self._connection != self._broker.connections:  # a broker that was started anew may have forgotten all
            self._connection = self._broker.connections
            self._sent.clear()
        until_s = time.monotonic() + _ACKNOWLEDGED_S
        for topic, payload in self._wanted().items():
            if self._sent.get(topic) == payload:
                continue
            if self._broker.away or time.monotonic() > until_s:
                return
            # One at a time: a broker that takes nothing leaves one message here, not a thousand.
            number = self._broker.publish(topic, payload, retain=True)
            if not self._broker.wait(number, _LAST_WORD_S if self._has_ended.is_set() else _ACKNOWLEDGED_S):
                self._broker.ignore(number)
                return
            self._sent[topic] = payload


def trusted(ca: str | None) -> ssl.SSLContext:
    """Make what checks a broker's certificate.

    Args:
        ca: a file of the authorities that are trusted besides the system's.

    Raises:
        InputError: it cannot be read.
    """
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as error:  # what ssl itself raises is one, too
            raise InputError(
                f"mqtt.ca: expected a file of certificates (PEM), got {ca}: {error.strerror or error}."
            ) from error
    return context

"""Events and counts told to a real broker, which is killed and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from singleshot.runtime.errors import InputError
from singleshot.runtime.events import mqtt
from singleshot.runtime.events.mqtt import Broker, MqttEvents, Retained, trusted
from singleshot.runtime.events.mqtt_topics import Topics
from singleshot.runtime.events.outbox import Limits
from singleshot.runtime.events.settings import MqttSettings
from singleshot.runtime.rules.event import event_json
from singleshot.tests.fixtures.events import event, free_port, message, wait_until
from singleshot.tests.fixtures.mqtt_broker import Listener, broker, listening, needs_mosquitto
from singleshot.tests.fixtures.running import running

TOPICS = Topics("home/eyes")
SOON = Limits(messages=50, first_wait_s=0.02, longest_wait_s=0.05)


ONLINE = """
import sys, time
from singleshot.runtime.events.mqtt import Broker
from singleshot.runtime.events.mqtt_topics import Topics
from singleshot.runtime.events.settings import MqttSettings
Broker(MqttSettings(host="127.0.0.1", port=int(sys.argv[1])), Topics("home/eyes"), tell=print).start()
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_RECONNECT_S", (0.1, 0.1))


@contextmanager
def told_to(port: int, told: list[str], **settings: Any) -> Iterator[tuple[Broker, MqttEvents]]:
    one = Broker(MqttSettings(host="127.0.0.1", port=port, **settings), TOPICS, tell=told.append)
    one.start()
    events = MqttEvents(one, TOPICS, tell=told.append, limits=SOON)
    yield one, events
    events.end_within(0.5)
    events.close()
    one.close()


@needs_mosquitto
def test_events_and_the_run_s_availability_reach_a_broker(tmp_path: Path) -> None:
    port, told = free_port(), list[str]()
    with broker(tmp_path, port), listening(port) as listener:
        with told_to(port, told) as (_, events):
            events.take(message(1))
            wait_until(lambda: events.counts.sent)
            wait_until(lambda: listener.newest("home/eyes/status") == b"online")
            wait_until(lambda: listener.of("home/eyes/door/events/visitor"))
        wait_until(lambda: listener.newest("home/eyes/status") == b"offline")
    (payload,) = listener.of("home/eyes/door/events/visitor")
    assert json.loads(payload) == {"event_type": "enters", **event_json(event(1))}
    assert told == []


def ids(listener: Listener) -> list[str]:
    return [json.loads(payload)["id"] for payload in listener.of("home/eyes/door/events/visitor")]


@needs_mosquitto
def test_a_broker_that_is_killed_and_started_again_gets_everything(tmp_path: Path) -> None:
    port, told = free_port(), list[str]()
    with told_to(port, told) as (one, events):
        wait_until(lambda: told)  # away at the start, which is said though nothing happens
        with broker(tmp_path, port), listening(port) as before:
            for number in range(5):
                events.take(message(number))
            wait_until(lambda: len(before.of("home/eyes/door")) == 5)
        wait_until(lambda: one.away)
        for number in range(5, 30):
            events.take(message(number))
        assert events.counts.waiting >= 25  # of the last one before, the answer may be lost
        with broker(tmp_path, port), listening(port) as after:
            wait_until(lambda: events.counts.sent == 30)
            wait_until(lambda: ids(after)[-1:] == [event(29).id])
    # What the broker has not seen acknowledged before it was killed, it tells its listeners again.
    assert list(dict.fromkeys(ids(before) + ids(after))) == [event(number).id for number in range(30)]
    assert events.counts.dropped == {}
    assert told[0] == f"mqtt 127.0.0.1:{port}: is away (Connection refused); events wait for it, and the run goes on."
    assert told[1] == f"mqtt 127.0.0.1:{port}: is back."
    assert ": is away (the connection was lost); " in told[2]
    assert told[3] == told[1]


@needs_mosquitto
def test_a_run_that_is_killed_is_offline_by_its_last_will(tmp_path: Path) -> None:
    port = free_port()
    with broker(tmp_path, port), listening(port) as listener:
        with running([sys.executable, "-c", ONLINE, port]):
            wait_until(lambda: listener.newest("home/eyes/status") == b"online")
        wait_until(lambda: listener.newest("home/eyes/status") == b"offline")


@needs_mosquitto
def test_a_wrong_password_is_said_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, told = free_port(), list[str]()
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "me", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    with broker(tmp_path, port, "allow_anonymous false", f"password_file {passwords}"):
        with told_to(port, told, user="me", password=SecretStr("wr0ng")) as (one, _):
            wait_until(lambda: "Not authorized" in one.away)
        assert "is away (it refused the connection: Not authorized)" in told[-1]
        assert "wr0ng" not in str(told)
        monkeypatch.setenv("MQTT_PASSWORD", "right")
        with told_to(port, told, user="me", password_env="MQTT_PASSWORD") as (one, events):
            events.take(message(1))
            wait_until(lambda: events.counts.sent == 1)


@needs_mosquitto
def test_what_is_retained_is_the_newest_and_told_again_to_a_broker_that_forgot(tmp_path: Path) -> None:
    port = free_port()
    values: dict[str, str | bytes] = {"home/eyes/a": "1", "home/eyes/b": b"\xff\xd8"}
    one = Broker(MqttSettings(host="127.0.0.1", port=port), TOPICS, tell=lambda _line: None)
    retained = Retained(one, lambda: dict(values), every_s=0.05)
    one.start()
    retained.start()
    with broker(tmp_path, port), listening(port) as listener:
        wait_until(lambda: listener.newest("home/eyes/b") == b"\xff\xd8")
        values["home/eyes/a"] = "2"
        wait_until(lambda: listener.newest("home/eyes/a") == b"2")
        assert len(listener.of("home/eyes/b")) == 1  # what stays as it is, is not told again
    for number in range(100):
        values["home/eyes/a"] = str(number)
    with broker(tmp_path, port), listening(port) as listener:
        wait_until(lambda: listener.newest("home/eyes/a") == b"99")
        wait_until(lambda: listener.newest("home/eyes/b") == b"\xff\xd8")
        values["home/eyes/a"] = "last"
        retained.close()
        wait_until(lambda: listener.newest("home/eyes/a") == b"last")
        one.close()


def test_an_authority_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^mqtt.ca: expected a file of certificates \(PEM\), got .*: No such file"):
        trusted(str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(InputError, match=r"^mqtt.ca: expected a file of certificates \(PEM\), got "):
        trusted(str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        pytest.param("door", "home/eyes/door/status", id="a plain name"),
        pytest.param("back door/#+", "home/eyes/back_door___/status", id="what has a meaning in topics"),
    ],
)
def test_a_name_is_one_level_of_a_topic(name: str, topic: str) -> None:
    assert TOPICS.camera(name) == topic

"""Events posted to a real server on loopback, which is killed and comes back."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from singleshot.runtime.errors import InputError
from singleshot.runtime.events.message import Message
from singleshot.runtime.events.outbox import Limits
from singleshot.runtime.events.settings import WebhookSettings, check_url
from singleshot.runtime.events.webhook import Webhook, signature_headers
from singleshot.runtime.rules.event import event_json
from singleshot.tests.fixtures.events import event, free_port, message, wait_until
from singleshot.tests.fixtures.running import running
from singleshot.tests.places import FIXTURES, ROOT

SOON = Limits(messages=50, first_wait_s=0.02, longest_wait_s=0.05)


class Answering(BaseHTTPRequestHandler):
    """Answers as a test says, and keeps what it was sent."""

    answers: ClassVar[list[tuple[int, dict[str, str]]]] = []
    got: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, dict(self.headers), body))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    """A server's `127.0.0.1:PORT`."""
    Answering.answers, Answering.got = [], []
    with HTTPServer(("127.0.0.1", 0), Answering) as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{one.server_port}"
        one.shutdown()
        thread.join()


@contextmanager
def sent(url: str, told: list[str] | None = None, **settings: Any) -> Iterator[Webhook]:
    said: list[str] = [] if told is None else told
    webhook = Webhook(url, WebhookSettings(**settings), tell=said.append, limits=SOON)
    yield webhook
    webhook.end_within(0.5)
    webhook.close()


def test_a_message_is_an_event_as_json_and_signed(server: str) -> None:
    with sent(f"http://{server}/hooks/door?x=1", secret=SecretStr("s3cret")) as webhook:
        webhook.take(message(1))
        wait_until(lambda: webhook.counts.sent)
    ((path, headers, body),) = Answering.got
    assert path == "/hooks/door?x=1"
    assert json.loads(body) == event_json(event(1))
    assert headers["Content-Type"] == "application/json"
    is_genuine = told_to_receivers()["is_genuine"]
    assert is_genuine(b"s3cret", headers, body)
    assert not is_genuine(b"s3cret", headers, body + b" ")
    assert not is_genuine(b"another", headers, body)
    later = {**headers, "X-Singleshot-Timestamp": str(int(headers["X-Singleshot-Timestamp"]) + 1)}
    assert not is_genuine(b"s3cret", later, body)
    old = signature_headers(b"s3cret", body, at_s=1_700_000_000)
    assert not is_genuine(b"s3cret", old, body)


def told_to_receivers() -> dict[str, Any]:
    """What docs/events.md has receivers do."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "events.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (one for one in blocks if "is_genuine" in one)
    names: dict[str, Any] = {}
    exec(block, names)
    return names


def test_pictures_are_addresses_or_in_the_message(server: str) -> None:
    values = {**event_json(event(1)), "snapshot": "snapshots/a b.jpg", "clip": "clips/a.mp4"}
    one = Message(event=event(1), values=values, pictures={"snapshot": b"JPEG", "crop": b"part"})
    with sent(f"http://{server}", link="https://nvr/events/") as webhook:
        webhook.take(one)
        wait_until(lambda: webhook.counts.sent)
    with sent(f"http://{server}", inline=True) as webhook:
        webhook.take(one)
        wait_until(lambda: webhook.counts.sent)
    linked, inline = (json.loads(body) for _, _, body in Answering.got)
    assert linked["snapshot_url"] == "https://nvr/events/snapshots/a%20b.jpg"
    assert linked["clip_url"] == "https://nvr/events/clips/a.mp4"
    assert "snapshot_jpeg" not in linked
    assert (inline["snapshot_jpeg"], inline["crop_jpeg"]) == ("SlBFRw==", "cGFydA==")
    assert "snapshot_url" not in inline


@pytest.mark.parametrize(
    ("answers", "dropped"),
    [
        pytest.param([(500, {})], {}, id="the server's own fault is tried again"),
        pytest.param([(503, {}), (429, {}), (408, {})], {}, id="so is what it has no time for"),
        pytest.param([(404, {})], {"refused: 404 Not Found": 1}, id="what it refuses is not"),
        pytest.param(
            [(302, {"Location": "http://127.0.0.1:1/elsewhere"})],
            {"refused: 302 Found, a redirect, which is not followed": 1},
            id="a redirect is not followed",
        ),
    ],
)
def test_what_an_answer_means(server: str, answers: list[tuple[int, dict[str, str]]], dropped: dict[str, int]) -> None:
    Answering.answers = [*answers]
    with sent(f"http://{server}", secret=SecretStr("k")) as webhook:
        webhook.take(message(1))
        wait_until(lambda: webhook.counts.sent or webhook.counts.dropped)
        assert webhook.counts.dropped == dropped
    tries = len(answers) + (0 if dropped else 1)
    assert len(Answering.got) == tries


def test_user_and_password_are_sent_and_nothing_of_an_address_is_shown(server: str) -> None:
    told: list[str] = []
    Answering.answers = [(500, {}), (401, {"WWW-Authenticate": "Basic realm=x"})]
    with sent(f"http://me:p%40ss@{server}/T0KEN?key=K", told) as webhook:
        webhook.take(message(1))
        wait_until(lambda: webhook.counts.dropped)
        shown = f"{told} {webhook.counts}"
    assert Answering.got[0][1]["Authorization"] == "Basic bWU6cEBzcw=="
    assert f"webhook http://{server}: is away (500 Internal Server Error)" in told[0]
    assert not any(secret in shown for secret in ("me:", "p@ss", "p%40ss", "T0KEN", "K'", "key"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("http://127.0.0.1:1/", "Connection refused", id="nobody there"),
        pytest.param("http://no-such-host.invalid/", "not known|Temporary failure|No address", id="unknown host"),
    ],
)
def test_a_server_that_is_away_is_said_once(url: str, reason: str) -> None:
    told: list[str] = []
    with sent(url, told) as webhook:
        webhook.take(message(1))
        webhook.take(message(2))
        wait_until(lambda: told)
    assert len(told) == 1
    assert "is away (" in told[0]
    assert any(word in told[0] for word in reason.split("|"))
    assert webhook.counts.dropped == {"run ended": 2}


def test_a_server_that_never_answers_is_left_after_a_time(server: str) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # takes connections, serves none
        told: list[str] = []
        with sent(f"http://127.0.0.1:{silent.server_port}", told, timeout=0.1) as webhook:
            webhook.take(message(1))
            wait_until(lambda: told)
    assert "is away (no answer in time)" in told[0]


@pytest.mark.parametrize(
    "url",
    [
        "example.org/hook",
        "ftp://u:secret@host/",
        "http://",
        "http://host:99999/",
        "http://host:0/",
        "http://hö/",
        "http://host/a b",
        "http://host/\n",
        f"http://{'a' * 70}.org/",
    ],
)
def test_what_is_no_address_is_refused_unseen(url: str) -> None:
    with pytest.raises(InputError, match=r"^webhook.url: expected an address as https://example.org/events") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def bodies(path: Path) -> list[str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(json.loads(line)["body"])["id"] for line in lines]


def test_a_server_that_is_killed_and_started_again_gets_everything(tmp_path: Path) -> None:
    lines, port, told = tmp_path / "got.jsonl", free_port(), list[str]()
    command = [sys.executable, FIXTURES / "event_target.py", port, lines]
    with sent(f"http://127.0.0.1:{port}", told) as webhook:
        with running(command):
            for number in range(10):
                webhook.take(message(number))
            wait_until(lambda: webhook.counts.sent == 10)
        for number in range(10, 40):  # it is dead
            webhook.take(message(number))
        wait_until(lambda: webhook.counts.away)
        with running(command):
            for number in range(40, 50):
                webhook.take(message(number))
            wait_until(lambda: webhook.counts.sent == 50)
    assert bodies(lines) == [event(number).id for number in range(50)]
    assert webhook.counts.dropped == {}
    assert [" is away (" in line for line in told[-2:]] == [True, False]
    assert " is back; " in told[-1]

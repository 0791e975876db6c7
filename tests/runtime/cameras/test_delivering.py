"""What a run's events do, as a file of cameras says it, and what is said of what cannot be."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from singleshot.runtime.cameras.configuration import load_run_config
from singleshot.runtime.cameras.delivering import checked_events_plan
from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.events.clip_length import ClipLength
from singleshot.runtime.events.kept_files import Keep
from singleshot.runtime.events.plan import EventsPlan

needs_paho = pytest.mark.skipif(find_spec("paho") is None, reason="what tells brokers is not installed")

CAMERAS = """
[cameras.door]
source = "cam0"
[cameras.yard]
source = "cam1"
"""
RULE = """
[rules.visitor]
when = "enters"
"""


def plan_of(folder: Path, text: str) -> EventsPlan:
    path = folder / "cameras.toml"
    path.write_text(text, encoding="utf-8")
    return checked_events_plan(load_run_config(path))


@needs_paho
def test_events_do_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    text = """
    events = "events"
    keep_events = "30d"
    [webhook]
    url = "https://u:p@nvr.example/hook"
    secret_env = "HOOK_SECRET"
    [mqtt]
    host = "broker"
    tls = true
    [rules.visitor]
    when = "enters"
    cameras = "yard"
    clip = "5s + 1m"
    [rules.nobody]
    when = "absent"
    for = "1h"
    snapshot = false
    webhook = "http://elsewhere/"
    """
    plan = plan_of(tmp_path, text + CAMERAS)
    assert plan.folder == tmp_path / "events"
    assert not plan.folder.exists()
    assert plan.keep == Keep(age_s=30 * 86400)
    assert plan.urls == {"visitor": "https://u:p@nvr.example/hook", "nobody": "http://elsewhere/"}
    visitor, nobody = plan.rules
    assert (visitor.cameras, visitor.clip, visitor.snapshot) == (["yard"], ClipLength(before_s=5, after_s=60), True)
    assert (nobody.cameras, nobody.clip, nobody.snapshot) == (["door", "yard"], None, False)
    assert (plan.lead_s("door"), plan.lead_s("yard")) == (None, 5.0)
    assert plan.webhook is not None
    assert plan.webhook.key() == b"s3cret"
    assert plan.mqtt is not None
    assert plan.mqtt.address == ("broker", 8883)
    assert plan_of(tmp_path, RULE + CAMERAS).is_empty


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            'events = "events"',
            "events: expected rules that say what is one, got none. Write [rules.NAME], or give --rule.",
            id="none",
        ),
        pytest.param(
            'events = "cameras.toml"' + RULE,
            "cameras.toml: expected a folder for events, got a file. Name another.",
            id="a file as folder",
        ),
        pytest.param(
            'events = "events"\nkeep_events = "7"' + RULE,
            "keep_events: expected an age like 7d or 12h, or a size like 20GiB or 500MB, got '7'.",
            id="kept for no unit",
        ),
        pytest.param(
            'keep_events = "7GiB"' + RULE,
            "keep_events: expected events as well, got none of which 7GiB could be kept. Give events.",
            id="nothing to keep",
        ),
        pytest.param(
            RULE + 'clip = "5s+10s"',
            "rules.visitor.clip: expected a folder to write it to, got none. Give events, or --events.",
            id="a clip without a folder",
        ),
        pytest.param(
            RULE + 'clip = "5+10"',
            "rules.visitor.clip: expected times before and after the event like 5s+10s, 300 s together at most, "
            "got '5+10'.",
            id="a clip without units",
        ),
        pytest.param(RULE + 'clip = "4m+90s"', "300 s together at most, got '4m+90s'.", id="a clip that is too long"),
        pytest.param(
            RULE + 'webhook = "nvr.example/s3cret"',
            "rules.visitor.webhook: expected an address as https://example.org/events, got another.",
            id="no address at a rule",
        ),
        pytest.param(
            '[webhook]\nurl = "ftp://u:s3cret@host/"' + RULE,
            "webhook.url: expected an address as https://example.org/events, got another.",
            id="no address",
        ),
        pytest.param(
            '[webhook]\nurl = "https://host/"',
            "webhook: expected rules whose events it is sent, got none. Write [rules.NAME].",
            id="nothing to send",
        ),
        pytest.param(
            "[webhook]\ninline = true" + RULE,
            "webhook.url: expected an address here or at a rule, got none. Give url.",
            id="nowhere to send it",
        ),
        pytest.param(
            '[webhook]\nurl = "https://host/"\nlink = "https://nvr/events"' + RULE,
            "webhook.link: expected a folder of events that is read there, got none. Give events.",
            id="links to nothing",
        ),
        pytest.param(
            '[webhook]\nurl = "https://host/"\nsecret = "a"\nsecret_env = "B"' + RULE,
            "webhook.secret: expected it once, got secret and secret_env. Leave one out.",
            id="two secrets",
        ),
        pytest.param(
            '[webhook]\nurl = "https://host/"\nsecret_env = "NOT_THERE"' + RULE,
            "webhook.secret_env: expected an environment variable that is set, got NOT_THERE. Set it, or give secret.",
            id="a secret that is not there",
        ),
        pytest.param(
            '[webhook]\nurl = "https://host/"\nsecret = 12345' + RULE,
            "webhook.secret: expected a valid string, got another value.",
            id="a secret that is no text is not shown",
        ),
        pytest.param(
            '[webhook]\nurl = "https://host/"\nsecert = "s3cret"' + RULE,
            "webhook.secert: expected one of the keys url, secret, secret_env, timeout, inline, link, got secert. "
            "Is secret meant?",
            id="a slip",
        ),
        pytest.param(
            'webhook = "https://host/s3cret"' + RULE,
            "webhook: expected a table of keys, got another value.",
            id="no table",
        ),
        pytest.param(
            '[mqtt]\nhost = "me:s3cret@broker"',
            "mqtt.host: expected the name or address of a machine, got something else. Port, user and password have "
            "keys of their own.",
            id="a password in the host",
        ),
        pytest.param(
            '[mqtt]\nhost = "broker:1883"', "mqtt.host: expected the name or address", id="a port in the host"
        ),
        pytest.param('[mqtt]\nhost = "mqtt://b"', "mqtt.host: expected the name or address", id="a URL as host"),
        pytest.param("[mqtt]\nport = 1883", "mqtt.host: expected a value, got none.", id="no host"),
        pytest.param(
            '[mqtt]\nhost = "b"\nport = 70000', "mqtt.port: expected less than or equal to 65535", id="a port"
        ),
        pytest.param('[mqtt]\nhost = "b"\ntopic = "a/#"', "mqtt.topic: expected string should match", id="a wildcard"),
        pytest.param(
            '[mqtt]\nhost = "b"\npassword = "s3cret"',
            "mqtt.user: expected a name beside the password, got none. Give user as well.",
            id="a password without a user",
        ),
        pytest.param(
            '[mqtt]\nhost = "b"\nca = "ca.pem"',
            "mqtt.ca: expected tls = true beside it, got none. Give tls as well.",
            id="authorities without TLS",
        ),
        pytest.param(
            '[mqtt]\nhost = "b"\ntls = true\nca = "ca.pem"',
            "ca.pem: No such file or directory.",
            id="no such authorities, beside the file of cameras",
            marks=needs_paho,
        ),
        pytest.param(
            '[mqtt]\nhost = "b"\npasword = "s3cret"', "got pasword. Is password meant?", id="a slip beside a secret"
        ),
    ],
)
def test_what_cannot_be_is_one_line_without_secrets(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        plan_of(tmp_path, text + CAMERAS)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cameras.toml"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir(mode=0o500)
    with pytest.raises(InputError, match="expected a place that can be written to"):
        plan_of(tmp_path, 'events = "events"' + RULE + CAMERAS)


def test_what_brings_mqtt_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho", None)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(MissingDependencyError, match=r"\[mqtt\] needs the package 'paho'.*singleshot\[mqtt\]"):
        plan_of(tmp_path, '[mqtt]\nhost = "b"' + CAMERAS)

"""Events of a whole run: rules to reactions, several cameras, an end that waits no longer than it should."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import SecretStr

from singleshot.runtime.errors import InputError
from singleshot.runtime.events import dispatch
from singleshot.runtime.events.clip_length import ClipLength
from singleshot.runtime.events.open_events import Events
from singleshot.runtime.events.plan import EventsPlan, RuleDelivery
from singleshot.runtime.events.settings import MqttSettings, WebhookSettings
from singleshot.runtime.loop.blur import Blur
from singleshot.runtime.loop.camera import Camera, Observer
from singleshot.runtime.loop.pipeline import Pipeline
from singleshot.runtime.loop.run_state import RunState
from singleshot.runtime.loop.summary import RunSummary
from singleshot.runtime.rules.event import PlaceCount
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.sources.open_source import open_source
from singleshot.tests.fixtures.cameras import GivenSession, GivenSource
from singleshot.tests.fixtures.events import event, free_port
from singleshot.tests.fixtures.mqtt_broker import broker, listening, needs_mosquitto

ALL = np.zeros(1, np.float32)
CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))


class Happening(Observer):
    """Lets something happen in each so-manieth frame."""

    def __init__(self, camera: str, *, every: int, has_place: bool = True) -> None:
        self.camera, self.every, self.has_place = camera, every, has_place

    def observe(self, result: FrameResult) -> FrameResult:
        index, place = result.frame.index, PlaceCount(name="entry", kind="zone", points=CORNERS, inside={"cat": 1})
        happened = event(index, time_s=result.frame.time_s)
        events = (
            () if index % self.every else (replace(happened, camera=self.camera, id=f"{happened.id}-{self.camera}"),)
        )
        return replace(result, events=events, places=(place,) if self.has_place else ())


def rule(name: str, *cameras: str, clip: ClipLength | None = None, webhook: str | None = None) -> RuleDelivery:
    return RuleDelivery(rule=name, kind="enters", cameras=cameras, clip=clip, webhook=webhook)


def run(
    plan: EventsPlan, *, frames: int, every: int, told: list[str], events: list[Events] | None = None
) -> RunSummary:
    """Run the plan's cameras."""
    state = RunState(plan.cameras)
    opened = Events(plan, state, tell=told.append)
    if events is not None:
        events.append(opened)
    cameras = [
        Camera(
            name=name,
            source=GivenSource(name, frames),
            thresholds=[ALL],
            sinks=[opened.sink(name)],
            observers=[Happening(name, every=every)],
        )
        for name in plan.cameras
    ]
    return Pipeline(cameras, [GivenSession()], state=state).run()


def test_cameras_share_a_folder_and_each_has_its_clips(tmp_path: Path) -> None:
    clip = ClipLength(before_s=0.2, after_s=0.2)
    plan = EventsPlan(cameras=["door", "yard"], rules=[rule("visitor", "door", clip=clip)], folder=tmp_path / "events")
    told: list[str] = []
    events: list[Events] = []
    summary = run(plan, frames=50, every=25, told=told, events=events)
    lines = [json.loads(line) for line in (tmp_path / "events" / "events.jsonl").read_text().splitlines()]
    assert sorted((line["camera"], line["time_s"], "clip" in line) for line in lines) == [
        ("door", 0.0, True),
        ("door", 1.0, True),
        ("yard", 0.0, False),
        ("yard", 1.0, False),
    ]
    for line in lines:
        assert (tmp_path / "events" / line["crop"]).stat().st_size > 0
        if "clip" in line:
            with open_source(tmp_path / "events" / line["clip"]) as clip_source:
                assert len(list(clip_source)) > 5
    assert [(counts.target, counts.sent, counts.dropped) for counts in summary.deliveries] == [
        (str(tmp_path / "events"), 4, {})
    ]
    assert events[0].paths == (str(tmp_path / "events"),)
    assert told == []


class Chequered(GivenSource):
    """Gives frames of black and white squares of 2 pixels."""

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            image = np.kron(np.indices((32, 32)).sum(0) % 2 * 255, np.ones((2, 2)))
            yield replace(frame, image=np.repeat(image[..., np.newaxis], 3, axis=2).astype(np.uint8))


@pytest.mark.parametrize("hides", [False, True], ids=["shown", "hidden"])
def test_what_is_hidden_is_hidden_in_pictures_and_clips(tmp_path: Path, hides: bool) -> None:
    clip = ClipLength(before_s=1, after_s=1)
    plan = EventsPlan(cameras=["door"], rules=[rule("visitor", "door", clip=clip)], folder=tmp_path)
    state = RunState(["door"])
    with Events(plan, state, tell=print) as events:
        camera = Camera(
            name="door",
            source=Chequered("door", 20),
            thresholds=[ALL],
            sinks=[events.sink("door")],
            observers=[Happening("door", every=100, has_place=False)],
            blur=Blur([0], holds=True) if hides else None,
        )
        Pipeline([camera], [GivenSession()], state=state).run()
    line = json.loads((tmp_path / "events.jsonl").read_text())
    with open_source(tmp_path / line["clip"]) as source:
        pictures = [
            next(iter(source)).image,
            *(cv2.imread(str(tmp_path / line[kind])) for kind in ("snapshot", "crop")),
        ]
    # Black and white, or the grey of it; clips have the object's box and name drawn, around and above.
    contrasts = [float(picture[16:48, 16:48].std()) for picture in pictures if picture is not None]
    assert len(contrasts) == 3
    assert max(contrasts) < 50 if hides else min(contrasts) > 80


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(64)
        yield one.getsockname()[1]


def test_who_never_answers_holds_up_neither_frames_nor_the_end(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "CLOSING_S", 0.2)
    webhook = WebhookSettings(url=SecretStr(f"http://127.0.0.1:{silent}/"), timeout=600)
    mqtt = MqttSettings(host="127.0.0.1", port=silent)
    plan = EventsPlan(cameras=["door"], rules=[rule("visitor", "door")], webhook=webhook, mqtt=mqtt)
    started_s = time.monotonic()
    summary = run(plan, frames=300, every=1, told=[])
    assert time.monotonic() - started_s < 60  # seconds, not the ten minutes of an answer
    assert summary.frames == 300
    assert [sum(counts.dropped.values()) for counts in summary.deliveries] == [300, 300]
    assert all("run ended" in counts.dropped for counts in summary.deliveries)


@needs_mosquitto
def test_home_assistant_finds_cameras_counts_and_events(tmp_path: Path) -> None:
    port = free_port()
    plan = EventsPlan(
        cameras=["door"], rules=[rule("visitor", "door")], mqtt=MqttSettings(host="127.0.0.1", port=port, topic="eyes")
    )
    with broker(tmp_path, port), listening(port) as listener:
        run(plan, frames=100, every=50, told=[])
        deadline_s = time.monotonic() + 10
        while listener.newest("eyes/status") != b"offline" and time.monotonic() < deadline_s:
            time.sleep(0.02)
        topics = dict(listener.got)
    found = {
        topic.removeprefix("homeassistant/").removesuffix("/config"): json.loads(payload)
        for topic, payload in topics.items()
        if topic.startswith("homeassistant/")
    }
    assert sorted(found) == [
        "binary_sensor/eyes/door_status",
        "event/eyes/door_rule_visitor",
        "image/eyes/door_snapshot",
        "sensor/eyes/door_entry_in",
        "sensor/eyes/door_entry_inside",
        "sensor/eyes/door_entry_out",
        "sensor/eyes/door_objects",
        "sensor/eyes/door_objects_cat",
    ]
    assert len({one["unique_id"] for one in found.values()}) == len(found)
    assert {one["device"]["name"] for one in found.values()} == {"door"}
    happened = found["event/eyes/door_rule_visitor"]
    assert json.loads(topics[happened["state_topic"]])["event_type"] in happened["event_types"]
    assert topics[found["image/eyes/door_snapshot"]["image_topic"]].startswith(b"\xff\xd8")
    assert json.loads(topics["eyes/door/objects"]) == {"total": 1, "classes": {"cat": 1}}
    assert json.loads(topics["eyes/door/places/entry"])["inside_total"] == 1
    assert found["sensor/eyes/door_objects_cat"]["value_template"] == "{{ value_json['classes']['cat'] | default(0) }}"
    for one in found.values():
        assert one["availability"][0] == {"topic": "eyes/status"}
    assert topics["eyes/status"] == b"offline"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        pytest.param([rule("visitor", "door"), rule("more", "door")], None, id="rules that need nothing new"),
        pytest.param([rule("visitor", "door", clip=ClipLength(before_s=2, after_s=9))], None, id="a shorter lead"),
        pytest.param(
            [rule("visitor", "door", webhook="http://127.0.0.1:1/other")],
            "rules.visitor.webhook: expected an address that was there at the start, got another. Start anew for it.",
            id="another address",
        ),
        pytest.param(
            [rule("visitor", "door", clip=ClipLength(before_s=4, after_s=1))],
            "rules.visitor.clip: expected 3 s before an event at most, as at the start, got 4 s. Start anew for it.",
            id="a longer lead",
        ),
    ],
)
def test_rules_that_are_read_again(tmp_path: Path, rules: list[RuleDelivery], message: str | None) -> None:
    before = [rule("visitor", "door", clip=ClipLength(before_s=3, after_s=1))]
    plan = EventsPlan(cameras=["door"], rules=before, folder=tmp_path)
    with Events(plan, RunState(["door"]), tell=print) as events:
        if message is None:
            events.check_replaceable(replace(plan, rules=rules))
            events.replace(replace(plan, rules=rules))
            return
        with pytest.raises(InputError) as caught:
            events.check_replaceable(replace(plan, rules=rules))
    assert str(caught.value) == message

"""A viewer is sent what it has room for, the newest of it, and what it may not say ends its connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("starlette")

from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from singleshot.runtime.live import pictures, viewers
from singleshot.runtime.live.access import Door
from singleshot.runtime.live.app import live_app
from singleshot.runtime.live.hub import Hub
from singleshot.runtime.rules.event import Event, PlaceCount
from singleshot.tests.fixtures.live_page import GivenRun, result

HERE = "http://127.0.0.1:8080"
WITHIN_S = 10.0


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(["door", "yard"]) as made:
        yield made


@pytest.fixture
def run() -> GivenRun:
    return GivenRun()


@pytest.fixture
def client(hub: Hub, run: GivenRun) -> Iterator[TestClient]:
    with TestClient(live_app(run.state(hub), Door(token=None, port=8080)), base_url=HERE) as made:
        yield made


def viewer(client: TestClient) -> WebSocketTestSession:
    return client.websocket_connect("ws://127.0.0.1:8080/viewer", headers={"origin": HERE})


def until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline_s, "it never was so"
        time.sleep(0.005)


def shown(socket: WebSocketTestSession) -> dict[str, Any]:
    """The next picture's head; what is said meanwhile is passed over."""
    while True:
        message = socket.receive()
        if "bytes" in message:
            length = int.from_bytes(message["bytes"][:2], "big")
            assert message["bytes"][2 + length :][:2] == b"\xff\xd8"
            head: dict[str, Any] = json.loads(message["bytes"][2 : 2 + length])
            return head


def state_where(socket: WebSocketTestSession, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next state in which something is so."""
    while True:
        message = socket.receive()
        told = json.loads(message.get("text", "{}"))
        if "cameras" in told:
            socket.send_json({"took": "state"})
            if is_so(told):
                return dict(told)


def test_pictures_come_while_there_is_room(client: TestClient, hub: Hub) -> None:
    """Two are under way at most; with none looked at nothing is drawn."""
    sink = hub.sinks["door"]
    assert not sink.needs_drawing
    with viewer(client) as socket:
        socket.send_json({"watch": ["door", "no such camera"]})
        for index in (1, 2):
            until(lambda: sink.needs_drawing)
            sink.write(result(index))
            assert shown(socket) == {"camera": "door", "width": 64, "height": 36}
        time.sleep(0.1)
        assert not sink.needs_drawing  # it took none of the two
        assert not hub.sinks["yard"].needs_drawing
        socket.send_json({"took": "door"})
        until(lambda: sink.needs_drawing)
        socket.send_json({"watch": []})
        until(lambda: not sink.needs_drawing)
        socket.send_json({"watch": ["door"]})
        until(lambda: sink.needs_drawing)
    until(lambda: not sink.needs_drawing)


def test_a_picture_is_encoded_once_for_all_and_who_sleeps_holds_up_nobody(
    client: TestClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, count = pictures.encode_jpeg, 12
    encoded: list[int] = []

    def counted(image: NDArray[np.uint8], **options: Any) -> tuple[bytes, int, int]:
        encoded.append(int(image[0, 0, 0]))
        return encode(image, **options)

    monkeypatch.setattr(pictures, "encode_jpeg", counted)
    sink = hub.sinks["door"]
    with viewer(client) as one, viewer(client) as other, viewer(client) as asleep:
        for socket in (one, other, asleep):
            socket.send_json({"watch": ["door"]})
        for index in range(count):
            until(lambda: sink.needs_drawing)
            sink.write(result(index))
            for socket in (one, other):
                shown(socket)
                socket.send_json({"took": "door"})
    assert encoded == list(range(count))


def test_what_was_seen_is_told(client: TestClient, hub: Hub) -> None:
    hub.sinks["door"].write(result(1, labels=[1, 1, 0], drawn=False))
    hub.sinks["door"].write(result(2, labels=[1], drawn=False))
    with viewer(client) as socket:
        about = socket.receive_json()
        assert about["classes"] == ["cat", "dog"]
        state = state_where(socket, lambda _: True)
    door, yard = state["cameras"]
    assert state["deliveries"] == []
    assert (door["name"], door["now"], door["in_frames"], door["size"]) == (
        "door",
        {"dog": 1},
        {"cat": 1, "dog": 2},
        [64, 36],
    )
    assert (yard["state"], yard["now"], yard["score"], yard["hidden"]) == ("opening", {}, 0.5, [])


def test_what_one_sets_all_see(client: TestClient, run: GivenRun) -> None:
    with viewer(client) as one, viewer(client) as other:
        one.send_json({"scores": {"camera": "door", "score": 0.75, "hidden": ["dog"]}})
        for socket in (one, other):
            door = state_where(socket, lambda state: state["cameras"][0]["is_set"])["cameras"][0]
            assert (door["score"], door["hidden"]) == (0.75, ["dog"])
    assert [of_session.tolist() for of_session in run.applied[-1]["door"]] == [[0.75, 2.0]]


def test_what_cannot_be_set_is_said(client: TestClient, run: GivenRun) -> None:
    with viewer(client) as socket:
        socket.send_json({"scores": {"camera": "attic"}})
        while "error" not in (told := json.loads(socket.receive().get("text", "{}"))):
            pass
        assert told == {"error": "camera: expected one of this run, got 'attic'."}
    assert run.applied == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hello", id="no JSON"),
        pytest.param(b'{"watch": []}', id="bytes"),
        pytest.param("[" * 5000, id="brackets without end"),
        pytest.param('{"stop": true}', id="a word that is none"),
        pytest.param('{"watch": 5}', id="a number for names"),
        pytest.param('{"scores": {"camera": "door", "score": "high"}}', id="a word for a number"),
    ],
)
def test_what_is_no_message_ends_the_connection(client: TestClient, text: str | bytes) -> None:
    with viewer(client) as socket:
        socket.send({"type": "websocket.receive", "text" if isinstance(text, str) else "bytes": text})
        while (message := socket.receive())["type"] != "websocket.close":
            pass
    assert message["code"] == 1008


def test_there_is_room_for_so_many(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "MOST", 1)
    with viewer(client) as first:
        first.receive_json()
        with viewer(client) as second, pytest.raises(WebSocketDisconnect) as full:
            second.receive_json()
        assert (full.value.code, full.value.reason) == (1013, "1 viewers already")


def test_who_sleeps_is_left(client: TestClient, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "_ASLEEP_S", 0.2)
    with viewer(client) as socket:
        socket.send_json({"watch": ["door"]})
        until(lambda: hub.sinks["door"].needs_drawing)
        until(lambda: not hub.sinks["door"].needs_drawing)


def test_places_are_drawn_and_kept(client: TestClient, hub: Hub) -> None:
    count = PlaceCount(name="entry", kind="zone", inside={"cat": 2}, came_in={"cat": 5}, longest_s=12.34)
    hub.sinks["door"].write(replace(result(1, drawn=False), places=[count]))
    entry = [[0.1, 0.1], [0.4, 0.1], [0.4, 0.9]]
    with viewer(client) as socket:
        about = socket.receive_json()
        assert about["places_in"] == "cameras.toml"
        (place,) = state_where(socket, lambda _: True)["cameras"][0]["places"]
        assert (place["name"], place["points"]) == ("entry", entry)
        assert (place["inside"], place["longest_s"]) == ({"cat": 2}, 12.3)
        socket.send_json({"places": {"camera": "door", "zones": {"entry": entry}, "lines": {"gate": [[0, 0], [1, 1]]}}})
        state = state_where(socket, lambda state: len(state["cameras"][0]["places"]) == 2)
    gate = state["cameras"][0]["places"][1]
    assert (gate["kind"], gate["points"], gate["came_in"]) == ("line", [[0, 0], [1, 1]], {})


@pytest.mark.parametrize(
    ("places", "error"),
    [
        pytest.param({"camera": "door"}, "rule visitor: expected a zone", id="a rule needs it"),
        pytest.param({"camera": "attic"}, "camera: expected one of this run", id="no such camera"),
        pytest.param(
            {"camera": "yard", "zones": {"z": [[0, 0], [1, 1], [0, 1], [1, 0]]}}, "zone z: expected edges", id="crossed"
        ),
        pytest.param({"camera": "yard", "lines": {"l": [[0, 0], [2, 2]]}}, "line l: expected points", id="outside"),
        pytest.param({"camera": "yard", "lines": {"a/b": [[0, 0], [1, 1]]}}, "line: expected a name", id="a bad name"),
    ],
)
def test_places_that_cannot_be(client: TestClient, places: dict[str, Any], error: str) -> None:
    with viewer(client) as socket:
        socket.send_json({"places": places})
        while "error" not in (told := json.loads(socket.receive().get("text", "{}"))):
            pass
        assert told["error"].startswith(error)


def test_events_are_told_to_whoever_comes_with_pictures(client: TestClient, hub: Hub) -> None:
    event = Event(
        id="1", rule="visitor", kind="enters", camera="door", at=datetime.now(timezone.utc), time_s=1.0, label="cat",
        box_xyxy=(0.1, 0.1, 0.5, 0.5), place="entry",
    )  # fmt: skip
    hub.sinks["door"].write(replace(result(1, drawn=False), events=[event, event]))
    for _ in range(2):
        with viewer(client) as socket:
            while "events" not in (told := json.loads(socket.receive().get("text", "{}"))):
                pass
            first, second = told["events"]
            assert (first["number"], first["label"], first["place"], first["has_picture"]) == (1, "cat", "entry", True)
            assert (second["number"], second["has_picture"]) == (2, False)
    picture = client.get("/events/1.jpg")
    assert (picture.headers["content-type"], picture.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert client.get("/events/2.jpg").status_code == client.get("/events/9.jpg").status_code == 404

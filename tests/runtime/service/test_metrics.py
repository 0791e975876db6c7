"""What is answered over HTTP is what the run says of itself, and a lost camera is a failed health check."""

from __future__ import annotations

import socket
import struct
import sys
from datetime import datetime, timezone
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.loop.deliveries import DeliveryCounts
from singleshot.runtime.loop.run_state import RunState
from singleshot.runtime.service import metrics
from singleshot.runtime.service.address import read_address
from singleshot.runtime.service.metrics import MetricsServer, complaints
from singleshot.runtime.sources.source_events import SourceEvent, SourceState


@pytest.fixture
def _installed() -> None:
    pytest.importorskip("prometheus_client")


needs_client = pytest.mark.usefixtures("_installed")


def event(state: SourceState, reason: str = "") -> SourceEvent:
    return SourceEvent(source="rtsp://door/live", state=state, at=datetime.now(timezone.utc), reason=reason)


def asked(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@needs_client
def test_what_became_of_events() -> None:
    state = RunState(["door"])
    dropped = {"queue full": 2, "refused: 404 Not Found": 1}
    counts = DeliveryCounts(target="webhook http://nvr", sent=5, waiting=3, dropped=dropped, away="no answer in time")
    state.set_deliveries(lambda: [counts])
    with MetricsServer("0", state) as server:
        lines = asked(f"{server.url}/metrics")[1].splitlines()
    assert 'singleshot_events_sent_total{target="webhook http://nvr"} 5.0' in lines
    assert 'singleshot_events_waiting{target="webhook http://nvr"} 3.0' in lines
    assert 'singleshot_event_target_away{target="webhook http://nvr"} 1.0' in lines
    assert 'singleshot_events_dropped_total{cause="queue full",target="webhook http://nvr"} 2.0' in lines
    assert 'singleshot_events_dropped_total{cause="refused: 404 Not Found",target="webhook http://nvr"} 1.0' in lines


@needs_client
def test_figures_of_each_camera() -> None:
    now_s = 100.0
    state = RunState(["door", "yard"], promise_ms=150, clock=lambda: now_s)
    state.add_event("door", event("live"))
    now_s = 101.0
    for age_ms in (20.0, 40.0):
        state.add_age("door", "written", age_ms)
        state.add_result("door")
    state.add_drops("yard", "replaced by a newer", 3)
    now_s = 104.0
    with MetricsServer("0", state) as server:
        status, text = asked(f"{server.url}/metrics")
    assert status == 200
    lines = text.splitlines()
    assert 'singleshot_frames_total{camera="door"} 2.0' in lines
    assert 'singleshot_frames_per_second{camera="door"} 0.5' in lines
    assert 'singleshot_seconds_since_result{camera="yard"} 4.0' in lines
    assert 'singleshot_camera_state{camera="door",state="live"} 1.0' in lines
    assert 'singleshot_camera_state{camera="yard",state="live"} 0.0' in lines
    assert 'singleshot_dropped_frames_total{camera="yard",cause="replaced by a newer"} 3.0' in lines
    assert 'singleshot_frame_age_seconds{camera="door",quantile="0.5",stage="written"} 0.03' in lines
    assert "singleshot_promised_age_seconds 0.15" in lines
    assert "singleshot_healthy 1.0" in lines
    assert "singleshot_shedding 0.0" in lines


@needs_client
def test_health_fails_while_a_camera_is_lost_and_says_which() -> None:
    state = RunState(["door", "yard"])
    with MetricsServer("127.0.0.1:0", state) as server:
        assert asked(f"{server.url}/health") == (200, "ok\n")
        state.add_event("yard", event("lost", "me:geheim@10.0.0.2 refused"))
        assert asked(f"{server.url}/health") == (503, "yard: lost\n")
        assert "singleshot_healthy 0.0" in asked(f"{server.url}/metrics")[1]
        state.add_event("yard", event("back"))
        assert asked(f"{server.url}/health") == (200, "ok\n")
        assert asked(f"{server.url}/else") == (404, "/metrics or /health\n")
        assert "geheim" not in asked(f"{server.url}/metrics")[1]


@pytest.mark.parametrize(
    ("state", "reason", "age_ms", "expected"),
    [
        pytest.param("live", "", 100, [], id="all is well"),
        pytest.param("opening", "", 100, [], id="not there yet"),
        pytest.param("stalled", "", 100, [], id="it may come back any moment"),
        pytest.param("lost", "no answer", 100, ["door: lost"], id="lost"),
        pytest.param("ended", "", 100, [], id="a file's end"),
        pytest.param("ended", "gave up", 100, ["door: ended"], id="ended by an error"),
        pytest.param("live", "", 151, ["door: older than the promised 150 ms"], id="too old"),
    ],
)
def test_complaints(state: SourceState, reason: str, age_ms: float, expected: list[str]) -> None:
    run = RunState(["door"], promise_ms=150)
    run.add_event("door", event(state, reason))
    for _ in range(20):
        run.add_age("door", "written", age_ms)
    assert complaints(run.snapshot()) == expected


@needs_client
def test_who_leaves_or_asks_nothing_is_let_go_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metrics._QuietHandler, "timeout", 0.2)
    with MetricsServer("0", RunState(["door"])) as server:
        port = int(server.url.rpartition(":")[2])
        for request in (b"", b"GET /health HTTP/1.1\r\n", b"nothing like it\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(request)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it closes by a reset
        with socket.create_connection(("127.0.0.1", port), timeout=5) as silent:
            assert silent.recv(1) == b""
        assert asked(f"{server.url}/health") == (200, "ok\n")
    assert capfd.readouterr().err == ""


@needs_client
def test_a_port_that_is_taken_is_one_line_and_the_other_goes_on() -> None:
    with MetricsServer("0", RunState(["door"])) as first:
        port = first.url.rpartition(":")[2]
        with pytest.raises(
            InputError, match=rf"--metrics {port}: expected a free port of this machine, got: Address al"
        ):
            MetricsServer(port, RunState(["door"]))
        assert asked(f"{first.url}/health") == (200, "ok\n")
    with socket.socket() as again:  # it is free once more
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(port)))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("9090", ("127.0.0.1", 9090), id="this machine alone"),
        pytest.param("0.0.0.0:80", ("0.0.0.0", 80), id="everybody"),
        pytest.param("box.local:9090", ("box.local", 9090), id="a name"),
    ],
)
def test_addresses(address: str, expected: tuple[str, int]) -> None:
    assert read_address(address) == expected


@pytest.mark.parametrize("address", ["", "x", "90x", "70000", "-1", "http://host:90", "::1:90", "host:", "٣"])
def test_no_addresses(address: str) -> None:
    with pytest.raises(InputError, match=r"--metrics: expected PORT or HOST:PORT, as 9090 or 0\.0\.0\.0:9090, got '"):
        read_address(address)


def test_what_brings_the_client_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingDependencyError, match=r"--metrics needs .*singleshot\[metrics\]"):
        MetricsServer("0", RunState(["door"]))

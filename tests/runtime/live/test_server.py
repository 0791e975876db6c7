"""The port is taken before a camera opens and free after the run; beyond this machine the line has a token."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from singleshot.runtime.cameras.configuration import run_config
from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.live import server
from singleshot.runtime.live.server import LiveServer
from singleshot.runtime.live.tokens import VARIABLE
from singleshot.tests.fixtures.command_line import run_verb


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("starlette")
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_run_serves_its_page_and_frees_the_port(graphs: Path) -> None:
    from singleshot.runtime.cameras.open_run import OpenRun

    told: list[str] = []
    config = run_config(
        {"live": 0, "model": str(graphs / "quarters.onnx"), "cameras": {"a": {"source": "synthetic://?frames=5"}}}
    )
    with OpenRun(config, tell=told.append) as run:
        (line,) = (line for line in told if line.startswith("live: "))
        port = int(line.rstrip("/").rpartition(":")[2])
        asker = HTTPConnection("127.0.0.1", port, timeout=5)
        asker.request("GET", "/")
        assert b"singleshot live" in asker.getresponse().read()
        asker.close()
        assert run.pipeline.run().frames == 5
        assert run.cameras[0].needs_drawing is False
        assert run.sinks["a"][0].needs_drawing is False
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_taken_port_is_refused_before_a_camera_opens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        started_s = time.monotonic()
        run = run_verb("rt-detect", "--video", "rtsp://127.0.0.1:1/none", "--live", port)
    assert (run.exit_code, run.stdout) == (2, "")
    wanted = f"--live {port}: expected a free port of this machine, got: Address already in use. Name another."
    assert run.stderr == f"error: {wanted}\n"
    assert time.monotonic() - started_s < 10


@pytest.mark.parametrize("address", ["here", "1:2:3", "99999", "a/b:80", "8080x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InputError, match=r"^--live: expected PORT or HOST:PORT, as 9090 or"):
        run_config({"live": address, "cameras": {"a": {"source": "cam0"}}})


def test_a_short_token_of_a_file_is_refused_without_being_shown() -> None:
    with pytest.raises(InputError, match=r"^live_token: expected at least 16 characters, got 8\.") as refused:
        run_config({"live": 8080, "live_token": 12345678, "cameras": {"a": {"source": "cam0"}}})
    assert "12345678" not in str(refused.value)


def test_the_line_has_a_token_that_was_made_and_none_that_was_given() -> None:
    with LiveServer("0.0.0.0:0") as made, LiveServer("0.0.0.0:0", "given and long enough") as given:
        assert made.token is not None
        assert made.line == f"live: {made.url}?token={made.token.text}"
        assert "0.0.0.0" not in made.url
        assert given.line == f"live: {given.url}, asks for the token"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, *, extra: str, why: str) -> None:
        raise MissingDependencyError(f"{why} needs {module} of {extra}")

    monkeypatch.setattr(server, "require", missing)
    with pytest.raises(MissingDependencyError, match="--live needs starlette"):
        LiveServer("0")

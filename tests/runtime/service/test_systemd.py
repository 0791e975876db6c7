"""What systemd hears: ready, alive while cameras deliver, reloading, stopping."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from singleshot.runtime.loop.run_state import RunState
from singleshot.runtime.service.systemd import Watchdog, is_alive, notify, notify_reloading
from singleshot.tests.places import ROOT

UNIT = ROOT / "docs" / "rt-detect.service"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stand for systemd: the socket that a service's environment names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def heard(manager: socket.socket) -> str:
    return manager.recv(1000).decode()


def test_ready_alive_and_stopping(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    with Watchdog(RunState(["door"])):
        assert [heard(manager) for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    while (last := heard(manager)) == "WATCHDOG=1":
        pass
    assert last == "STOPPING=1"


@pytest.mark.parametrize(
    ("usec", "process"),
    [
        pytest.param("", "", id="no watchdog"),
        pytest.param("100000", "1", id="another process's"),
        pytest.param("x", "", id="nonsense"),
    ],
)
def test_nobody_is_told_what_nobody_asked(
    usec: str, process: str, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", process)
    with Watchdog(RunState(["door"])):
        assert heard(manager) == "READY=1"
        time.sleep(0.2)
    assert heard(manager) == "STOPPING=1"


def test_reload(manager: socket.socket) -> None:
    notify_reloading()
    first, second = heard(manager).splitlines()
    assert first == "RELOADING=1"
    assert abs(int(second.removeprefix("MONOTONIC_USEC=")) / 1e6 - time.monotonic()) < 5


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_without_systemd_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_an_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0singleshot-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@singleshot-test-{os.getpid()}")
        notify("READY=1", "STATUS=well")
        assert heard(listening) == "READY=1\nSTATUS=well"


def test_a_run_is_alive_while_what_delivers_has_results() -> None:
    now_s = 0.0
    state = RunState(["door", "yard"], clock=lambda: now_s)
    now_s = 100.0
    assert is_alive(state.snapshot(), 30), "cameras that never came are waited for"
    state.set_state("door", "live")
    assert not is_alive(state.snapshot(), 30)
    state.add_result("door")
    assert is_alive(state.snapshot(), 30)
    state.set_state("yard", "lost")
    assert is_alive(state.snapshot(), 30), "a restart would not bring it back"
    state.set_state("yard", "back")
    assert not is_alive(state.snapshot(), 30)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze, of systemd, is not installed")
def test_the_unit_is_one(tmp_path: Path) -> None:
    """With a program and a user that are there, as on a machine where the unit was set up."""
    text = UNIT.read_text(encoding="utf-8")
    assert "User=singleshot\n" in text
    assert "ExecStart=/opt/singleshot/bin/rt-detect " in text
    unit = tmp_path / "rt-detect.service"
    unit.write_text(text.replace("/opt/singleshot/bin/rt-detect", sys.executable).replace("=singleshot\n", "=root\n"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

"""Reloads come one after the other, whatever the signals do."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from singleshot.tools.terminal import detection_run


@pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP")
def test_a_second_reload_waits_for_the_first(tmp_path: Path) -> None:
    config = tmp_path / "cameras.toml"
    config.write_text('[cameras.door]\nsource = "cam0"\n')
    may_go_on, opening, told = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)

    def reload(_config: object) -> None:
        opening.release()
        may_go_on.acquire()

    run = SimpleNamespace(reload=reload)
    with detection_run._reloaded(run, config, lambda *_lines: told.release()):  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGHUP)
        assert opening.acquire(timeout=5)
        os.kill(os.getpid(), signal.SIGHUP)
        assert not opening.acquire(timeout=0.3)
        for _ in range(2):
            may_go_on.release()
            assert told.acquire(timeout=5)
        assert opening.acquire(timeout=5)

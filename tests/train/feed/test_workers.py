"""Workers that die: the run ends in a line, instead of waiting for what never comes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from torch import zeros
from torch.utils.data import TensorDataset

from singleshot.runtime.errors import InputError
from singleshot.train.feed.workers import ReadAhead, ended_workers

LONGEST_S = 120.0
NO_ROOM = r"workers: expected 1 processes that .* found shared memory full\. Start with --workers 0, .*--shm-size=2g\."


@pytest.mark.parametrize(
    ("place", "how", "said"),
    [
        pytest.param(
            "workers",
            "no_room",
            NO_ROOM,
            id="no shared memory, augmented by workers",
        ),
        pytest.param(
            "device",
            "no_room",
            NO_ROOM,
            id="no shared memory, augmented on the device",
        ),
        pytest.param(
            "workers",
            "killed",
            r".*got one that died \((killed by signal: Killed|exited unexpectedly)\)\. Start with --workers 0.*",
            id="killed",
        ),
    ],
)
def test_a_worker_that_comes_to_grief_ends_the_run(animals_root: Path, place: str, how: str, said: str) -> None:
    command = [sys.executable, "-m", "singleshot.tests.train.feed.reading_worker", str(animals_root), place, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    assert done.returncode == 0, done.stderr
    *message, left = done.stdout.splitlines()
    assert re.fullmatch(said, message[-1]), message
    assert left == "0 processes left"


READING = """
import os, signal
from torch import zeros
from torch.utils.data import TensorDataset
from singleshot.train.feed.workers import ReadAhead, end_with_the_run, ended_workers

loader = ReadAhead(TensorDataset(zeros(8)), num_workers=2, persistent_workers=True, worker_init_fn=end_with_the_run)
{before}
with ended_workers(loader):
    for number, _ in enumerate(loader):
        {within}
print("read to the end")
"""


@pytest.mark.parametrize(
    ("before", "within", "code"),
    [
        pytest.param("", "raise SystemExit(3)", 3, id="an error, while the workers wait"),
        pytest.param("", "number or os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, id="Ctrl-C while they read"),
        pytest.param("", "os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, id="killed"),
        pytest.param(
            "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))",
            "pass",
            -signal.SIGINT,
            id="Ctrl-C while they begin, which Python drops",
        ),
        pytest.param(
            "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGINT))",
            "os.kill(loader._iterator._workers[0].pid, signal.SIGTERM)",
            0,
            id="signals to workers alone, which are the run's to end",
        ),
    ],
)
@pytest.mark.usefixtures("ctrl_c_raises")
def test_however_a_run_ends_it_ends_at_once(before: str, within: str, code: int) -> None:
    program = READING.format(before=before, within=within)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == code, done.stderr
    assert ("read to the end" in done.stdout) == (code == 0)


def test_another_error_stays_what_it_is() -> None:
    with (
        pytest.raises(RuntimeError, match="no such thing") as told,
        ended_workers(ReadAhead(TensorDataset(zeros(1)))),
    ):
        raise RuntimeError("no such thing")
    assert not isinstance(told.value, InputError)

"""Workers that die: the run ends in a line, instead of waiting for what never comes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch import zeros
from torch.utils.data import DataLoader, TensorDataset

from singleshot.runtime.errors import InputError
from singleshot.train.feed.workers import told_when_workers_die

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


def test_another_error_stays_what_it_is() -> None:
    with (
        pytest.raises(RuntimeError, match="no such thing") as told,
        told_when_workers_die(DataLoader(TensorDataset(zeros(1)))),
    ):
        raise RuntimeError("no such thing")
    assert not isinstance(told.value, InputError)

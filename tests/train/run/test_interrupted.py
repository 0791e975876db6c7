"""Runs that are interrupted at a moment drawn by chance end soon, leave no process behind and go on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from singleshot.tests.fixtures.animals import write_animals

from .interruptions import LONGEST_S, PICTURES, Moment, command_of, gone_on_with, interrupted

ENDS = {0, 130, 143, -signal.SIGINT, -signal.SIGTERM}
"""Python's own before the command has begun and after it has ended; 0 where it came too late."""


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c_raises")
@pytest.mark.parametrize("seed", range(6))
def test_a_run_may_be_interrupted_at_any_moment(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_CACHE_DIR", str(tmp_path / "cache"))
    root = write_animals(tmp_path / "data", PICTURES)
    moment = Moment.drawn(seed)
    command = command_of(moment, root, tmp_path)
    ended = interrupted(moment, command, tmp_path)
    assert (ended.left, ended.code in ENDS) == ([], True), (moment, ended)
    assert ended.seconds < LONGEST_S, (moment, ended)
    code, said = gone_on_with(command, tmp_path)
    assert code == 0, (moment, said)

"""Progress in stages: a bar on a terminal, a line a stage in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from singleshot.tools.terminal.stage_progress import stage_progress


def talked(*, is_terminal: bool) -> str:
    written = io.StringIO()
    with stage_progress(Console(file=written, force_terminal=is_terminal, width=100)) as on_progress:
        for stage in ("calibrating [bold]", "judging int8"):
            for done in range(1, 4):
                on_progress(stage, done, 3)
    return written.getvalue()


def test_a_log_gets_a_line_when_a_stage_begins() -> None:
    assert talked(is_terminal=False).splitlines() == ["calibrating [bold] (3)", "judging int8 (3)"]


@pytest.mark.parametrize("said", ["judging int8", "3/3"])
def test_a_terminal_gets_a_bar(said: str) -> None:
    assert said in talked(is_terminal=True)

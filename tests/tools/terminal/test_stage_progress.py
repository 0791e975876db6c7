"""Progress in stages: a bar on a terminal, a line a stage in a log that wants one."""

from __future__ import annotations

import pytest

from singleshot.tools.terminal.stage_progress import lasting_progress, stage_progress


def work(*, is_logged: bool = True) -> None:
    with stage_progress(is_logged=is_logged) as on_progress:
        for stage in ("calibrating [bold]", "judging int8"):
            for done in range(1, 4):
                on_progress(stage, done, 3)


def test_a_log_gets_a_line_when_a_stage_begins(capsys: pytest.CaptureFixture[str]) -> None:
    work()
    assert capsys.readouterr().err.splitlines() == ["calibrating [bold] (3)", "judging int8 (3)"]


def test_a_log_that_does_not_want_lines_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    work(is_logged=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("said", ["judging int8", "3/3"])
def test_a_terminal_gets_a_bar(said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes Rich take stderr for a terminal
    monkeypatch.setenv("TERM", "xterm")
    work()
    assert said in capsys.readouterr().err


def test_a_log_says_how_much_time_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with lasting_progress() as on_progress:
        on_progress("measuring", 1, 8)  # 15 seconds did not pass
        monkeypatch.setattr("singleshot.tools.terminal.stage_progress._TELL_S", -1.0)
        on_progress("measuring", 2, 8)
        on_progress("measuring", 8, 8)
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in told] == ["measuring: 2 of 8", "measuring: 8 of 8"]
    assert told[-1] == "measuring: 8 of 8, about 0 s left"

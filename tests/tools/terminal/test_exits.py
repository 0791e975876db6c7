"""Errors end a verb with one line and the right code; bugs keep their trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from singleshot.runtime.errors import CheckError, InputError
from singleshot.tools.terminal.exits import exit_codes

PRINT_FOR_EVER = """
from singleshot.tools.terminal.exits import exit_codes
with exit_codes():
    while True:
        print("line", flush=True)
"""


def end_by(error: BaseException) -> None:
    with exit_codes():
        raise error


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        pytest.param(InputError("x.mp4: expected a video."), 2, "error: x.mp4: expected a video.\n", id="input"),
        pytest.param(CheckError("parity: 0.1 > 0.001"), 1, "error: parity: 0.1 > 0.001\n", id="check"),
        pytest.param(InputError("two\nlines"), 2, "error: two lines\n", id="always one line"),
        pytest.param(KeyboardInterrupt(), 130, "", id="Ctrl-C"),
    ],
)
def test_error_becomes_a_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, stderr: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        end_by(error)
    assert caught.value.code == code
    assert capsys.readouterr().err == stderr


def test_full_disk_under_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-c", PRINT_FOR_EVER], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert run.returncode == 2
    assert run.stderr == "error: stdout or a file: could not be written (No space left on device).\n"


def test_bug_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError):
        end_by(ZeroDivisionError())


def test_what_a_library_runs_into_after_ctrl_c_is_no_bug_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    later = ZeroDivisionError("by zero")
    later.__context__ = KeyError()
    later.__context__.__context__ = KeyboardInterrupt()
    with pytest.raises(SystemExit) as caught:
        end_by(later)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted, then ZeroDivisionError: by zero\n"


def test_ctrl_c_while_python_ends_is_one_too_many() -> None:
    program = (
        "import atexit, os, signal\n"
        "from singleshot.tools.terminal.exits import exit_codes\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "with exit_codes(): raise KeyboardInterrupt"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (130, "")


def test_sigterm_tidies_up_and_leaves_the_handler_as_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    tidied = []

    def work() -> None:
        with exit_codes():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                signal.sigtimedwait([], 5)
            finally:
                tidied.append(True)

    with pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == 143
    assert tidied == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_reader_that_leaves_ends_the_verb_quietly() -> None:
    process = subprocess.Popen([sys.executable, "-c", PRINT_FOR_EVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.wait(timeout=20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()

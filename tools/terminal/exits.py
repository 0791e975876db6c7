"""How a verb ends: errors in one line, exit codes, signals."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ...runtime.errors import SingleshotError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count."""
TERMINATED = 143
"""Exit code after SIGTERM: 128 + 15."""
PIPE_CLOSED = 141
"""Exit code when whoever reads our output left, as `| head` does: 128 + SIGPIPE."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came; everything that tidies up after Ctrl-C does so after this too."""


@contextmanager
def exit_codes() -> Iterator[None]:
    """Run a verb's body: what the user can mend becomes one line on stderr and an exit code, our bugs keep their trace.

    SIGTERM is raised as `Terminated` inside the block, so that files are finished before the process ends.

    Raises:
        SystemExit: 2 or 1 for a SingleshotError, 2 for a full disk, 130 after Ctrl-C, 143 after SIGTERM, whatever
            fails because of them, 141 when stdout was closed.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files that are not UTF-8 are printed as they are
    try:
        with _sigterm_raises():
            yield
    except SingleshotError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt as interrupt:
        raise _end_of(interrupt) from None
    except BrokenPipeError:
        _drop_stdout()
        raise SystemExit(PIPE_CLOSED) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            f"error: {error.filename or 'stdout or a file'}: could not be written ({error.strerror}).", file=sys.stderr
        )
        _drop_stdout()
        raise SystemExit(SingleshotError.exit_code) from error
    except Exception as error:
        behind = _interrupt_behind(error)
        if behind is None:
            raise
        print(f"interrupted, then {type(error).__name__}: {error}", file=sys.stderr)
        raise _end_of(behind) from None


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """Find the interruption whose tidying up an error comes of, as of a second one within a library."""
    context = error.__context__
    return context if context is None or isinstance(context, KeyboardInterrupt) else _interrupt_behind(context)


def _end_of(interrupt: KeyboardInterrupt) -> SystemExit:
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # a second one would end what tidies up at the exit
    gc.freeze()  # else Python looks through all of torch once more at its end, for seconds on a busy machine
    return SystemExit(TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED)


def _drop_stdout() -> None:
    """Let Python's last flush, at its end, complain no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there may handlers be set
        yield
        return

    def raise_terminated(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

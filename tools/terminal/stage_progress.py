"""Talk on stderr: lines, and progress of work in stages: what is going on, how fast, how long it will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...runtime.progress import Progress

_TELL_S = 15.0


def tell(*lines: str) -> None:
    """Print lines on stderr, where a verb's results do not go."""
    for line in lines:
        print(line, file=sys.stderr)


@contextmanager
def stage_progress(*, is_logged: bool = False) -> Iterator[Progress]:
    """Give a function that is called with (stage, done, total); on a terminal a bar shows the stage at work.

    Args:
        is_logged: elsewhere, as in a log, each stage is a line when it begins.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else f"{task.speed:.1f}/s")

    talk = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Bar(
        *columns, Rate(), TimeRemainingColumn(), console=talk, transient=True, disable=not talk.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)
        at_work = ""

        def on_progress(stage: str, done: int, total: int) -> None:
            nonlocal at_work
            if stage != at_work:
                at_work = stage
                progress.reset(task, description=stage, total=total)
                if is_logged and not talk.is_terminal:
                    tell(f"{stage} ({total})")
            progress.update(task, completed=done, total=total)

        yield on_progress


@contextmanager
def lasting_progress() -> Iterator[Progress]:
    """Give the same for one stage of minutes; in a log, every 15 seconds, a line says how much time is left."""
    with stage_progress() as on_progress:
        began_s = told_s = time.monotonic()

        def tell_progress(stage: str, done: int, total: int) -> None:
            nonlocal told_s
            on_progress(stage, done, total)
            now_s = time.monotonic()
            if now_s > told_s + _TELL_S and not sys.stderr.isatty():
                left_s = (now_s - began_s) / done * (total - done)
                tell(f"{stage}: {done} of {total}, about {left_s:.0f} s left")
                told_s = now_s

        yield tell_progress

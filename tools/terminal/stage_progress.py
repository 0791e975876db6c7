"""Progress of work in several stages: what is going on, how fast, how long it will take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ...runtime.progress import Progress


@contextmanager
def stage_progress(talk: Console) -> Iterator[Progress]:
    """Give a function that is called with (stage, done, total).

    On a terminal a bar shows the stage at work; elsewhere, as in a log, each stage is a line when it begins.

    Args:
        talk: stderr.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bar,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else f"{task.speed:.1f}/s")

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
                if not talk.is_terminal:
                    talk.print(f"{stage} ({total})", highlight=False, markup=False, soft_wrap=True)
            progress.update(task, completed=done, total=total)

        yield on_progress

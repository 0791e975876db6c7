"""What the live page costs: `python -m singleshot.tools.benchmarks.live_page`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ...runtime.cameras.configuration import run_config
from ...runtime.cameras.open_run import OpenRun
from .live_viewers import ViewerKind

_CASES: dict[str, tuple[bool, ViewerKind | None, int]] = {
    "without the page": (False, None, 0),
    "the page, no viewer": (True, None, 0),
    "50 idle viewers (tabs in the background)": (True, "idle", 50),
    "50 viewers that sleep": (True, "asleep", 50),
    "1 viewer that looks": (True, "looking", 1),
    "50 viewers that look": (True, "looking", 50),
}
"""Whether there is a page, what its viewers do, how many there are."""


@contextmanager
def _viewers(url: str, kind: ViewerKind | None, count: int) -> Iterator[None]:
    """Look from another process, whose time is not the run's."""
    if kind is None:
        yield
        return
    command = [sys.executable, "-m", "singleshot.tools.benchmarks.live_viewers", url, kind, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the viewers did not connect")
            yield
        finally:
            process.kill()


def _measure(case: str, frames: int) -> tuple[float, float]:
    """Run once; give frames a second and milliseconds of processor time a frame, of this process."""
    has_page, kind, count = _CASES[case]
    told: list[str] = []
    source = f"synthetic://?width=640&height=360&frames={frames}"
    values = {"backend": "onnxruntime", "live": "0" if has_page else None, "cameras": {"a": {"source": source}}}
    with OpenRun(run_config(values), tell=told.append) as run:
        url = next((line.removeprefix("live: ") for line in told if line.startswith("live: ")), "")
        with _viewers(url, kind, count):
            started_s, used_s = time.perf_counter(), time.process_time()
            run.pipeline.run()
            wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - used_s
    return frames / wall_s, 1e3 * cpu_s / frames


def live_page(
    frames: Annotated[int, typer.Option(min=1, help="Of 640 x 360, as fast as they are looked at.")] = 600,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of all cases, in turns.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a run with the page and its viewers against one without."""
    rounds: dict[str, list[tuple[float, float]]] = {case: [] for case in _CASES}
    for number in range(repeats):
        print(f"round {number + 1} of {repeats} ...", file=sys.stderr, flush=True)
        for case in _CASES:
            rounds[case].append(_measure(case, frames))
    alone = rounds["without the page"]
    found = {}
    for case, values in rounds.items():
        rates, costs = zip(*values, strict=True)
        of_rate = [rate / before for rate, (before, _) in zip(rates, alone, strict=True)]
        of_cost = [cost / before for cost, (_, before) in zip(costs, alone, strict=True)]
        medians = [float(np.median(column)) for column in (rates, of_rate, costs, of_cost)]
        found[case] = dict(zip(("frames_per_s", "of_rate", "cpu_ms_a_frame", "of_cpu"), medians, strict=True))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    table = Table("", "frames/s", "of without", "CPU ms a frame", "of without", box=box.SIMPLE_HEAD)
    for case, figures in found.items():
        table.add_row(case, f"{figures['frames_per_s']:.1f}", *(f"{value:.3f}" for value in list(figures.values())[1:]))
    Console().print(table)


if __name__ == "__main__":
    typer.run(live_page)

"""The parts of `singleshot bench` that compare: graphs and backends, and the tails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ...runtime.require import require
from ...runtime.shipped import shipped_detector
from .latency import first_frames

_QUIET_LOAD = 1.5
"""Above it, other programs took time from this one, whose own threads count as well."""
_TAIL_FRAMES = 8
_TAIL_ROUNDS = 20
"""For each of `--repeats`: a tail takes no millisecond."""


def bench_rivals(
    specs: Sequence[str], clip: Path, *, frames: int, repeats: int, threads: int | None, as_json: bool
) -> None:
    """Compare graphs and backends, and print the table or JSON.

    Raises:
        InputError: one of them or the clip cannot be used.
    """
    require("onnx", extra="export", why="a comparison of graphs")
    from .rival_latency import measure_rivals

    with _rounds(repeats) as on_round:
        report = measure_rivals(
            specs, first_frames(clip), frames=frames, repeats=repeats, threads=threads, on_round=on_round
        )
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("graph", overflow="fold")
    table.add_column("backend", overflow="fold")
    for heading in ("median ms", "least", "most", "times as fast"):
        table.add_column(heading, justify="right")
    for item in report.rivals:
        figures = (item.median_ms, item.least_ms, item.most_ms, item.speed_up)
        table.add_row(item.name, item.backend, *(f"{figure:.2f}" for figure in figures))
    out = Console()
    load = "" if report.load is None else f", load {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    said = f"{repeats} rounds of {frames} frames, in turns; {report.machine}{load}"
    out.print(said, markup=False, highlight=False, soft_wrap=True)
    if report.load is not None and report.load[0] > _QUIET_LOAD:
        out.print(
            "The machine was busy: trust the ratios, and measure milliseconds again when it is quiet.", soft_wrap=True
        )
    out.print(table)


def bench_tails(model: Path | None, clip: Path, *, repeats: int, threads: int | None, as_json: bool) -> None:
    """Time both tails at several K on generated heads of SSD300's size and on a graph's own, and print them.

    Raises:
        InputError: the graph or the clip cannot be used.
    """
    require("onnx", extra="export", why="timing the tails")
    from ...runtime.detection.letterbox import fit_frame
    from ...runtime.runners.onnxruntime_runner import graph_facts
    from .tail_latency import generated_heads, heads_of_graph, measure_tails

    graph = model or shipped_detector()
    spec = graph_facts(graph).card.input
    fitted = [fit_frame(image, spec)[None] for image in first_frames(clip)[:_TAIL_FRAMES]]
    rounds = repeats * _TAIL_ROUNDS
    with _rounds(rounds) as on_round:
        found = measure_tails(
            [generated_heads(), heads_of_graph(graph, fitted)], repeats=rounds, threads=threads, on_round=on_round
        )
    if as_json:
        print(json.dumps([item.to_dict() for item in found], indent=1))
        return
    table = Table("heads", box=box.SIMPLE_HEAD)
    for heading in ("boxes x classes", "tail", "K", "median ms", "least"):
        table.add_column(heading, justify="right")
    for item in found:
        size = f"{item.boxes} x {item.classes}"
        figures = (f"{item.median_ms:.3f}", f"{item.least_ms:.3f}")
        table.add_row(item.heads, size, item.tail, str(item.candidates), *figures)
    Console().print(table)


@contextmanager
def _rounds(repeats: int) -> Iterator[Callable[[int], None]]:
    with Console(stderr=True).status("measuring") as status:
        yield lambda done: status.update(f"measuring, round {done} of {repeats} done")

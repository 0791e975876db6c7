"""Every figure that docs/realtime.md promises, measured: `python -m singleshot.tools.benchmarks.realtime`.

The loop and its rivals run in turn, round after round, so that their ratios hold on a busy machine; ages and starts are
times and need a quiet one. Takes some 5 minutes.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ...runtime.machine import cpu_model, read_cpuinfo, usable_cores
from ...runtime.shipped import CLIP, shipped_detector
from ..terminal.exits import exit_codes
from .realtime_live import measure_ages, measure_chaos, measure_shares, measure_starts, measure_still
from .realtime_loop import measure_loop

AIMS = {
    "loop: of cores / sum of the stages alone": ">= 0.90",
    "recording: of cores / sum of the stages alone": ">= 0.90",
    "loop: of a plain OpenCV loop": ">= 1.25",
    "recording: of a plain OpenCV loop": ">= 1.25",
    "loop: of the network alone": "> 0.89, Ultralytics' predict of YOLOv8n at 320",
    "recording: of the network alone": "> 0.78, the same",
    "paced file: age p99 to inference p50 + one interval": "<= 1",
    "RTSP: age p99 to inference p50 + one interval": "<= 1",
    "start: seconds to the first detection": "<= 1.0",
    "start: seconds of import singleshot": "<= 0.1",
    "chaos: MiB more per 10,000 frames": "<= 1",
    "still: share of the CPU time that --skip-still saves": ">= 0.80",
    "eight cameras: least of a fair share": ">= 0.9",
    "eight cameras: most of a fair share": "<= 1.1",
}
"""What each figure is to reach."""


class Part(str, Enum):
    """What is measured."""

    loop = "loop"
    int8 = "int8"
    ages = "ages"
    shares = "shares"
    chaos = "chaos"
    still = "still"
    starts = "starts"


def realtime(
    model: Annotated[Path | None, typer.Option(help="A detector's graph.", show_default="the shipped one")] = None,
    backend: Annotated[str, typer.Option(help="Who runs it.")] = "onnxruntime",
    int8: Annotated[
        Path | None, typer.Option(help="The same in int8, for OpenVINO.", show_default="not measured")
    ] = None,
    clip: Annotated[Path, typer.Option(help="A video.")] = CLIP,
    frames: Annotated[int, typer.Option(min=1, help="Of the clip, for each loop.")] = 250,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="For each of the live measurements.")] = 12.0,
    part: Annotated[list[Part] | None, typer.Option(help="Repeatable.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the loop against its stages, its rivals and its promises."""
    with exit_codes():
        graph = model or shipped_detector()
        steps: dict[Part, Callable[[], list[dict[str, float]]]] = {
            Part.loop: lambda: measure_loop(graph, backend, clip, frames=frames, repeats=repeats),
            Part.ages: lambda: [measure_ages(graph, clip, seconds=seconds)],
            Part.shares: lambda: [measure_shares(graph, seconds=seconds)],
            Part.chaos: lambda: [measure_chaos(graph)],
            Part.still: lambda: [measure_still(graph, clip)],
            Part.starts: lambda: [measure_starts(graph, clip, repeats=repeats)],
        }
        if int8 is not None:
            steps[Part.int8] = lambda: measure_loop(int8, "openvino", clip, frames=frames, repeats=repeats)
        found: dict[str, dict[str, Any]] = {}
        for name, measure in steps.items():
            if part is None or name in part:
                print(f"{name.value} ...", file=sys.stderr, flush=True)
                found[name.value] = _figures(measure())
        machine = f"{cpu_model(read_cpuinfo())}, {usable_cores()} cores, {platform.system()}"
        if as_json:
            print(json.dumps({"machine": machine, "load": os.getloadavg()[0], "model": str(graph), **found}, indent=1))
        else:
            print(machine)
            _print(found)


def _figures(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Join rounds to medians with their ranges."""
    figures = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        aim = {"aim": AIMS[name]} if name in AIMS else {}
        figures[name] = {"median": float(np.median(values)), "least": min(values), "most": max(values), **aim}
    return figures


def _print(found: dict[str, dict[str, Any]]) -> None:
    for part, figures in found.items():
        print(f"\n{part}")
        for name, figure in figures.items():
            spread = f" ({figure['least']:.2f} to {figure['most']:.2f})" if figure["most"] > figure["least"] else ""
            print(f"  {name}: {figure['median']:.2f}{spread}" + (f"  aim {figure['aim']}" if "aim" in figure else ""))


if __name__ == "__main__":
    typer.run(realtime)

"""Which part of a graph's time its post-processing takes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.runners.contract import FRAMES
from ...runtime.runners.quiet_session import open_quietly, quiet_options

_RUNS = 30
_TAIL_PREFIX = "tail/"
"""How the nodes that post-process are named; see `export/graphs/tail.py`."""


def tail_share(graph: Path, frames: NDArray[np.uint8], threads: int | None) -> float | None:
    """Ask ONNX Runtime's profiler, which slows the run down, for a share of the time; none if the graph names no tail.

    Args:
        graph: a graph with a card.
        frames: [N, H, W, 3] uint8 BGR, of the input's size.
        threads: that compute a run.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = quiet_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = open_quietly(graph, options)
        for _ in range(_RUNS):
            session.run(None, {FRAMES: frames})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = [event for event in events if event.get("cat") == "Node"]
    tail = sum(event["dur"] for event in nodes if event["name"].startswith(_TAIL_PREFIX))
    return tail / sum(event["dur"] for event in nodes) if tail else None

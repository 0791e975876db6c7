"""Times calls, and tells another process what came of it. The standard library alone: environments of peers have it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

Frame = TypeVar("Frame")
Found = TypeVar("Found")

KEPT, SPREAD_OVER = 16, 256
"""Frames held in memory, and the first frames of a clip that they are spread over."""
WARM_UP = 10
"""Calls that are not counted, behind the first."""


def spread(frames: Iterator[Frame]) -> list[Frame]:
    """Keep every sixteenth of the first frames of a clip, so that few of them show what is in it."""
    first = list(islice(frames, 0, SPREAD_OVER, SPREAD_OVER // KEPT))
    if not first:
        raise ValueError("the clip has no frame")
    return first


def back_to_back(
    look: Callable[[Frame], Found], frames: Sequence[Frame], calls: int, after: Callable[[Found], None]
) -> dict[str, Any]:
    """Call one time after the other.

    Args:
        look: what is timed.
        frames: given to it in turn.
        calls: how many.
        after: is given what came of each call, outside of its time.
    """
    taken_s: list[float] = []
    cpu_s = -time.process_time()
    for frame in islice(cycle(frames), calls):
        started_s = time.perf_counter()
        found = look(frame)
        taken_s.append(time.perf_counter() - started_s)
        after(found)
    return {"ms": _ms(taken_s), "wall_s": sum(taken_s), "cpu_s": cpu_s + time.process_time()}


def paced(
    look: Callable[[Frame], Found], frames: Sequence[Frame], calls: int, after: Callable[[Found], None], *, fps: float
) -> dict[str, Any]:
    """Call as frames come from a camera; a time begins when the frame comes, and the newest alone is looked at."""
    taken_s: list[float] = []
    cpu_s, dropped, number = -time.process_time(), 0, 0
    started_s = time.perf_counter() + 1 / fps
    while number < calls:
        time.sleep(max(0.0, started_s + number / fps - time.perf_counter()))
        found = look(frames[number % len(frames)])
        now_s = time.perf_counter() - started_s
        taken_s.append(now_s - number / fps)
        after(found)
        newest = max(number + 1, min(int(now_s * fps), calls))
        dropped += newest - number - 1
        number = newest
    return {
        "ms": _ms(taken_s),
        "wall_s": time.perf_counter() - started_s,
        "cpu_s": cpu_s + time.process_time(),
        "dropped": dropped,
    }


def peak_mib() -> float | None:
    """Read the most memory that this process held; none where the system does not tell."""
    try:  # not of the process that started this one, which getrusage counts, too
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@contextmanager
def answering() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Give the job that stands in stdin, and what is filled in as the answer; it is all that stdout gets.

    What a library prints goes to stderr.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job, answer = json.loads(sys.stdin.readline()), dict[str, Any]()
    yield job, answer
    print(json.dumps(answer), file=out, flush=True)


def measure_looks(
    job: dict[str, Any],
    answer: dict[str, Any],
    look: Callable[[Any], Any],
    frames: Sequence[Any],
    count: Callable[[Any], int],
) -> None:
    """Measure a first look, then as many as the job says, back to back or paced."""
    found: list[int] = []

    def after(result: Any) -> None:
        found.append(count(result))

    answer["first_ms"] = back_to_back(look, frames, 1, after)["ms"][0]
    if job["mode"] == "probe":
        answer["detections"] = found[0] / job["batch"]
        return
    back_to_back(look, frames, WARM_UP, after)
    del found[:]
    if job["mode"] == "paced":
        answer.update(paced(look, frames, job["frames"], after, fps=job["fps"]))
    else:
        answer.update(back_to_back(look, frames, job["frames"], after))
    answer["frames"] = len(found) * job["batch"]
    answer["detections"] = sum(found) / answer["frames"]


def _ms(taken_s: Sequence[float]) -> list[float]:
    return [round(1e3 * one, 4) for one in taken_s]

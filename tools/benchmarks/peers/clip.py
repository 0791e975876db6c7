"""What peers have in common: frames by OpenCV, looked at one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

import cv2

from .timed import measure_looks, peak_mib, spread


def frames_of(clip: str) -> Generator[Any, None, None]:
    """Decode a clip as OpenCV does: [h, w, 3] uint8 BGR each."""
    capture = cv2.VideoCapture(clip)
    try:
        while True:
            is_there, image = capture.read()
            if not is_there:
                return
            yield image
    finally:
        capture.release()


def measure(
    job: dict[str, Any],
    answer: dict[str, Any],
    look: Callable[[Any], Any],
    count: Callable[[Any], int],
    *,
    loop: Callable[[str], Generator[Any, None, None]] | None = None,
) -> None:
    """Do what the job says.

    Args:
        job: as JSON has it.
        answer: is filled in.
        look: from a frame to what is found in it.
        count: the detections in that.
        loop: the peer's own loop over a clip; where it has none, a frame is read, looked at, and the next one read.
    """
    with closing(frames_of(job["clip"])) as frames:
        kept = [next(frames)] if job["mode"] == "loop" else spread(frames)
    if job["mode"] != "loop":
        measure_looks(job, answer, look, kept, count)
        peak = peak_mib()
        answer["memory_mib"] = peak and peak - sum(image.nbytes for image in kept) / (1 << 20)
        return
    look(kept[0])  # what a first look takes is no part of a loop's rate
    found: list[int] = []
    cpu_s, started_s = -time.process_time(), time.perf_counter()
    with closing(loop(job["clip"]) if loop else map_frames(look, job["clip"])) as results:
        for result in results:
            found.append(count(result))
            if len(found) == job["frames"]:
                break
    answer.update(
        wall_s=time.perf_counter() - started_s,
        cpu_s=cpu_s + time.process_time(),
        frames=len(found),
        detections=sum(found) / len(found),
        memory_mib=peak_mib(),
    )


def map_frames(look: Callable[[Any], Any], clip: str) -> Generator[Any, None, None]:
    """Look at one frame after the other."""
    for image in frames_of(clip):
        yield look(image)

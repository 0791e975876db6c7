"""How long a frame takes here, several graphs in turn, so that their ratios hold on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...calib.records.answers import answers_to
from ...runtime.session import Session

_WARM_UP = 3
_ROUNDS = 40


def latencies_ms(sessions: Sequence[Session], frames: Sequence[NDArray[np.uint8]]) -> list[float]:
    """Run every session on one frame after the other, interleaved.

    Args:
        sessions: open, of graphs with the same input.
        frames: [1, H, W, 3] uint8 BGR each.

    Returns:
        The median per session, in milliseconds, post-processing included.
    """
    for session in sessions:
        answers_to(session, [frames[0]] * _WARM_UP)
    times_ms = np.zeros((_ROUNDS, len(sessions)))
    for number in range(_ROUNDS):
        frame = frames[number % len(frames)]
        for place, session in enumerate(sessions):
            started_s = time.perf_counter()
            answers_to(session, [frame])
            times_ms[number, place] = 1e3 * (time.perf_counter() - started_s)
    return [float(value) for value in np.median(times_ms, axis=0)]

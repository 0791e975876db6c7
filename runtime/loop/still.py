"""Whether a scene moves, so that the network need not look again at what it has seen."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..detection.classifications import Classification
from ..detection.detections import Detections
from .in_order import InOrder

LONGEST_S = 2.0
"""The network looks at least this often."""

_SIDE = 64
"""Of the small grey picture, in pixels: an eye is a pixel of a face that fills the frame, noise is averaged away."""

_BRIGHTEST = 3
"""A scene moves where so many pixels of the small picture changed: fewer are an artefact of a codec."""

_KEPT = 64
"""Frames over which a camera's noise is measured."""

_LEARNT = 8
"""Frames before which nothing is known of the noise, and the network looks at each."""

_LEAST_CHANGE, _GREATEST_CHANGE = 4.0, 32.0
"""In grey levels: what a codec changes in a still picture, and what is no noise in any."""


class Stillness:
    """Compares the frames of one camera with the one that the network saw last.

    What counts as a change is twice the camera's own noise: the third-greatest difference between one frame and the
    next in the quietest tenth of the latest 64. The brightness of the whole picture does not count.
    """

    def __init__(self) -> None:
        self._seen: NDArray[np.float32] | None = None
        self._seen_s = 0.0
        self._before: NDArray[np.float32] | None = None
        self._noise: deque[float] = deque(maxlen=_KEPT)

    def is_still(self, fitted: NDArray[np.uint8], time_s: float) -> bool:
        """Tell whether what the network found last still holds; where not, the network is expected to look now.

        Args:
            fitted: [H, W, 3] uint8, BGR, as the network takes it.
            time_s: of the frame, in seconds from any beginning.
        """
        grey = cv2.cvtColor(fitted, cv2.COLOR_BGR2GRAY).astype(np.float32)
        small = np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)
        if self._before is not None:
            self._noise.append(_change(small, self._before))
        self._before = small
        seen, is_recent = self._seen, 0 <= time_s - self._seen_s < LONGEST_S - 1e-6
        if seen is not None and is_recent and len(self._noise) >= _LEARNT and _change(small, seen) < self.threshold:
            return True
        self._seen, self._seen_s = small, time_s
        return False

    @property
    def threshold(self) -> float:
        """The change, in grey levels, from which on the scene counts as moving."""
        return float(np.clip(2 * np.percentile(self._noise, 10), _LEAST_CHANGE, _GREATEST_CHANGE))


@dataclass(frozen=True, kw_only=True)
class Look:
    """A frame's answer.

    Args:
        answer: what the network finds, before any threshold; whoever asks for a look that is not held has to set it.
        is_held: whether it is an earlier frame's.
    """

    answer: Future[Detections | Classification]
    is_held: bool


class Scene:
    """What the network saw last of one camera, for as many threads as call.

    Args:
        skips_still: hold an answer while the scene does not move.
    """

    def __init__(self, *, skips_still: bool) -> None:
        self._stillness = Stillness() if skips_still else None
        self._last: Future[Detections | Classification] = Future()
        self._in_order = InOrder()

    def look(self, number: int, fitted: NDArray[np.uint8], time_s: float) -> Look:
        """Give the answer that holds, or one that is to be set; see `Stillness.is_still`.

        Args:
            number: of the frame, from 0 without a gap; whoever comes with a later one waits for it.
            fitted: the frame as the network takes it.
            time_s: of the frame.
        """
        if self._stillness is None:
            return Look(answer=Future(), is_held=False)
        with self._in_order.turn(number):
            is_still = self._stillness.is_still(fitted, time_s)
            if not is_still:
                self._last = Future()
            return Look(answer=self._last, is_held=is_still)

    def give_up(self) -> None:
        """Let nobody wait for a frame that failed; the run ends by it."""
        self._in_order.give_up()


def _change(small: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Give the third-greatest difference of two small pictures, that of their brightness taken off."""
    difference = small - other
    magnitude = np.abs(difference - np.median(difference)).reshape(-1)
    return float(np.partition(magnitude, -_BRIGHTEST)[-_BRIGHTEST])

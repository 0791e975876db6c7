"""Where a box will be, by the seconds that pass and by its own size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_JITTER = 0.05
"""Standard deviation of a detector's edges, in sides of the box."""

_SPEED = 1.0
"""Standard deviation of the speed of an object that is seen for the first time, in sides a second: someone who walks
moves by his own height in that time."""

_CHANGE = 0.5
"""Standard deviation of how much a speed changes within a second, in sides a second."""


class BoxMotion:
    """A Kalman filter of constant speed for the four edges of a box, in the place of the package's.

    The package's counts in frames and pixels: noise grows with the fourth power of the step, so that ten frames in one
    step are something else than ten steps, and a far, small box is held to the same pixels as a near one. Here noise is
    per second and in sides of the box. As the edges then have one covariance in common, there is no matrix.

    Args:
        bbox: [4] float, xyxy, where it was seen first.

    Source: white noise of acceleration in continuous time, for example Bar-Shalom et al. 2001, section 6.2.2.
    """

    def __init__(self, bbox: NDArray[Any]) -> None:
        self.kf = SimpleNamespace(
            measurement_noise=0.0, process_noise=0.0
        )  # the package reads them, for the call below
        self._edges = np.array(bbox, np.float64)
        self._speed = np.zeros(4)
        self._variance = (_JITTER**2, 0.0, _SPEED**2)
        """Of an edge, of both together, of its speed; in sides of the box."""

    def set_kf_covariances(self, **_noise: object) -> None:
        """Leave out noise in pixels."""

    def predict(self, seconds: float, _frame_rate: float | None = None) -> None:
        """Move on by so many frames of the tracker, which are seconds where it was told that there is one in each."""
        edge, both, speed = self._variance
        change = _CHANGE**2 * seconds
        self._edges = self._edges + self._speed * seconds
        self._variance = (
            edge + 2 * seconds * both + seconds**2 * speed + change * seconds**2 / 3,
            both + seconds * speed + change * seconds / 2,
            speed + change,
        )

    def update(self, bbox: NDArray[Any] | None) -> None:
        """Take where it was seen: [4] float, xyxy."""
        if bbox is None:
            return
        edge, both, speed = self._variance
        gain, speed_gain = edge / (edge + _JITTER**2), both / (edge + _JITTER**2)
        apart = bbox - self._edges
        self._edges = self._edges + gain * apart
        self._speed = self._speed + speed_gain * apart
        self._variance = ((1 - gain) * edge, (1 - gain) * both, speed - speed_gain * both)

    def state_to_bbox(self) -> NDArray[np.float64]:
        """Return [4] float64, xyxy."""
        return self._edges

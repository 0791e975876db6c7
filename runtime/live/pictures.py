"""Pictures for viewers: the newest of each camera, encoded once for all who look, and only while somebody does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from ..closing import Closing

_QUALITY = 80
_WIDEST = 1280
"""Pixels; a page shows no more, and a camera of 4K would cost ten times as much."""

_MOST_A_SECOND = 30
"""Pictures of a camera."""

_MOST_SENT_A_SECOND = 200
"""Pictures of all cameras to all viewers together; with more viewers each gets fewer, and the run keeps its pace."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A JPEG of one camera.

    Args:
        number: counts this camera's pictures, from 1.
        jpeg: encoded.
        width: in pixels.
        height: in pixels.
        captured_s: `time.monotonic()` of its capture; none of files.
    """

    number: int
    jpeg: bytes
    width: int
    height: int
    captured_s: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Drawn:
    image: NDArray[np.uint8]
    pixel_aspect: Fraction
    captured_s: float | None


class Pictures(Closing):
    """Encodes in a thread of its own; what comes while it is busy replaces what waits.

    Args:
        on_new: is called with the camera's name, from that thread.
        clock: seconds, as `time.monotonic`.
    """

    def __init__(
        self, on_new: Callable[[str], None] = lambda _name: None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_new = on_new
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[str, _Drawn] = {}
        self._newest: dict[str, Picture] = {}
        self._wanted: Mapping[str, int] = {}
        self._due_s: dict[str, float] = {}
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="live pictures", daemon=True)
        self._thread.start()

    def want(self, wanted: Mapping[str, int]) -> None:
        """Say how many viewers are ready for a new picture of each camera."""
        self._wanted = wanted

    def is_wanted(self, camera: str) -> bool:
        """Whether a picture that is drawn now would be shown."""
        return bool(self._wanted.get(camera)) and self._clock() >= self._due_s.get(camera, 0.0)

    def offer(self, camera: str, image: NDArray[np.uint8], *, pixel_aspect: Fraction, captured_s: float | None) -> None:
        """Take a picture, [h, w, 3] uint8 BGR, that is not changed from now on; it is left out where nobody waits."""
        if not self.is_wanted(camera):
            return
        pace_s = max(1 / _MOST_A_SECOND, sum(self._wanted.values()) / _MOST_SENT_A_SECOND)
        self._due_s[camera] = self._clock() + 0.9 * pace_s  # a camera of 30 a second is not exact to the millisecond
        with self._changed:
            self._waiting[camera] = _Drawn(image=image, pixel_aspect=pixel_aspect, captured_s=captured_s)
            self._changed.notify_all()

    def newest(self, camera: str) -> Picture | None:
        """Return the newest picture of a camera."""
        return self._newest.get(camera)

    def close(self) -> None:
        """End the thread; a second time does nothing."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over or self._waiting)
                if self._is_over:
                    return
                camera = next(iter(self._waiting))
                drawn = self._waiting.pop(camera)
            before = self._newest.get(camera)
            jpeg, width, height = encode_jpeg(drawn.image, widest=_WIDEST, pixel_aspect=drawn.pixel_aspect)
            self._newest[camera] = Picture(
                number=1 if before is None else before.number + 1,
                jpeg=jpeg,
                width=width,
                height=height,
                captured_s=drawn.captured_s,
            )
            self._on_new(camera)


def encode_jpeg(
    image: NDArray[np.uint8], *, widest: int, pixel_aspect: Fraction = Fraction(1)
) -> tuple[bytes, int, int]:
    """Encode a picture, with square pixels and no wider than asked for; return it with its width and height."""
    height, width = image.shape[:2]
    shown = (float(width * max(pixel_aspect, Fraction(1))), float(height / min(pixel_aspect, Fraction(1))))
    scale = min(1.0, widest / shown[0])
    size = (max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale)))
    if size != (width, height):
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return encoded.tobytes(), *size

"""A local camera."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import cv2
import numpy as np

from ..errors import InputError
from .feed import Feed, FeedLostError, Picture

_PROPERTIES = {
    "format": cv2.CAP_PROP_FOURCC,
    "width": cv2.CAP_PROP_FRAME_WIDTH,
    "height": cv2.CAP_PROP_FRAME_HEIGHT,
    "fps": cv2.CAP_PROP_FPS,
}


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, Any]:
        """Wait for the next frame, [h, w, 3] uint8 BGR (untyped in OpenCV); False when the camera is gone."""

    def get(self, _number: int, /) -> float:
        """Return a property."""

    def set(self, _number: int, _value: float, /) -> bool:
        """Ask for a property; whether it was taken shows `get` alone."""

    def release(self) -> None:
        """Free the camera."""


class CameraFeed(Feed):
    """Frames of an open camera.

    Args:
        capture: belongs to the feed from here on.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __iter__(self) -> Iterator[Picture]:
        while True:
            delivered, image = self._capture.read()
            if not delivered:
                raise FeedLostError("it delivers no frames; unplugged?")
            arrived_s = time.monotonic()
            # V4L2's drivers stamp a frame by the monotonic clock; other backends give the place in the stream here.
            driver_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield Picture(image=np.asarray(image, np.uint8), arrived_s=arrived_s, driver_s=driver_s)

    def close(self) -> None:
        """Free the camera."""
        self._capture.release()


def open_camera(name: str, device: str, options: Mapping[str, str]) -> CameraFeed:
    """Open a camera.

    Args:
        name: for messages.
        device: its number, as the system counts cameras, or its device.
        options: `width`, `height`, `fps`, `format`, as `read_source_name` gives them; the rest is the camera's choice.

    Raises:
        InputError: there is no such camera, it cannot be opened, or it has no such size, rate or format.
    """
    is_number = device.isdecimal()
    capture = open_quietly(int(device) if is_number else device, cv2.CAP_ANY if is_number else cv2.CAP_V4L2)
    if not capture.isOpened():
        raise InputError(f"{name}: expected a camera, got none that can be opened. `ls /dev/video*` lists cameras.")
    set_options(name, capture, options)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return CameraFeed(capture)


def open_quietly(what: int | str, backend: int) -> cv2.VideoCapture:
    """Let OpenCV open a camera or a pipeline; of one that is missing it would print a page."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(what, backend)
    finally:
        cv2.utils.logging.setLogLevel(level)


def set_options(name: str, capture: Capture, options: Mapping[str, str]) -> None:
    """Ask the camera for a format, size and rate, in this order, as the size depends on the format.

    Raises:
        InputError: it took another.
    """
    for key, number in _PROPERTIES.items():
        if key in options:
            value = cv2.VideoWriter.fourcc(*options[key].upper()) if key == "format" else int(options[key])
            capture.set(number, value)
            if (taken := round(capture.get(number))) != value:
                shown = taken.to_bytes(4, "little").decode(errors="replace") if key == "format" else taken
                raise InputError(
                    f"{name}: expected a camera with {key}={options[key]}, got {shown}. Leave it out, or take what "
                    f"`v4l2-ctl --list-formats-ext` lists."
                )

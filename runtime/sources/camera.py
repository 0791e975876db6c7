"""A camera, of which only the newest frame counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ..closing import Closing
from ..errors import InputError
from .frame import Frame, SourceKind

_SILENCE_S = 5.0
"""A camera that delivers nothing for this long is gone."""


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, Any]:
        """Wait for the next frame, [h, w, 3] uint8 BGR (untyped in OpenCV); False when the camera is gone."""

    def release(self) -> None:
        """Free the camera."""


class CameraSource(Closing):
    """A camera read in a thread that keeps only the newest frame.

    Queued frames are the field's usual cause of a picture that lags behind: a detector slower than the camera would
    work through ever older frames. Here it skips instead, and `Frame.index` shows the gap.

    Args:
        name: for messages and JSON lines, for example `cam0`.
        capture: the open camera; it belongs to the source from here on.
        silence_s: seconds without a frame after which the camera counts as gone.

    Raises:
        InputError: while iterating, if the camera never delivers a frame.
    """

    kind: SourceKind = "camera"
    length: int | None = None

    def __init__(self, name: str, capture: Capture, *, silence_s: float = _SILENCE_S) -> None:
        self.name = name
        self._capture = capture
        self._silence_s = silence_s
        self._warnings: list[str] = []
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    @property
    def warnings(self) -> tuple[str, ...]:
        """How the camera ended."""
        return tuple(self._warnings)

    def __iter__(self) -> Iterator[Frame]:
        delivered = 0
        while (frame := self._take()) is not None:
            delivered += 1
            yield frame
        if self._stop.is_set():
            return
        if not delivered:
            raise InputError(
                f"{self.name}: expected a camera that delivers frames, got none. Is another program using it?"
            )
        self._warnings.append(f"{self.name}: the camera stopped delivering frames (unplugged?); the run ends here.")

    def reads(self, _path: Path) -> bool:
        """Whether it is a file, which it is not."""
        return False

    def close(self) -> None:
        """Stop reading and free the camera."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        # A camera that hangs inside the driver never returns from read(); its thread is left to end with the process.
        self._thread.join(timeout=self._silence_s)

    def _take(self) -> Frame | None:
        """Wait for a frame that was not delivered yet; None when the camera is gone."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._newest is not None or self._ended or self._stop.is_set(), timeout=self._silence_s
            )
            frame, self._newest = self._newest, None
            return None if self._stop.is_set() else frame

    def _read(self) -> None:
        index = 0
        first_s = 0.0
        while not self._stop.is_set():
            delivered, image = self._capture.read()
            if not delivered:
                break
            now_s = time.monotonic()
            if index == 0:
                first_s = now_s
            frame = Frame(image=np.asarray(image, np.uint8), index=index, time_s=now_s - first_s, source=self.name)
            index += 1
            with self._changed:
                self._newest = frame
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._capture.release()


def open_camera(number: int) -> CameraSource:
    """Open a camera by its number.

    Raises:
        InputError: there is no such camera, or it cannot be opened.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a missing camera makes it print a page
    try:
        capture = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise InputError(
            f"cam{number}: expected a camera, got none that can be opened. `ls /dev/video*` lists cameras."
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return CameraSource(f"cam{number}", capture)

"""A camera, of which only the newest frame counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ..closing import Closing
from ..errors import InputError
from .frame import Frame, SourceKind
from .handoff import Handoff
from .source_events import OnEvent, SourceEvent, SourceState, ignore_event
from .source_names import Policy

_PROPERTIES = {
    "format": cv2.CAP_PROP_FOURCC,
    "width": cv2.CAP_PROP_FRAME_WIDTH,
    "height": cv2.CAP_PROP_FRAME_HEIGHT,
    "fps": cv2.CAP_PROP_FPS,
}

_SILENCE_S = 5.0
"""A camera that delivers nothing for this long is gone."""


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


class CameraSource(Closing):
    """A camera read in a thread that keeps only the newest frame; `Frame.index` shows a gap.

    Args:
        name: for messages and JSON lines, for example `cam0`.
        capture: the open camera; it belongs to the source from here on.
        silence_s: seconds without a frame after which the camera counts as gone.
        policy: of frames that nobody took.
        on_event: is given each change of its state.

    Raises:
        InputError: while iterating, if the camera never delivers a frame.
    """

    kind: SourceKind = "camera"
    length: int | None = None

    def __init__(
        self,
        name: str,
        capture: Capture,
        *,
        silence_s: float = _SILENCE_S,
        policy: Policy = "latest",
        on_event: OnEvent = ignore_event,
    ) -> None:
        self.name = name
        self._capture = capture
        self._silence_s = silence_s
        self._on_event = on_event
        self._warnings: list[str] = []
        self._handoff = Handoff(policy)
        self._index = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    @property
    def policy(self) -> Policy:
        """Of frames that nobody took."""
        return self._handoff.policy

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was dropped, and how the camera ended."""
        dropped = self._handoff.dropped
        told = (f"{self.name}: {dropped} of {self._index} frames came while another was looked at.",) if dropped else ()
        return (*told, *self._warnings)

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames that nobody took."""
        return {"replaced by a newer": self._handoff.dropped} if self._handoff.dropped else {}

    def __iter__(self) -> Iterator[Frame]:
        delivered = 0
        while (frame := self._handoff.take(self._silence_s)) is not None:
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
        self._handoff.end(is_left=True)
        # A camera that hangs inside the driver never returns from read(); its thread is left to end with the process.
        self._thread.join(timeout=self._silence_s)

    def _read(self) -> None:
        first_s = 0.0
        while not self._stop.is_set():
            delivered, image = self._capture.read()
            if not delivered:
                break
            now_s = time.monotonic()
            if self._index == 0:
                first_s = now_s
                self._tell("live")
            frame = Frame(
                image=np.asarray(image, np.uint8),
                index=self._index,
                time_s=now_s - first_s,
                source=self.name,
                captured_at=datetime.now(timezone.utc),
                captured_s=now_s,
                capture_clock="arrival",
            )
            self._index += 1
            self._handoff.put(frame)
        self._handoff.end()
        self._tell("ended", "" if self._stop.is_set() else "unplugged?")
        self._capture.release()

    def _tell(self, state: SourceState, reason: str = "") -> None:
        self._on_event(SourceEvent(source=self.name, state=state, at=datetime.now(timezone.utc), reason=reason))


def open_camera(
    number: int, *, options: Mapping[str, str], policy: Policy = "latest", on_event: OnEvent = ignore_event
) -> CameraSource:
    """Open a camera by its number.

    Args:
        number: as the system counts cameras.
        options: `width`, `height`, `fps`, `format`, as `read_source_name` gives them; the rest is the camera's choice.
        policy: of frames that nobody took.
        on_event: is given each change of its state.

    Raises:
        InputError: there is no such camera, it cannot be opened, or it has no such size, rate or format.
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
    set_options(f"cam{number}", capture, options)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return CameraSource(f"cam{number}", capture, policy=policy, on_event=on_event)


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
                raise InputError(f"{name}: expected a camera with {key}={options[key]}, got {shown}.")

"""Shows frames in a window."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

_QUIT_KEYS = (ord("q"), 27)  # 27 is Escape
_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1)"
_PROBE_TIMEOUT_S = 30.0


class Window:
    """A window for frames; it belongs to the main thread, as the desktop's toolkits demand.

    Args:
        title: of the window, no other's.

    Raises:
        InputError: there is no display.
    """

    def __init__(self, title: str = "singleshot") -> None:
        self._title = title
        check_display()
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._sized = False

    def show(self, image: NDArray[np.uint8]) -> bool:
        """Show a frame, [h, w, 3] uint8 BGR; False once the user pressed q or Escape or closed the window."""
        if not self._sized:
            cv2.resizeWindow(self._title, image.shape[1], image.shape[0])
            self._sized = True
        cv2.imshow(self._title, image)
        key = cv2.waitKey(1) & 0xFF
        return key not in _QUIT_KEYS and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self._title)


def check_display() -> None:
    """Make sure that a window can be opened, before the toolkit ends the process because it cannot.

    OpenCV's Qt does not raise but aborts, also when DISPLAY names a server that is not there. So another process tries.

    Raises:
        InputError: there is no display, or OpenCV was built without windows.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--show: expected a display, got none (DISPLAY is not set). Use --save FILE instead.")
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
        failed = probe.returncode != 0
    except subprocess.TimeoutExpired:
        failed = True
    if failed:
        raise InputError("--show: expected a display, got one that cannot be opened. Use --save FILE instead.")

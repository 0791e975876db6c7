"""Says which system libraries OpenCV lacks, and the line that brings them.

`python -m singleshot.tools.terminal.check_opencv` prints it.

The wheels of opencv-python bring most of what they need, but not the desktop's own libraries, and slim images of Linux
lack those. Nothing else of singleshot is imported here that would fail for the same reason.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable

from ...runtime.errors import InputError
from .exits import exit_codes

_APT_PACKAGES = ("libgl1", "libglib2.0-0", "libxcb1")
"""They bring libGL.so.1, libglib-2.0.so.0, libgthread-2.0.so.0 and libxcb.so.1, which opencv-python 5 takes from the
system (by ldd)."""

_APT_LINE = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(_APT_PACKAGES)}"


def check_opencv(import_module: Callable[[str], object] = importlib.import_module) -> None:
    """Make sure that OpenCV can be imported.

    Args:
        import_module: imports a module by name.

    Raises:
        InputError: it cannot; the text has the one line that mends it.
    """
    try:
        import_module("cv2")
    except ModuleNotFoundError as error:
        mend = "`pip install opencv-python` brings it."
        if "tegra" in platform.release():
            mend = (
                "JetPack's, which has GStreamer, is seen in an environment made by `python3 -m venv "
                "--system-site-packages`; `pip install opencv-python` brings one without."
            )
        raise InputError(f"cv2: expected OpenCV, got no such package. {mend}") from error
    except ImportError as error:  # the dynamic linker's words: "libGL.so.1: cannot open shared object file: …"
        raise InputError(
            f"cv2: expected OpenCV's system libraries, got: {error}. Debian and Ubuntu (as root): {_APT_LINE}"
        ) from error


if __name__ == "__main__":
    with exit_codes():
        check_opencv()

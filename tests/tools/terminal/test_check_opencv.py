"""A machine without OpenCV's system libraries gets the line that brings them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from singleshot.runtime.errors import InputError
from singleshot.tools.terminal.check_opencv import check_opencv

LINKER_WORDS = "libGL.so.1: cannot open shared object file: No such file or directory"
BROKEN_CV2 = f"""
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise ImportError({LINKER_WORDS!r})
sys.meta_path.insert(0, Broken())
sys.argv = ["check"]
import runpy
runpy.run_module("singleshot.tools.terminal.check_opencv", run_name="__main__")
"""


def test_opencv_works_here() -> None:
    check_opencv()


def test_missing_library_names_the_line_that_mends_it() -> None:
    run = subprocess.run([sys.executable, "-c", BROKEN_CV2], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr == (
        f"error: cv2: expected OpenCV's system libraries, got: {LINKER_WORDS}. Debian and Ubuntu (as root): "
        f"apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libxcb1\n"
    )


def test_missing_package() -> None:
    def import_module(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    with pytest.raises(InputError, match=r"cv2: expected OpenCV, got no such package\. `pip install opencv-python`"):
        check_opencv(import_module)


def test_missing_package_on_a_jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr("platform.release", lambda: "5.15.148-tegra")
    with pytest.raises(InputError, match=r"JetPack's, which has GStreamer, is seen in an environment made by `python3"):
        check_opencv(import_module)

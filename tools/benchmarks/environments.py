"""Environments of peers: each has its own, made once in the user's cache folder, and nothing of singleshot in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import cache_folder

_PROGRAMS = Path(__file__).with_name("peers")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Somebody else's way from frames to detections.

    Args:
        name: for tables.
        program: in `peers/`.
        environment: a folder's name; peers that need the same share one.
        packages: what is installed there, as pip takes it.
    """

    name: str
    program: str
    environment: str
    packages: tuple[str, ...]


PEERS = (
    Peer(
        name="a plain OpenCV loop",
        program="opencv_loop",
        environment="opencv-loop",
        packages=("onnxruntime", "opencv-python-headless>=5"),
    ),
    Peer(name="OpenCV DNN", program="opencv_dnn", environment="opencv-dnn", packages=("opencv-python-headless>=5",)),
    Peer(
        name="Ultralytics predict, YOLOv8n at 320",
        program="ultralytics_predict",
        environment="ultralytics",
        packages=("ultralytics",),
    ),
    Peer(
        name="torchvision ssdlite320_mobilenet_v3_large",
        program="torchvision_ssdlite",
        environment="torchvision",
        packages=("torchvision", "opencv-python-headless"),
    ),
)


def python_of(peer: Peer, *, tell: Callable[[str], None]) -> Path:
    """Give the interpreter of a peer's environment, which is made where it is not there yet.

    Args:
        peer: which.
        tell: is given a line before something is installed, which may take minutes.

    Raises:
        InputError: its packages cannot be installed.
    """
    folder = cache_folder("peers") / peer.environment
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp, wanted = folder / "installed", "\n".join(peer.packages)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    tell(f"{peer.name}: installing {' '.join(peer.packages)} in {folder}")
    try:
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise InputError(
            f"{peer.name}: expected to install {' '.join(peer.packages)} in {folder}, got: {said[-1]}. "
            f"Leave it out by naming the others with --peer."
        ) from error
    stamp.write_text(wanted, encoding="utf-8")
    return python


def programs_in(folder: Path) -> dict[str, str]:
    """Copy the peers' programs, and give the variables of a process that finds them there, and singleshot nowhere."""
    shutil.copytree(_PROGRAMS, folder / "peers", ignore=shutil.ignore_patterns("__pycache__"))
    return {**os.environ, "PYTHONPATH": str(folder)}

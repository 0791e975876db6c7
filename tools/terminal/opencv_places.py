"""Which `cv2` Python takes, and which others there are: a Jetson has its own, with GStreamer, that pip's hides."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path


def opencv_places(folders: Iterable[str]) -> list[Path]:
    """Find every OpenCV of some folders, in their order.

    Args:
        folders: as Python's path has them.
    """
    found: list[Path] = []
    for folder in folders:
        spec = PathFinder.find_spec("cv2", [folder])
        if spec is not None and spec.origin is not None:
            place = Path(spec.origin).resolve()
            found += [] if place in found else [place]
    return found


def system_folders() -> list[str]:
    """Name where JetPack and Debian put packages, which an environment does not see by itself."""
    version = f"python3.{sys.version_info.minor}"
    return [f"/usr/lib/{version}/dist-packages", "/usr/lib/python3/dist-packages"]


def gstreamer_in(build_information: str) -> str | None:
    """Read the version of GStreamer off what OpenCV says of itself; none where it was built without."""
    match = re.search(r"^\s*GStreamer:\s*YES(?:\s*\(([^)]*)\))?", build_information, re.MULTILINE)
    return None if match is None else match[1] or "of unknown version"

"""What GStreamer plays, through OpenCV: pipelines of one's own, and a Jetson's camera."""

from __future__ import annotations

from collections.abc import Mapping

import cv2

from ..errors import InputError
from .camera import CameraFeed, open_quietly

_NEWEST = "appsink drop=true max-buffers=1"
_SINK = f"videoconvert ! video/x-raw,format=BGR ! {_NEWEST}"


def csi_pipeline(number: str, options: Mapping[str, str]) -> str:
    """Write the pipeline by which JetPack documents its cameras.

    Args:
        number: of the sensor.
        options: `width`, `height`, `fps`, `flip`.
    """
    width, height, fps = (options.get(key, default) for key, default in _CSI_DEFAULTS.items())
    return (
        f"nvarguscamerasrc sensor-id={number} ! "
        f"video/x-raw(memory:NVMM),width=(int){width},height=(int){height},format=(string)NV12,"
        f"framerate=(fraction){fps}/1 ! "
        f"nvvidconv flip-method={options.get('flip', '0')} ! "
        f"video/x-raw,width=(int){width},height=(int){height},format=(string)BGRx ! "
        f"videoconvert ! video/x-raw,format=(string)BGR ! {_NEWEST}"
    )


_CSI_DEFAULTS = {"width": "1280", "height": "720", "fps": "30"}


def open_pipeline(name: str, pipeline: str) -> CameraFeed:
    """Open a pipeline; one without an `appsink` gets one that keeps the newest picture.

    Raises:
        InputError: OpenCV has no GStreamer, or the pipeline does not play.
    """
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):  # `getBackends` lists it where its plugin is not there
        raise InputError(
            f"{name}: expected an OpenCV with GStreamer, got {cv2.__version__} without, from {cv2.__path__[0]}. "
            f"JetPack's and Debian's have it, and PyPI's hides them: `pip uninstall opencv-python`."
        )
    capture = open_quietly(pipeline if "appsink" in pipeline else f"{pipeline} ! {_SINK}", cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        raise InputError(
            f"{name}: expected a pipeline that plays, got one that does not. `gst-launch-1.0 -v` says why."
        )
    return CameraFeed(capture)

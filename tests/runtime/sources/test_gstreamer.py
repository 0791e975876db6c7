"""Pipelines of GStreamer: written as JetPack documents them, refused where OpenCV has none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.gstreamer import csi_pipeline
from singleshot.runtime.sources.open_source import open_source

HAS_GSTREAMER = cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER)


def test_pipeline_of_a_jetsons_camera() -> None:
    assert csi_pipeline("1", {"width": "1920", "height": "1080", "flip": "2"}) == (
        "nvarguscamerasrc sensor-id=1 ! "
        "video/x-raw(memory:NVMM),width=(int)1920,height=(int)1080,format=(string)NV12,framerate=(fraction)30/1 ! "
        "nvvidconv flip-method=2 ! "
        "video/x-raw,width=(int)1920,height=(int)1080,format=(string)BGRx ! "
        "videoconvert ! video/x-raw,format=(string)BGR ! appsink drop=true max-buffers=1"
    )


@pytest.mark.skipif(HAS_GSTREAMER, reason="this OpenCV has GStreamer")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("csi://0", "csi://0", id="camera of a Jetson"),
        pytest.param(
            "gst:rtspsrc location=rtsp://cam/1 user-pw=geheim ! decodebin", "gst:rtspsrc!decodebin", id="pipeline"
        ),
    ],
)
def test_opencv_without_gstreamer_is_said(name: str, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(name)
    assert str(caught.value).startswith(f"{shown}: expected an OpenCV with GStreamer, got {cv2.__version__} without, ")
    assert "geheim" not in str(caught.value)


class PlayingCapture:
    """Stands in for an OpenCV that has GStreamer."""

    asked: tuple[str, int] = ("", 0)
    plays = True

    def __init__(self, pipeline: str, backend: int) -> None:
        PlayingCapture.asked = (pipeline, backend)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return PlayingCapture.plays

    def read(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((6, 8, 3), np.uint8)

    def get(self, _number: int) -> float:
        return 0.0

    def release(self) -> None:
        pass


def test_pipeline_is_given_a_sink_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: backend == cv2.CAP_GSTREAMER)
    monkeypatch.setattr(cv2, "VideoCapture", PlayingCapture)
    with open_source("gst: videotestsrc ! video/x-raw,width=8") as source:
        frame = next(iter(source))
    assert (source.name, frame.image.shape, frame.capture_clock) == ("gst:videotestsrc", (6, 8, 3), "arrival")
    assert PlayingCapture.asked == (
        "videotestsrc ! video/x-raw,width=8 ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1",
        cv2.CAP_GSTREAMER,
    )
    monkeypatch.setattr(PlayingCapture, "plays", False)
    with pytest.raises(InputError, match=r"csi://0: expected a pipeline that plays, got one that does not\."):
        open_source("csi://0")

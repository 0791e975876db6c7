"""A camera gives its newest frame, and says when it is gone. The camera here is a script."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.camera import CameraSource, set_options


class ScriptedCamera:
    """Delivers a frame whenever `let` allows it; then is unplugged, or hangs."""

    def __init__(self, frames: int, *, hangs: bool = False) -> None:
        self.left = frames
        self.hangs = hangs
        self.let = threading.Semaphore(0)
        self.read_again = threading.Semaphore(0)
        self.unhang = threading.Event()
        self.released = False
        self.properties: dict[int, float] = {}

    def read(self) -> tuple[bool, np.ndarray]:
        self.read_again.release()
        self.let.acquire()
        if self.left == 0:
            if self.hangs:
                self.unhang.wait()
            return False, np.zeros(0)
        self.left -= 1
        return True, np.zeros((6, 8, 3), np.uint8)

    def release(self) -> None:
        self.released = True

    def get(self, number: int, /) -> float:
        return self.properties.get(number, 0)

    def set(self, number: int, value: float, /) -> bool:
        self.properties[number] = min(value, 1920)  # no camera has more
        return True

    def deliver(self, count: int) -> None:
        """Let so many reads happen and wait until the source has taken them."""
        for _ in range(count):
            self.let.release()
            assert self.read_again.acquire(timeout=5)


def test_frames_that_came_meanwhile_are_skipped() -> None:
    camera = ScriptedCamera(6)
    with CameraSource("cam0", camera) as source:
        assert camera.read_again.acquire(timeout=5)
        frames = iter(source)
        camera.deliver(1)
        assert next(frames).index == 0
        camera.deliver(4)
        newest = next(frames)
        assert newest.index == 4
        assert newest.time_s > 0
        assert newest.source == "cam0"
        camera.deliver(1)
        assert next(frames).index == 5
        camera.let.release()  # unplugged
        assert list(frames) == []
    assert source.warnings == (
        "cam0: 3 of 6 frames came while another was looked at.",
        "cam0: the camera stopped delivering frames (unplugged?); the run ends here.",
    )
    assert camera.released


def test_camera_that_hangs_ends_the_run() -> None:
    camera = ScriptedCamera(1, hangs=True)
    camera.let.release(2)
    source = CameraSource("cam0", camera, silence_s=0.05)
    assert [frame.index for frame in source] == [0]
    assert len(source.warnings) == 1
    camera.unhang.set()
    source.close()


def test_camera_without_a_frame_is_an_error() -> None:
    camera = ScriptedCamera(0)
    camera.let.release()
    with (
        CameraSource("cam0", camera) as source,
        pytest.raises(InputError, match="expected a camera that delivers frames"),
    ):
        next(iter(source))


def test_closing_is_no_fault_of_the_camera() -> None:
    camera = ScriptedCamera(5)
    camera.let.release(2)
    source = CameraSource("cam0", camera)
    frames = iter(source)
    next(frames)
    camera.let.release(9)
    source.close()
    assert list(frames) == []
    assert "stopped delivering" not in str(source.warnings)


def test_camera_is_asked_for_size_and_rate_and_says_what_it_does_not_have() -> None:
    camera = ScriptedCamera(0)
    set_options("cam0", camera, {"width": "1280", "fps": "30"})
    assert camera.properties == {cv2.CAP_PROP_FRAME_WIDTH: 1280, cv2.CAP_PROP_FPS: 30}
    with pytest.raises(InputError, match=r"cam0: expected a camera with width=4000, got 1920\."):
        set_options("cam0", camera, {"width": "4000"})
